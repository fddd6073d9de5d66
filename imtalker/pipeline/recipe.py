"""The recipe of a run: everything needed to make the same frames again, stored in videos and motion files.

A JSON object, the same from command line, app and API:

- ``version``: of this format; ``software``, ``torch``: what made it
- ``preset``, ``motion_layout``, ``weights`` (revision, sha256), ``dtype`` of the renderer
- ``mode``: "audio", "video", "motion" or "dub"
- ``portrait``: file, sha256, crop, face, background
- ``edited``: file, sha256 of the video that was dubbed; ``dubbing``: every option
- ``speech``: file, sha256 (audio; with motion the sound), or text, voice, speed, engine of speech made from a text
- ``driving``, ``head_from``: file, sha256, crop, face of a clip
- ``motion``: file, sha256, and the recipe it was made by
- ``sampling``, ``controls``: every value; curves in full
- ``size`` of the frames, ``relative``, ``keep_sound``, ``paste_back``, ``max_side``, ``label``

Files are named without folders, which may say who somebody is. Further entries may join; an entry that is missing
means that nothing was asked for.
"""

import json
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from imtalker.config import SamplingOptions
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from imtalker.media.container import existing_file, open_media
from imtalker.media.video_writer import AI_NOTICE
from imtalker.version import __version__
from imtalker.weights.load import Models

VERSION = 2  # 1, up to version 0.1, summed curves up and did not name the inputs; it cannot be made again

Mode = Literal["audio", "video", "motion", "dub"]
Recipe = dict[str, Any]


def make_recipe(
    models: Models,
    dtype: str,
    mode: Mode,
    portrait: Recipe | None,
    options: SamplingOptions | None = None,
    controls: MotionControls | None = None,
    **inputs: Any,
) -> Recipe:
    """The recipe of a run.

    Args:
        dtype: what the renderer computes in, see ``imtalker.devices``.
        portrait: what ``SourceImage.recipe`` says; None: a video is dubbed.
        inputs: further entries as listed above; None leaves one out.
    """
    recipe: Recipe = {
        "version": VERSION,
        "software": f"imtalker {__version__}",
        "torch": str(torch.__version__),
        "preset": models.preset.name,
        "motion_layout": models.generator.config.motion_layout,
        "weights": {"revision": models.revision, "sha256": models.sha256},
        "dtype": dtype,
        "mode": mode,
    }
    if portrait is not None:
        recipe["portrait"] = portrait
    if options is not None:
        recipe["sampling"] = asdict(options)
    if controls is not None:
        given = {f.name: getattr(controls, f.name) for f in fields(controls)}
        recipe["controls"] = {name: _plain(value) for name, value in given.items() if value is not None}
    return recipe | {name: value for name, value in inputs.items() if value is not None}


def read_recipe(path: str | Path) -> Recipe | None:
    """The recipe in a finished video, or in a JSON file; None for a video that is not one of ours.

    Raises:
        InputError: missing or damaged file.
    """
    if Path(path).suffix.lower() == ".json":
        try:
            content = json.loads(existing_file(path, "recipe").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"recipe {path} cannot be read: {error}; give the recipe of a run") from error
        if not isinstance(content, dict):
            raise InputError(f"recipe {path} is not a JSON object; give the recipe of a run")
        return content
    with open_media(path, "video file") as container:
        comment = container.metadata.get("comment", "")
    if not comment.startswith(AI_NOTICE):
        return None
    try:
        content = json.loads(comment[len(AI_NOTICE) :])
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def requested_controls(recipe: Recipe | None) -> dict[str, Any]:
    """The controls a video was made with, its motion's own where it was made from saved motion."""
    asked = recipe or {}
    if asked.get("mode") == "motion":
        asked = _object(_object(asked.get("motion")).get("recipe"))
    return _object(asked.get("controls"))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
