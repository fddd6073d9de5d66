"""The average face that head poses are measured against: MediaPipe's canonical face model (Apache-2.0).

``canonical_face.npz`` holds what ``face_landmarker.task`` carries in ``geometry_pipeline_metadata_landmarks.binarypb``.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

_FILE = Path(__file__).with_name("canonical_face.npz")


@dataclass(frozen=True)
class CanonicalFace:
    """An average face; outer corners of the eyes 8.9 cm apart."""

    vertices: np.ndarray  # (468,3) float64 centimetres, x image right, y up, z toward the camera
    weights: np.ndarray  # (468,) float64, how much each vertex counts in a rigid fit; sums to 1


@lru_cache(maxsize=1)
def canonical_face() -> CanonicalFace:
    """The canonical face, with its weights for rigid fits (33 landmarks that hardly move with expression)."""
    with np.load(_FILE, allow_pickle=False) as data:
        weights = data["weights"].astype(np.float64)
        return CanonicalFace(data["vertices"].astype(np.float64), weights / weights.sum())
