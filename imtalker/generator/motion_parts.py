"""Parts of an explicit motion (``motion_layout``): lips, eyes and head, taken from one motion or from another.

The expression components mix the whole face. ``motion_parts.npz`` holds the fixed matrix (23, 23) that takes what moves
below the nose: its displacement decoded, cut by a soft mask between the lower lids and the nose, encoded again (see
``train.puppet.motion_space``). Both halves add up to the whole, so nothing is lost and the lips leave no trace in
the lids nor the lids in the lips.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from imtalker.config import MOTION_DIM
from imtalker.errors import InputError
from imtalker.generator.motion_layout import GAZE_CHANNELS, HEAD_CHANNELS

Part = Literal["all", "expression", "lips", "eyes", "head"]
PARTS: tuple[Part, ...] = get_args(Part)
EXPRESSION_CHANNELS = slice(8, 31)
TONGUE_CHANNELS = slice(31, 32)


@lru_cache(maxsize=1)
def lower_face_matrix() -> np.ndarray:
    """(23,23) float32: ``expression @ matrix`` is the share of an expression that lies below the nose."""
    with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as data:
        return data["lower_face"]


def check_parts(parts: Part | Iterable[Part]) -> frozenset[Part]:
    """Of ``parts``, those that are wholes of their own: some of lips, eyes, head.

    Raises:
        InputError: an unknown part, or none.
    """
    named: tuple[Part, ...] = (parts,) if isinstance(parts, str) else tuple(parts)
    if not named or not set(named) <= set(PARTS):
        raise InputError(f"parts is {parts!r:.60}; give some of {', '.join(PARTS)}")
    whole: dict[Part, set[Part]] = {"all": {"lips", "eyes", "head"}, "expression": {"lips", "eyes"}}
    taken: set[Part] = set()
    for part in named:
        taken |= whole.get(part, {part})
    return frozenset(taken)


def split(motion: Tensor) -> dict[str, Tensor]:
    """Motion ``(..., 32)`` as three motions ``(..., 32)`` that add up to it.

    ``lips``: mouth, jaw, cheeks below the nose, tongue; ``eyes``: gaze, lids, brows; ``head``: pose, place, size.
    """
    lower = torch.from_numpy(lower_face_matrix()).to(motion)
    parts = {name: torch.zeros_like(motion) for name in ("lips", "eyes", "head")}
    expression = motion[..., EXPRESSION_CHANNELS]
    parts["lips"][..., EXPRESSION_CHANNELS] = expression @ lower
    parts["lips"][..., TONGUE_CHANNELS] = motion[..., TONGUE_CHANNELS]
    parts["eyes"][..., EXPRESSION_CHANNELS] = expression - expression @ lower
    parts["eyes"][..., GAZE_CHANNELS] = motion[..., GAZE_CHANNELS]
    parts["head"][..., HEAD_CHANNELS] = motion[..., HEAD_CHANNELS]
    return parts


def combine(motion: Tensor, other: Tensor, parts: Part | Iterable[Part]) -> Tensor:
    """``parts`` of ``motion (..., 32)``, everything else of ``other``, which may have fewer leading dimensions.

    A body that follows the 32 numbers goes with the head.

    Raises:
        InputError: an unknown part, or none.
    """
    taken = check_parts(parts)
    if taken == {"lips", "eyes", "head"}:
        return motion
    body = motion[..., MOTION_DIM:]
    motion = motion[..., :MOTION_DIM]
    other = other[..., :MOTION_DIM].to(motion).expand_as(motion)
    difference = split(motion - other)
    combined = other + sum((difference[name] for name in sorted(taken)), start=torch.zeros_like(motion))
    return torch.cat([combined, body if "head" in taken else torch.zeros_like(body)], -1)
