"""Brows, beard and lashes: short ribbons bound to the skin, so they follow every expression."""

from dataclasses import dataclass

import numpy as np

from tools.synthetic_people.fibres import Roots, ribbon_indices, ribbon_vertices, sample_surface
from tools.synthetic_people.geometry import Array, normalize, triangle_frames
from tools.synthetic_people.head import Head

STEPS = np.linspace(0, 1, 4)
BROW_INNER, BROW_LENGTH = 0.12, 0.44  # dm: start and length of the brow along x, rest mesh
TAPER = (0.8, 1.0, 0.15)


@dataclass(frozen=True)
class BrowShape:
    """An arc on the rest mesh, in dm."""

    height: float  # of the inner end
    arch: float
    thickness: float  # half, at the inner third
    density: float  # scale of the number of hairs

    def coverage(self, x: Array, y: Array) -> Array:
        """How much brow there is (0..1) at rest positions, with a soft inner end and a thin tail."""
        along = (np.abs(x) - BROW_INNER) / BROW_LENGTH
        inside = np.clip(along, 0, 1)
        middle = self.height + self.arch * np.sin(inside * 2.5)
        half = self.thickness * (1 - 0.62 * inside**1.5) * np.clip(0.6 + 2.2 * along, 0.4, 1)
        across = np.clip(1.25 - np.abs(y - middle) / half, 0, 1)
        return across * np.clip((along + 0.06) / 0.24, 0, 1) * np.clip((1.03 - along) / 0.12, 0, 1)


@dataclass(frozen=True)
class BoundFibres:
    """Strands stored in the frames of the triangles they grow on."""

    roots: Roots
    local: Array  # (N,K,3)
    half_width: float
    random: Array  # (N,)

    @property
    def indices(self) -> Array:
        return ribbon_indices(len(self.random), self.local.shape[1])

    def vertices(self, surface: Array, triangles: Array) -> Array:
        """Ribbon vertices on the posed surface."""
        corners = triangles[self.roots.triangle]
        root = (surface[corners] * self.roots.barycentric[..., None]).sum(1)
        path = np.einsum("nij,nkj->nki", triangle_frames(surface, corners), self.local)
        return ribbon_vertices(root[:, None] + path, self.half_width, self.random, TAPER)


def _bind(
    surface: Array, triangles: Array, roots: Roots, path: Array, half_width: float, rng: np.random.Generator
) -> BoundFibres:
    frames = triangle_frames(surface, triangles[roots.triangle])
    local = np.einsum("nij,nkj->nki", frames.transpose(0, 2, 1), path)
    return BoundFibres(roots, local, half_width, rng.random(len(path)).astype(np.float32))


def grow_brows(
    head: Head, surface: Array, normals: Array, shape: BrowShape, male: bool, rng: np.random.Generator
) -> BoundFibres:
    """Hairs rise at the inner end, lie along the arc in the body and turn down at the tail."""
    middle = head.rest[head.triangles].mean(1)
    weight = shape.coverage(middle[:, 0], middle[:, 1]) * (middle[:, 2] > 0.9)
    count = int(900 * shape.density * (1.1 if male else 0.85))
    roots = sample_surface(surface, normals, head.triangles, weight, count, rng)
    rest = (head.rest[head.triangles[roots.triangle]] * roots.barycentric[..., None]).sum(1)
    along = np.clip((np.abs(rest[:, 0]) - BROW_INNER) / BROW_LENGTH, 0, 1)
    direction = np.stack([np.sign(rest[:, 0]) * (0.45 + 0.7 * along), 0.75 - along, -0.25 * along], 1)
    direction += rng.normal(size=direction.shape) * 0.12
    direction -= roots.normals * (direction * roots.normals).sum(1, keepdims=True)
    direction = normalize(direction)
    length = rng.uniform(0.045, 0.08, (count, 1)) * (1.1 if male else 0.9) * (0.55 + 0.9 * along[:, None]).clip(0, 1)
    path = [
        direction * length * k
        + roots.normals * (0.004 + 0.014 * np.sin(k * 2.6))
        + np.array([0, -1, 0]) * length * 0.25 * k * k * (0.3 + along[:, None])
        for k in STEPS
    ]
    return _bind(surface, head.triangles, roots, np.stack(path, 1), 0.0026, rng)


