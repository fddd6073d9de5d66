"""Rigid geometry of the head, the one place for it: angles, rotation matrices and vectors, similarity, camera.

Head frame and camera frame: x to the image's right, y up, z toward the camera. Angles are degrees:
``R = Rz(roll) Rx(pitch) Ry(yaw)`` with yaw > 0 nose to the image's right, pitch > 0 up, roll > 0 counter-clockwise
on the screen. Every function takes any number of leading dimensions unless it says otherwise.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

CAMERA_DISTANCE = 100.0  # cm; portraits and talking heads are taken from about there


def rotation_matrix(yaw: ArrayLike, pitch: ArrayLike, roll: ArrayLike) -> np.ndarray:
    """Degrees (...) -> rotations (...,3,3), head -> camera."""
    angles = np.stack(np.broadcast_arrays(roll, np.negative(pitch), yaw), -1)
    return Rotation.from_euler("ZXY", angles.reshape(-1, 3), degrees=True).as_matrix().reshape(*angles.shape, 3)


def rotation_angles(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Yaw, pitch, roll (...) in degrees of rotations (...,3,3); inverse of ``rotation_matrix`` for |pitch| < 90."""
    pitch = np.arcsin(np.clip(-matrix[..., 2, 1], -1, 1))
    yaw = np.arctan2(-matrix[..., 2, 0], matrix[..., 2, 2])
    roll = np.arctan2(-matrix[..., 0, 1], matrix[..., 1, 1])
    return np.degrees(yaw), np.degrees(pitch), np.degrees(roll)


def rotation_vector(matrix: np.ndarray) -> np.ndarray:
    """Axis times angle (...,3) in radians, 0..pi, of rotations (...,3,3)."""
    return Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_rotvec().reshape(matrix.shape[:-1])


def gaze_vector(azimuth: ArrayLike, elevation: ArrayLike) -> np.ndarray:
    """Unit vectors (...,3) of a gaze in the head frame; degrees (...) to the image's right and up."""
    x, y = np.radians(azimuth), np.radians(elevation)
    return np.stack([np.sin(x) * np.cos(y), np.broadcast_to(np.sin(y), np.broadcast(x, y).shape),
                     np.cos(x) * np.cos(y)], -1)  # fmt: skip


def similarity_transform(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation, shift: least squares of scale * rotation @ source + shift - target (Umeyama 1991).

    Args:
        source, target: (N,D) points in two or three dimensions.
        weights: (N,) summing to 1; equal when left out.
    """
    if weights is None:
        weights = np.full(len(source), 1 / len(source))
    source_mean, target_mean = weights @ source, weights @ target
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd((b * weights[:, None]).T @ a)
    mirror = np.ones(source.shape[1])
    mirror[-1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * mirror) @ vt
    scale = float(singular @ mirror / (weights @ (a**2).sum(1)))
    return scale, rotation, target_mean - scale * rotation @ source_mean


def fit_head(
    points: np.ndarray, face: np.ndarray, weights: np.ndarray, centre: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Fit a face to landmarks seen by a camera ``CAMERA_DISTANCE`` away: similarity with the perspective undone.

    Args:
        points: (N,3) landmarks in pixels: x right, y down, z away from the camera.
        face: (M,3) in cm, head frame, M <= N: the first M landmarks. The scale is that at the depth of its origin.
        weights: (M,) summing to 1.
        centre: (2,) pixels, where the camera's axis meets the picture.

    Returns:
        Pixels per cm, rotation (3,3) head -> camera, place (3,) of the head's origin in pixels (y up, z toward the
        camera), and the points (N,3) in the head frame in cm, freed of pose, size and perspective.
    """
    seen = points.astype(np.float64) * [1, -1, -1]
    middle = np.array([centre[0], -centre[1]])
    flat = seen.copy()
    scale, rotation, shift = 1.0, np.eye(3), np.zeros(3)
    for _ in range(3):  # undo the perspective with the scale found so far
        scale, rotation, shift = similarity_transform(face, flat[: len(face)], weights)
        nearness = (seen[:, 2:] - shift[2]) / scale / CAMERA_DISTANCE
        flat[:, :2] = middle + (seen[:, :2] - middle) * (1 - nearness)
    return scale, rotation, shift, (flat - shift) @ rotation / scale
