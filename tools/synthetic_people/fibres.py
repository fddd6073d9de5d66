"""Ribbons for hair of every kind: sampling roots on a surface, turning polylines into camera-facing strips."""

from dataclasses import dataclass

import numpy as np

from tools.synthetic_people.geometry import Array, normalize


@dataclass(frozen=True)
class Roots:
    """Points on a surface: position (N,3), normal (N,3), triangle (N,), barycentric weights (N,3)."""

    points: Array
    normals: Array
    triangle: Array
    barycentric: Array


def sample_surface(
    points: Array, normals: Array, triangles: Array, weight: Array, count: int, rng: np.random.Generator
) -> Roots:
    """Draw ``count`` points, density proportional to ``weight`` (per triangle) times area."""
    corners = points[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) * weight
    chosen = np.searchsorted(np.cumsum(area) / area.sum(), rng.random(count)).clip(0, len(triangles) - 1)
    root, along = np.sqrt(rng.random(count)), rng.random(count)
    barycentric = np.stack([1 - root, root * (1 - along), root * along], 1)
    return Roots(
        points=(corners[chosen] * barycentric[..., None]).sum(1),
        normals=normalize((normals[triangles[chosen]] * barycentric[..., None]).sum(1)),
        triangle=chosen,
        barycentric=barycentric,
    )


def ribbon_vertices(
    strands: Array, half_width: float, random: Array, taper: tuple[float, float, float] = (0.6, 1.0, 0.25)
) -> Array:
    """(N,K,3) polylines -> (N*K*2,10) position, tangent, (side, position along, random, half width).

    ``taper`` scales the width at the root, at 35 % and at the tip.
    """
    count, steps, _ = strands.shape
    tangent = normalize(np.gradient(strands, axis=1))
    along = np.linspace(0, 1, steps)
    extra = np.zeros((count, steps, 2, 4), np.float32)
    extra[..., 0, 0], extra[..., 1, 0] = -1, 1
    extra[..., 1] = along[None, :, None]
    extra[..., 2] = random[:, None, None]
    extra[..., 3] = (half_width * np.interp(along, [0, 0.35, 1], taper))[None, :, None]
    both = [np.repeat(part[:, :, None], 2, 2) for part in (strands, tangent)]
    return np.concatenate([*both, extra], -1).reshape(-1, 10).astype(np.float32)


def ribbon_indices(count: int, steps: int) -> Array:
    """Two triangles per segment for ``count`` ribbons of ``steps`` points."""
    first = (np.arange(count)[:, None] * steps + np.arange(steps - 1)[None]) * 2
    quad = np.stack([first, first + 1, first + 2, first + 1, first + 3, first + 2], -1)
    return quad.reshape(-1).astype(np.int32)
