"""Clips to evaluate on: any folder of video files, or the small set of synthetic people that ships with us."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from imtalker.errors import InputError
from imtalker.media.video import VideoInfo, probe_video

logger = logging.getLogger(__name__)

BUNDLED = "bundled"
BUNDLED_FOLDER = Path(__file__).parent / "data"
SUFFIXES = frozenset((".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v"))
_TRUTH_NAMES = {"gx": "gaze_x", "gy": "gaze_y"}  # of the people renderer -> of the face mesh
_TRUTH_CURVES = ("yaw", "pitch", "roll", "gaze_x", "gaze_y")
MIN_FRAMES = 12  # shorter clips say nothing about motion


@dataclass(frozen=True)
class Clip:
    """One clip."""

    name: str
    path: Path
    info: VideoInfo
    truth: dict | None  # of a rendered clip, from <name>.json: yaw, pitch, roll, gaze_x, gaze_y per frame, degrees


@dataclass(frozen=True)
class Skipped:
    """A clip that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """What a folder holds."""

    name: str
    clips: tuple[Clip, ...]
    skipped: tuple[Skipped, ...]


def read_dataset(folder: str | Path, with_sound: bool = False, limit: int | None = None) -> Dataset:
    """Find the clips of a folder (not of folders inside it), sorted by name.

    Args:
        folder: a path, or "bundled".
        with_sound: clips without sound are skipped.
        limit: only the first so many clips.

    Raises:
        InputError: no such folder, or no usable clip in it; the message names what was skipped and why.
    """
    path = BUNDLED_FOLDER if str(folder) == BUNDLED else Path(folder)
    if not path.is_dir():
        raise InputError(f"{path} is not a folder; give a folder of clips, or '{BUNDLED}'")
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    for file in sorted(path.iterdir()):
        if limit is not None and len(clips) >= limit:
            break
        if file.suffix.lower() not in SUFFIXES or file.name.startswith("."):
            continue
        try:
            info = probe_video(file)
            truth = _read_truth(file.with_suffix(".json"))
        except InputError as error:
            skipped.append(Skipped(file.name, str(error)))
            continue
        if with_sound and not info.has_audio:
            skipped.append(Skipped(file.name, "has no sound"))
        else:
            clips.append(Clip(file.stem, file, info, truth))
    for skip in skipped:
        logger.warning("skipped %s: %s", skip.name, skip.reason)
    if not clips:
        because = "; ".join(f"{skip.name}: {skip.reason}" for skip in skipped)
        wanted = "clips with sound" if with_sound else "clips"
        raise InputError(f"{path} holds no usable {wanted} ({because or 'no video files'}); add some")
    return Dataset(BUNDLED if str(folder) == BUNDLED else path.name, tuple(clips), tuple(skipped))


def _read_truth(path: Path) -> dict | None:
    if not path.is_file():
        return None
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(truth, dict):
        return None
    renamed = {_TRUTH_NAMES.get(name, name): value for name, value in truth.items()}
    # A file of that name may be something else that came with the clip.
    return {name: value for name, value in renamed.items() if name in _TRUTH_CURVES and _is_curve(value)} or None


def _is_curve(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(number) in (int, float) for number in value)
