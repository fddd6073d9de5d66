"""The parametric head: MakeHuman's base mesh with shape targets, 52 face units and a bending neck.

Units are decimetres, y up, z towards the camera, x to image right. The data file is made by ``build_data.py``
from CC0 sources (README.md). "Base" vertices are the control cage; "surface" vertices are one Catmull-Clark
step finer and split at the seams of the texture map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from imtalker.errors import InputError
from tools.synthetic_people.geometry import Array, rotate_weighted, vertex_normals

DATA_FILE = Path(__file__).parent / "head.npz"
# the two ends of a shape slider: positive suffix, negative suffix
_OPPOSITES = (
    ("incr", "decr"),
    ("up", "down"),
    ("in", "out"),
    ("forward", "backward"),
    ("convex", "concave"),
    ("uncompress", "compress"),
    ("big", "small"),
)
_MACRO = ("universal", "african", "asian", "caucasian")


@dataclass(frozen=True)
class Proxy:
    """A mesh carried by the cage (teeth, tongue): every vertex is a combination of three base vertices."""

    ids: Array  # (N,3) base vertices
    weights: Array  # (N,3)
    offsets: Array  # (N,3)
    scale: Array  # (3,3) per axis: two base vertices and their distance at rest
    triangles: Array  # (M,3)
    uv: Array  # (M,3,2) per corner

    def vertices(self, posed: Array, rest: Array, rotation: Array) -> Array:
        """Vertices (N,3) for the posed cage; ``rest`` is the same person unposed and sets the size."""
        size = np.ones(3)
        for axis in range(3):
            first, second, distance = self.scale[axis]
            if distance > 0:
                size[axis] = abs(rest[int(first), axis] - rest[int(second), axis]) / distance
        carried = (posed[self.ids] * self.weights[..., None]).sum(1)
        return carried + (self.offsets * size) @ rotation.T


class Head:
    """Mesh data and its linear models; no state per person."""

    def __init__(self, path: Path = DATA_FILE) -> None:
        with np.load(path) as file:
            data = {key: file[key] for key in file.files}
        self.base: Array = data["base"]
        self.shape_names: list[str] = [str(x) for x in data["shape_names"]]
        self.shape_offsets: Array = data["shape_offsets"].astype(np.float32)
        self.unit_names: list[str] = [str(x) for x in data["unit_names"]]
        self.unit_offsets: Array = data["unit_offsets"].astype(np.float32)
        subdivide = csr_matrix(
            (data["subdivision_data"], data["subdivision_indices"], data["subdivision_indptr"]),
            tuple(data["subdivision_shape"]),
        )
        source = data["surface_source"]  # row of the subdivision matrix for every surface vertex
        self.subdivision = csr_matrix(subdivide[source])
        self.triangles: Array = data["triangles"]
        self.uv: Array = data["uv"]
        self.head_weight: Array = data["head_weight"]
        self.eyes: tuple[Array, Array] = (data["eye_left"], data["eye_right"])
        self.joints: dict[str, Array] = {name: data[f"joint_{name}"] for name in ("neck", "head", "jaw")}
        self.lash_rows: dict[str, Array] = {
            f"{lid}_{side}": data[f"lash_{lid}_{side}"] for lid in ("upper", "lower") for side in ("left", "right")
        }
        self.proxies: dict[str, Proxy] = {}
        self.textures: dict[str, Array] = {}
        for name in ("teeth", "tongue"):
            fields = ("ids", "weights", "offsets", "scale", "triangles", "uv")
            self.proxies[name] = Proxy(*(data[f"{name}_{field}"] for field in fields))
            self.textures[name] = data[f"{name}_texture"]
        _, self._weld = np.unique(source, return_inverse=True)
        self._welded_triangles = self._weld[self.triangles]
        self._shape_index = {name: i for i, name in enumerate(self.shape_names)}
        self._unit_index = {name: i for i, name in enumerate(self.unit_names)}
        self.rest: Array = self.surface(self.base)
        self.inner = ((self.uv[:, 1] < 0.14) & (self.uv[:, 0] > 0.7)) | (self.uv[:, 0] < 0.12)  # mouth and sockets
        self.mouth_cavity = self.inner & (self.uv[:, 1] < 0.14)

    @cached_property
    def sliders(self) -> dict[str, dict[int, list[int]]]:
        """Detail shapes as signed sliders: name -> {+1: shape indices, -1: shape indices}, left and right together."""
        sliders: dict[str, dict[int, list[int]]] = {}
        for name, index in self._shape_index.items():
            if name.startswith(_MACRO):
                continue
            stem = name[2:] if name[:2] in ("l-", "r-") else name
            sign = 1
            for positive, negative in _OPPOSITES:
                if stem.endswith(f"-{positive}"):
                    stem = stem[: -len(positive) - 1]
                    break
                if stem.endswith(f"-{negative}"):
                    stem, sign = stem[: -len(negative) - 1], -1
                    break
            sliders.setdefault(stem, {}).setdefault(sign, []).append(index)
        return sliders

    def shape(self, macro: Mapping[str, float], details: Mapping[str, float]) -> Array:
        """Base vertices of one person from macro target weights and signed slider values."""
        weights = np.zeros(len(self.shape_names), np.float32)
        for name, value in macro.items():
            if name in self._shape_index:
                weights[self._shape_index[name]] = value
        for name, value in details.items():
            for index in self.sliders[name].get(1 if value > 0 else -1, []):
                weights[index] = abs(value)
        used = np.nonzero(weights)[0]
        return (self.base + np.tensordot(weights[used], self.shape_offsets[used], 1)).astype(np.float32)

    def pose(self, base: Array, units: Mapping[str, float], rotvec: Array, pivot: Array) -> Array:
        """Base vertices with face units (0..1) added and the head turned; the neck bends by its rig weights."""
        unknown = [name for name in units if name not in self._unit_index]
        if unknown:
            raise InputError(f"unknown face unit {unknown[0]!r}: use one of {', '.join(self.unit_names)}")
        active = {self._unit_index[name]: value for name, value in units.items() if abs(value) > 1e-4}
        posed = base
        if active:
            values = np.array(list(active.values()), np.float32)
            posed = base + np.tensordot(values, self.unit_offsets[list(active)], 1)
        return rotate_weighted(posed, self.head_weight, rotvec, pivot)

    def nearest_rest(self, point: Sequence[float] | Array) -> int:
        """Index of the surface vertex nearest to a position on the rest mesh."""
        return int(np.argmin(np.linalg.norm(self.rest - np.asarray(point), axis=1)))

    def surface(self, base: Array) -> Array:
        """Surface vertices (20540,3) of base vertices."""
        return (self.subdivision @ base).astype(np.float32)

    def normals(self, surface: Array) -> Array:
        """Smooth surface normals, shared across texture seams."""
        welded = np.zeros((int(self._weld.max()) + 1, 3), np.float32)
        welded[self._weld] = surface
        return vertex_normals(welded, self._welded_triangles)[self._weld].astype(np.float32)
