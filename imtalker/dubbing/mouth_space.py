"""What the mouth part of an explicit motion does to the face: how far the lips open, where the lower face lies.

Expression is linear in the displacement of the mean face. ``mouth_space.npz`` holds what the runtime has to know of
that map; ``python -m imtalker.train.puppet.mouth_space`` makes it from the motion space of the ``tiny`` preset.
"""

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imtalker.faces.mesh import MOUTH_CORNERS
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS, combine

_FILE = Path(__file__).with_suffix(".npz")


@dataclass(frozen=True, eq=False)
class MouthSpace:
    """Linear facts about the 23 expression components."""

    parity: np.ndarray  # (23,) float32, +1 the same on both sides of the face, -1 opposite
    deviation: np.ndarray  # (23,) float32, usual size of every component
    gap: np.ndarray  # (23,) float32, expression -> change of the opening between the inner lips, cm
    landmarks: np.ndarray  # (K,) int16, landmarks of the lower face (MediaPipe's numbers)
    neutral: np.ndarray  # (K, 3) float32, where they are on the mean face, cm: x image right, y up, z to the camera
    displacement: np.ndarray  # (23, 3 K) float32, expression -> displacement of these landmarks, cm


@lru_cache(maxsize=1)
def mouth_space() -> MouthSpace:
    """The mouth in the bundled motion space."""
    with np.load(_FILE, allow_pickle=False) as data:
        return MouthSpace(**{field.name: data[field.name] for field in fields(MouthSpace)})


def with_sides_of(motion: Tensor, own: Tensor) -> Tensor:
    """Motion ``(..., 32)`` with what differs between the sides of the face taken from ``own``."""
    result = motion.clone()
    odd = torch.from_numpy(mouth_space().parity < 0)
    result[..., EXPRESSION_CHANNELS] = torch.where(
        odd.to(own.device), own[..., EXPRESSION_CHANNELS], motion[..., EXPRESSION_CHANNELS]
    )
    return result


def scale_mouth(motion: Tensor, about: Tensor, factor: float) -> Tensor:
    """Motion ``(..., 32)`` whose mouth is ``factor`` times as far from that of ``about (32,)``; the rest is kept."""
    return combine(about + factor * (motion - about), motion, "lips")


def lip_gap(motion: Tensor) -> Tensor:
    """Opening ``(...)`` between the inner lips in cm on the mean face; about 0 when closed, may be below."""
    return motion[..., EXPRESSION_CHANNELS] @ torch.from_numpy(mouth_space().gap).to(motion)


@lru_cache(maxsize=1)
def mouth_width_direction() -> np.ndarray:
    """(23,) float32, expression -> change of the distance between the mouth's corners, cm."""
    parts = mouth_space()
    across = parts.displacement.reshape(len(parts.deviation), -1, 3)[..., 0]
    left, right = (int(np.flatnonzero(parts.landmarks == corner)[0]) for corner in MOUTH_CORNERS)
    return across[:, right] - across[:, left]


def parted_lips(opening: float) -> np.ndarray:
    """Expression (23,) float32 of a face at rest whose lips are some centimetres apart: the likeliest one by the usual
    size of the components."""
    parts = mouth_space()
    variance = parts.deviation.astype(np.float64) ** 2
    return (opening * variance * parts.gap / (variance * parts.gap**2).sum()).astype(np.float32)


@lru_cache(maxsize=1)
def opening_direction() -> np.ndarray:
    """Expression (23,) float32 that opens the lips by a centimetre and leaves the width of the mouth as it is: the
    likeliest one by the usual size of the components."""
    parts = mouth_space()
    read = np.stack([parts.gap, mouth_width_direction()]).astype(np.float64)
    likely = parts.deviation.astype(np.float64)[:, None] ** 2 * read.T
    return (likely @ np.linalg.solve(read @ likely, [1.0, 0.0])).astype(np.float32)


def lower_face(motion: Tensor) -> np.ndarray:
    """Landmarks ``(T, K, 3)`` of the lower face in cm on the mean face, for motions ``(T, 32)``; head still."""
    parts = mouth_space()
    moved = motion[:, EXPRESSION_CHANNELS].float().cpu().numpy() @ parts.displacement
    return parts.neutral + moved.reshape(len(moved), -1, 3)