def grow_beard(
    head: Head, surface: Array, normals: Array, zone: Array, length: float, rng: np.random.Generator
) -> BoundFibres:
    """``zone`` (V,) is the beard mask on surface vertices; ``length`` scales hairs of about 1 cm."""
    weight = np.clip(zone[head.triangles].mean(1) * 1.4 - 0.3, 0, 1) ** 1.5
    middle = head.rest[head.triangles].mean(1)
    weight = weight * np.where((middle[:, 1] > 6.66) & (np.abs(middle[:, 0]) < 0.28), 1.8, 1.0)
    count = int(20000 * min(1.0, 0.5 + length / 2))
    roots = sample_surface(surface, normals, head.triangles, weight, count, rng)
    direction = np.array([0, -1.0, 0.25]) + rng.normal(size=(count, 3)) * 0.25
    rest = head.rest[head.triangles[roots.triangle, 0]]
    moustache = (rest[:, 1] > 6.66) & (np.abs(rest[:, 0]) < 0.28)
    direction[:, 0] += np.sign(roots.points[:, 0]) * np.where(moustache, 0.75, 0.15)
    direction -= 0.75 * roots.normals * (direction * roots.normals).sum(1, keepdims=True)
    direction = normalize(direction)
    hair = rng.uniform(0.06, 0.13, (count, 1)) * length * np.where(moustache, 0.6, 1.0)[:, None]
    path = [
        direction * hair * k + roots.normals * (0.002 + 0.022 * k) + rng.normal(size=(count, 3)) * 0.008 * k
        for k in STEPS
    ]
    return _bind(surface, head.triangles, roots, np.stack(path, 1), 0.0036, rng)


@dataclass(frozen=True)
class LashRow:
    """Hairs along one lid: base vertices of root and tip row, and per hair its place, length and sideways lean."""

    roots: Array
    tips: Array
    upper: bool
    place: Array
    length: Array
    lean: Array


@dataclass(frozen=True)
class Lashes:
    """All four rows."""

    rows: tuple[LashRow, ...]
    half_width: float
    random: Array

    @property
    def indices(self) -> Array:
        return ribbon_indices(len(self.random), len(STEPS))

    def vertices(self, base: Array, rotation: Array) -> Array:
        """Ribbon vertices for posed base vertices; ``rotation`` is the head's."""
        strands: list[Array] = []
        for row in self.rows:
            index = row.place.astype(int)
            part = (row.place - index)[:, None]
            root = base[row.roots[index]] * (1 - part) + base[row.roots[index + 1]] * part
            tip = base[row.tips[index]] * (1 - part) + base[row.tips[index + 1]] * part
            along = tip - root
            length = np.linalg.norm(along, axis=1, keepdims=True)
            along = along / (length + 1e-6)
            along[:, 0] += row.lean * 0.35
            along = normalize(along) * np.minimum(length, 0.13) * row.length[:, None]
            forward = rotation[:, 2] * (0.0175 if row.upper else 0.0105)
            curl = rotation[:, 1] * (0.02 if row.upper else -0.008)
            curve = [
                root + along * k + forward * np.sin(k * np.pi) + curl * (k * k - 0.6 * np.sin(k * np.pi)) for k in STEPS
            ]
            strands.append(np.stack(curve, 1))
        return ribbon_vertices(np.concatenate(strands), self.half_width, self.random, (1.0, 0.8, 0.15))


def grow_lashes(head: Head, makeup: float, rng: np.random.Generator) -> Lashes:
    """Natural lashes; ``makeup`` 0..1 lengthens and thickens the upper ones."""
    rows: list[LashRow] = []
    for name, (roots, tips) in head.lash_rows.items():
        upper = name.startswith("upper")
        count = int((70 if upper else 26) * (1 + 0.4 * makeup))
        length = rng.uniform(0.75, 1.1, count) * ((0.62 + 0.22 * makeup) if upper else 0.42)
        place = np.sort(rng.random(count)) * (len(roots) - 1.001)
        lean = rng.normal(0, 0.22, count)
        rows.append(LashRow(roots, tips, upper, place, length, lean))
    random = rng.random(sum(len(row.place) for row in rows)).astype(np.float32)
    return Lashes(tuple(rows), 0.0017 + 0.0010 * makeup, random)
