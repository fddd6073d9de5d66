"""The mesh outside the face oval: hair, ears, neck, shoulders. Fixed topology, shaped by the matte."""

from dataclasses import dataclass

import numpy as np

from imtalker.faces.mesh import OVAL
from imtalker.faces.smooth import smoothstep
from imtalker.train.puppet.geometry import TEXTURE_SIZE, Camera
from imtalker.train.puppet.topology import RING_DISTANCES


@dataclass(frozen=True)
class Rings:
    vertices: np.ndarray  # (288,3) head frame, cm
    head_weight: np.ndarray  # (288,) 1 moves with the head, 0 with the body
    silhouette: np.ndarray  # (288,) share of yaw and pitch a vertex leaves out: an ellipsoid's outline stays
    falloff: np.ndarray  # (288,) share of the oval's expression displacement


def _outline_distance(camera: Camera, oval: np.ndarray, directions: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Distance (36,) in cm from the oval outward to the matte's edge, within 0.8..4, smoothed along the oval."""
    steps = np.arange(0, 8, 0.1)
    distances = []
    for point, direction in zip(oval, directions, strict=True):
        xy = point[:2] + direction * steps[:, None]
        px = np.round(camera.project(camera.to_camera(np.column_stack([xy, np.full(len(xy), point[2])]))))
        px = px.astype(int)
        inside = ((px >= 0) & (px < TEXTURE_SIZE)).all(1)
        px = px.clip(0, TEXTURE_SIZE - 1)
        left = np.nonzero((alpha[px[:, 1], px[:, 0]] < 0.5) & inside)[0]
        distances.append(steps[left[0]] if len(left) else 8.0)
    smooth = np.clip(distances, 0.8, 4.0)
    for _ in range(2):
        smooth = 0.25 * np.roll(smooth, 1) + 0.5 * smooth + 0.25 * np.roll(smooth, -1)
    return smooth


def build_rings(head: np.ndarray, camera: Camera, alpha: np.ndarray) -> Rings:
    """head: (>=468,3) head-frame vertices of the photo; alpha: (S,S) matte 0..1."""
    oval = head[list(OVAL)]
    directions = oval[:, :2] - [0, -2.5]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    down = np.clip((-directions[:, 1] - 0.35) / 0.45, 0, 1)
    outline = _outline_distance(camera, oval, directions, alpha) * (1 - down) + 3.5 * down
    back = -6.8 * (1 - down) - 3.5 * down  # depth of the outermost part; the neck is nearer
    chin = head[152, 1]
    vertices, head_weight, silhouette, falloff = [], [], [], []
    for distance in RING_DISTANCES:
        xy = oval[:, :2] + directions * distance
        z = oval[:, 2] + (back - oval[:, 2]) * np.clip(distance / outline, 0, 1) ** 1.5
        vertices.append(np.column_stack([xy, z]))
        drop = (chin + 1.0) - xy[:, 1] + 0.6 * np.maximum(np.abs(xy[:, 0]) - 7.5, 0) * down
        head_weight.append(1 - smoothstep(0.0, 8.0, drop))
        silhouette.append(0.45 * smoothstep(0, 1, distance / outline))
        falloff.append(np.full(len(oval), 1 - smoothstep(0, 5.0, np.array(distance))))
    return Rings(*(np.concatenate(part) for part in (vertices, head_weight, silhouette, falloff)))
