"""Parts of an explicit motion: the mouth from one motion, head, eyes and brows from another.

The 23 expression components of the ``tiny`` preset are linear in the displacement of the mean face. With a soft weight
``m`` per vertex (1 from the nose down, 0 from the lower lids up) the fixed matrix ``P = decoder diag(m) encoder`` takes
the mouth's share out of an expression: ``mouth @ P + rest @ (I - P)`` has the lips of one motion and the lids and brows
of another. ``motion_parts.npz`` holds the matrix and what else the runtime has to know of the motion space;
``python -m imtalker.train.puppet.motion_parts`` makes it.
"""

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imtalker.generator.motion_layout import EXPRESSION_CHANNELS, TONGUE_CHANNEL

_FILE = Path(__file__).with_suffix(".npz")


@dataclass(frozen=True, eq=False)
class MotionParts:
    """Linear facts about the 23 expression components."""

    mouth: np.ndarray  # (23, 23) float32, expression -> the expression of its mouth alone
    parity: np.ndarray  # (23,) float32, +1 the same on both sides of the face, -1 opposite
    deviation: np.ndarray  # (23,) float32, usual size of every component
    gap: np.ndarray  # (23,) float32, expression -> change of the opening between the inner lips, cm
    landmarks: np.ndarray  # (K,) int16, landmarks of the lower face (MediaPipe's numbers)
    neutral: np.ndarray  # (K, 3) float32, where they are on the mean face, cm: x image right, y up, z to the camera
    displacement: np.ndarray  # (23, 3 K) float32, expression -> displacement of these landmarks, cm


@lru_cache(maxsize=1)
def motion_parts() -> MotionParts:
    """The parts of the bundled motion space."""
    with np.load(_FILE, allow_pickle=False) as data:
        return MotionParts(**{field.name: data[field.name] for field in fields(MotionParts)})


def join_parts(mouth: Tensor, rest: Tensor) -> Tensor:
    """Motion ``(..., 32)`` with lips, jaw and tongue of ``mouth`` and everything else of ``rest``."""
    split = torch.from_numpy(motion_parts().mouth).to(rest)
    joined = rest.clone()
    difference = (mouth - rest)[..., EXPRESSION_CHANNELS]
    joined[..., EXPRESSION_CHANNELS] += difference @ split
    joined[..., TONGUE_CHANNEL] = mouth[..., TONGUE_CHANNEL]
    return joined


def with_sides_of(motion: Tensor, own: Tensor) -> Tensor:
    """Motion ``(..., 32)`` with what differs between the sides of the face taken from ``own``."""
    result = motion.clone()
    odd = torch.from_numpy(motion_parts().parity < 0)
    result[..., EXPRESSION_CHANNELS] = torch.where(
        odd.to(own.device), own[..., EXPRESSION_CHANNELS], motion[..., EXPRESSION_CHANNELS]
    )
    return result


def scale_mouth(motion: Tensor, about: Tensor, factor: float) -> Tensor:
    """Motion ``(..., 32)`` whose mouth is ``factor`` times as far from that of ``about (32,)``; the rest is kept."""
    return join_parts(about + factor * (motion - about), motion)


def lip_gap(motion: Tensor) -> Tensor:
    """Opening ``(...)`` between the inner lips in cm on the mean face; about 0 when closed, may be below."""
    return motion[..., EXPRESSION_CHANNELS] @ torch.from_numpy(motion_parts().gap).to(motion)


def lower_face(motion: Tensor) -> np.ndarray:
    """Landmarks ``(T, K, 3)`` of the lower face in cm on the mean face, for motions ``(T, 32)``; head still."""
    parts = motion_parts()
    moved = motion[:, EXPRESSION_CHANNELS].float().cpu().numpy() @ parts.displacement
    return parts.neutral + moved.reshape(len(moved), -1, 3)
