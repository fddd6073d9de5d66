"""Ambient occlusion per vertex in the rest pose: visibility from all sides, and the shade under the hair."""

import numpy as np
from scipy.spatial import KDTree

from tools.synthetic_people.geometry import Array
from tools.synthetic_people.hair import Strands
from tools.synthetic_people.rasterizer import Rasterizer

NUM_DIRECTIONS = 32
HALF_SIZE = 2.6  # dm
GOLDEN_ANGLE = 2.39996


def ambient_occlusion(
    raster: Rasterizer, mesh: str, surface: Array, normals: Array, centre: Array, hair: Strands | None
) -> Array:
    """Open share (V,) of the sky over every vertex of the uploaded ``mesh``, 1 is fully open.

    ``centre`` is the middle of head and shoulders.
    """
    seen, total = np.zeros(len(surface)), np.zeros(len(surface))
    lifted = np.c_[surface + normals * 0.015, np.ones(len(surface))]
    for k in range(NUM_DIRECTIONS):  # a Fibonacci sphere
        height = 1 - 2 * (k + 0.5) / NUM_DIRECTIONS
        ring, turn = np.sqrt(1 - height * height), k * GOLDEN_ANGLE
        direction = np.array([np.cos(turn) * ring, height, np.sin(turn) * ring])
        depth, matrix = raster.depth_from(mesh, direction, centre, HALF_SIZE)
        window = (lifted @ matrix.T)[:, :3] * 0.5 + 0.5
        size = len(depth)
        cell = (window[:, :2] * size).astype(int).clip(0, size - 1)
        visible = window[:, 2] < depth[cell[:, 1], cell[:, 0]] + 0.0025
        facing = np.clip(normals @ direction, 0, 1)
        seen += facing * visible
        total += facing
    opening = np.clip(0.06 + 0.94 * seen / np.maximum(total, 1e-3), 0, 1) ** 0.9
    if hair is not None:
        near, _ = KDTree(hair.points[::3, 1::2].reshape(-1, 3)).query(
            surface + normals * 0.08, distance_upper_bound=0.3
        )
        opening *= 0.45 + 0.55 * np.clip(near / 0.16, 0, 1)
    return opening.astype(np.float32)
