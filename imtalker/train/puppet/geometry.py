"""Rigid motion and the camera. Head frame: cm, x to image right, y up, z toward the camera.

The outer eye corners are 9.0 cm apart and their midpoint is the origin. ``R = Rz(roll) Rx(pitch) Ry(yaw)`` with
yaw > 0 nose to image right, pitch > 0 up, roll > 0 counter-clockwise on the screen; degrees.
"""

from dataclasses import dataclass

import numpy as np

from imtalker.train.puppet.topology import MEAN_NEUTRAL, RIGID

TEXTURE_SIZE = 512  # side of the photo texture, px
CAMERA_DISTANCE = 100.0  # cm
PIVOT = np.array([0.0, -4.5, -8.0])  # centre of head rotation (skull base), head frame
# Where the pivot lies in the mean photo, cm from the image centre, and the mean scale: controls tx = ty = 0, scale = 1
MEAN_PIVOT = np.array([0.0, -2.37])
MEAN_SCALE = 17.53  # texture px per cm


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3,3) rotation from degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    cy, sy, cp, sp, cr, sr = np.cos(y), np.sin(y), np.cos(p), np.sin(p), np.cos(r), np.sin(r)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def angles(matrix: np.ndarray) -> tuple[float, float, float]:
    """(yaw, pitch, roll) in degrees; inverse of :func:`rotation` for |pitch| < 90."""
    pitch = np.degrees(np.arcsin(np.clip(-matrix[2, 1], -1, 1)))
    yaw = np.degrees(np.arctan2(-matrix[2, 0], matrix[2, 2]))
    roll = np.degrees(np.arctan2(-matrix[0, 1], matrix[1, 1]))
    return float(yaw), float(pitch), float(roll)


def fit_similarity(a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale s, rotation R, translation t that minimise ``|s R a + t - b|`` (Umeyama 1991)."""
    mean_a, mean_b = a.mean(0), b.mean(0)
    a0, b0 = a - mean_a, b - mean_b
    u, s, vt = np.linalg.svd(b0.T @ a0)
    d = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    matrix = (u * d) @ vt
    scale = float((s * d).sum() / (a0**2).sum())
    return scale, matrix, mean_b - scale * matrix @ mean_a


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
    p = landmarks.astype(np.float64) * [1, -1, -1]
    centre = np.array([TEXTURE_SIZE / 2, -TEXTURE_SIZE / 2])
    rigid = list(RIGID)
    q = p.copy()
    scale, matrix, shift = 1.0, np.eye(3), np.zeros(3)
    for _ in range(3):
        scale, matrix, shift = fit_similarity(MEAN_NEUTRAL[rigid], q[rigid])
        k = 1 - (p[:, 2] - shift[2]) / scale / CAMERA_DISTANCE
        q[:, :2] = centre + (p[:, :2] - centre) * k[:, None]
    in_camera = (q - [centre[0], centre[1], shift[2]]) / scale
    translation = np.array([(shift[0] - centre[0]) / scale, (shift[1] - centre[1]) / scale, 0.0])
    return Camera(scale, matrix, translation), (in_camera - translation) @ matrix


def affine_from_points(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2,3) affine map that takes three points ``source`` (3,2) to ``target`` (3,2)."""
    return np.linalg.solve(np.column_stack([source, np.ones(3)]), target).T
