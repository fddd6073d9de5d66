"""Motion as a file: generate or encode it once, apply it to any portrait."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from imtalker.config import FRAME_RATE, MOTION_DIM
from imtalker.errors import InputError, OutputError
from imtalker.media.atomic import atomic_file
from imtalker.media.container import existing_file
from imtalker.pipeline.inputs import describe_file

FORMAT = "imtalker-motion-1"


@dataclass(frozen=True)
class MotionClip:
    """A motion sequence and how it came about."""

    motion: Tensor  # (T, 32) float32, or more with a body, see ``check_motion``, on the CPU, 25 frames per second
    recipe: dict[str, Any] = field(default_factory=dict)  # of the run it comes from
    file: dict[str, Any] | None = None  # name and SHA-256, where it was read from a file


def save_motion(path: str | Path, motion: Tensor | MotionClip, recipe: Mapping | None = None) -> None:
    """Write motion ``([1,] T, 32)``, or with a body, with its recipe as ``.safetensors``.

    Raises:
        InputError: wrong shape or numbers that are not finite.
        OutputError: the file cannot be written.
    """
    if isinstance(motion, MotionClip):
        recipe = motion.recipe if recipe is None else recipe
        motion = motion.motion
    values = check_motion(motion, "the motion")
    metadata = {"format": FORMAT, "fps": str(FRAME_RATE), "recipe": json.dumps(dict(recipe or {}))}
    with atomic_file(path, (".safetensors",)) as hidden:
        try:
            save_file({"motion": values}, hidden, metadata=metadata)
        except SafetensorError as error:  # a full disk is reported as this
            raise OutputError(f"motion file {path} cannot be written ({error}); free some space") from error


def load_motion(path: str | Path) -> MotionClip:
    """Read a motion file.

    Raises:
        InputError: missing, damaged, or not a motion file.
    """
    path = existing_file(path, "motion file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT or "motion" not in file.keys():
                raise InputError(f"{path} is not a motion file ({FORMAT}); save one with --save-motion")
            motion = file.get_tensor("motion")
        recipe = json.loads(metadata.get("recipe", "{}"))
        if not isinstance(recipe, dict):
            raise ValueError("its recipe is no JSON object")
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(f"motion file {path} is damaged ({error}); save it again") from error
    return MotionClip(check_motion(motion, f"motion file {path}"), recipe, describe_file(path))


def describe_motion(motion: object) -> dict[str, Any]:
    """What a recipe says about motion: its file, if there is one, and how it was made, if that is known."""
    if not isinstance(motion, MotionClip):
        return {"file": None, "sha256": None}
    return (motion.file or {"file": None, "sha256": None}) | {"recipe": motion.recipe}


def check_motion(motion: Tensor, name: str) -> Tensor:
    """Motion ``([1,] T, 32)`` as ``(T, 32)`` float32 on the CPU; with a body, any square lattice of two numbers each
    (today's 16 x 16: 544 in all), that many more. Raises InputError if it is none."""
    motion = motion.detach().to("cpu", torch.float32)
    if motion.ndim == 3 and motion.shape[0] == 1:
        motion = motion[0]
    if motion.ndim != 2 or not len(motion) or not _is_width(motion.shape[1]):
        raise InputError(
            f"{name} has shape {tuple(motion.shape)}; it must be (frames, {MOTION_DIM}), or with a body of n x n "
            f"points (frames, {MOTION_DIM} + 2 n n)"
        )
    if not torch.isfinite(motion).all():
        raise InputError(f"{name} has numbers that are not finite; generate it again")
    return motion.contiguous()


def _is_width(numbers: int) -> bool:
    """Whether a motion may have so many numbers a frame."""
    nodes = isqrt(max(numbers - MOTION_DIM, 0) // 2)
    return numbers == MOTION_DIM + 2 * nodes**2 and nodes != 1
