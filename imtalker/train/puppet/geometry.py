"""The puppet's head frame and camera. Frames and angles as in ``imtalker.faces.rigid``, lengths in cm.

The outer eye corners are 9.0 cm apart and their midpoint is the origin.
"""

from dataclasses import dataclass

import numpy as np

from imtalker.faces.mesh import RIGID_WEIGHTS
from imtalker.faces.motion_reading import SQUARE
from imtalker.faces.rigid import CAMERA_DISTANCE, fit_head
from imtalker.train.puppet.topology import MEAN_NEUTRAL

TEXTURE_SIZE = SQUARE  # side of the photo texture, px


@dataclass(frozen=True)
class Camera:
    """Pose of the head in the photo and the perspective projection onto the texture."""

    scale: float  # texture px per cm at depth 0
    rotation: np.ndarray  # (3,3)
    translation: np.ndarray  # (3,) cm

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Head frame (N,3) -> camera frame (N,3), cm."""
        return points @ self.rotation.T + self.translation

    def project(self, points: np.ndarray) -> np.ndarray:
        """Camera frame (N,3) -> texture px (N,2), y down."""
        k = self.scale / (1 - points[:, 2] / CAMERA_DISTANCE)
        centre = TEXTURE_SIZE / 2
        return np.stack([centre + k * points[:, 0], centre - k * points[:, 1]], 1)


def fit_camera(landmarks: np.ndarray) -> tuple[Camera, np.ndarray]:
    """Fit the mean face to landmarks (478,3) in texture px (y down, z away, same unit).

    Returns the camera and the person's vertices (478,3) in the head frame. Perspective is removed with the
    landmarks' own depth.
    """
    centre = np.full(2, TEXTURE_SIZE / 2)
    scale, matrix, shift, points = fit_head(landmarks, MEAN_NEUTRAL, RIGID_WEIGHTS, centre)
    translation = np.array([(shift[0] - centre[0]) / scale, (shift[1] + centre[1]) / scale, 0.0])
    return Camera(scale, matrix, translation), points


def affine_from_points(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2,3) affine map that takes three points ``source`` (3,2) to ``target`` (3,2)."""
    return np.linalg.solve(np.column_stack([source, np.ones(3)]), target).T
