"""Scalp hair, grown strand by strand on the person's own head; no texture or groom asset is used.

About 700 guides relax step by step towards a comb field plus gravity and are kept off the skin; 10 to 20 thousand
strands follow three guides each, clump towards the nearest one, and get flyaways and curls.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from tools.synthetic_people.fibres import sample_surface
from tools.synthetic_people.geometry import Array, normalize
from tools.synthetic_people.head import Head

NUM_GUIDES = 700


@dataclass(frozen=True)
class StyleSpec:
    """A hair style. Lengths in dm."""

    top: float  # length on the crown
    side: float  # length at the lower edge
    steps: int  # points per strand
    lift: float  # how far the root stands off the skin, 0..1
    gravity: float
    curl: float  # radius
    curl_rate: float  # turns, radians per dm
    clump: float  # 0..1
    count: int  # strands
    width: float  # half width of a ribbon
    comb: str  # see _comb_field
    stiffness: float = 0.25  # length constant of the relaxation
    droop: bool = True  # lower hair hangs

    @property
    def tapered(self) -> bool:
        """Whether the sides are cut short and lie flat, as in most short cuts."""
        return self.comb in ("side", "crop", "fringe")


STYLES: dict[str, StyleSpec] = {
    "buzz": StyleSpec(0.07, 0.05, 3, 0.6, 0, 0, 0, 0, 20000, 0.0042, "radial"),
    "crop": StyleSpec(0.34, 0.10, 6, 0.55, 0.5, 0.01, 14, 0.35, 20000, 0.0048, "crop"),
    "sidepart": StyleSpec(0.75, 0.13, 10, 0.45, 0.9, 0.012, 9, 0.45, 17000, 0.0055, "side", 0.22),
    "slick": StyleSpec(0.95, 0.3, 10, 0.28, 0.35, 0.006, 8, 0.4, 17000, 0.0055, "back", 0.2, False),
    "bob": StyleSpec(2.0, 1.75, 13, 0.42, 2.0, 0.015, 5, 0.4, 12000, 0.0062, "down", 0.16),
    "long": StyleSpec(3.4, 3.1, 15, 0.42, 2.0, 0.018, 3, 0.4, 12000, 0.0066, "down", 0.16),
    "longwavy": StyleSpec(3.2, 2.9, 20, 0.48, 1.8, 0.06, 4.2, 0.6, 11000, 0.0068, "down", 0.18),
    "curly": StyleSpec(0.62, 0.42, 12, 0.6, 0.9, 0.06, 13, 0.72, 12000, 0.0062, "radial", droop=False),
    "afro": StyleSpec(0.42, 0.34, 10, 1.0, 0, 0.04, 26, 0.35, 15000, 0.0062, "radial", droop=False),
    "bun": StyleSpec(1.25, 1.25, 14, 0.10, 0.1, 0.004, 4, 0.3, 15000, 0.0055, "back", 0.2, False),
    "fringe": StyleSpec(0.62, 0.2, 10, 0.38, 1.3, 0.012, 9, 0.5, 17000, 0.0055, "fringe"),
}
BALD = "bald"
KNOT_STRANDS = 3000  # of the bun


@dataclass(frozen=True)
class HairCut:
    """One person's hair: style and its variation."""

    style: str  # a key of STYLES, or BALD
    part: float  # where the parting is, fraction of half the head's width
    length: float  # scale
    volume: float  # scale
    seed: int


@dataclass(frozen=True)
class Strands:
    """(N,K,3) polylines in the rest pose, one random number per strand, half width in dm."""

    points: Array
    random: Array
    half_width: float


def hairline(azimuth: Array) -> Array:
    """Lowest scalp height (dm, rest mesh) at an azimuth in radians (0 is the front)."""
    angle = np.radians([0, 25, 45, 58, 66, 74, 82, 95, 108, 122, 140, 160, 180])
    height = [7.96, 7.96, 7.87, 7.70, 7.45, 7.22, 7.15, 7.46, 7.42, 6.95, 6.62, 6.52, 6.5]
    return np.interp(np.abs(azimuth), angle, height)


def scalp_weight(rest: Array) -> Array:
    """Soft scalp mask (N,) of rest positions (N,3)."""
    x, y, z = rest[:, 0], rest[:, 1], rest[:, 2]
    mask = np.clip((y - hairline(np.arctan2(x, z - 0.15))) / 0.12 + 0.5, 0, 1)
    ear = (np.abs(x) > 0.735) & (y < 7.55) & (y > 6.7) & (z > -0.15) & (z < 0.5)
    inside = np.sqrt((x / 0.78) ** 2 + ((z - 0.25) / 1.05) ** 2 + ((y - 7.45) / 1.08) ** 2) < 0.75
    mask[ear | inside] = 0
    return mask


class _Scalp:
    """Measures of one person's scalp that the comb fields use."""

    def __init__(self, head: Head, surface: Array, normals: Array, cut: HairCut) -> None:
        self.surface, self.normals, self.triangles = surface, normals, head.triangles
        weight = scalp_weight(head.rest)
        self.weight = weight[head.triangles].mean(1)
        if cut.style in STYLES and STYLES[cut.style].comb == "down":  # hair from above covers the sideburns
            middle = head.rest[head.triangles].mean(1)
            low = (middle[:, 1] < 7.56) & (np.abs(np.arctan2(middle[:, 0], middle[:, 2] - 0.15)) < np.radians(95))
            self.weight = self.weight * ~low
        inside = surface[weight > 0.5]
        self.centre = inside.mean(0)
        self.top = inside[:, 1].max()
        self.half = np.abs(inside[:, 0]).max()
        self.front, self.back = inside[:, 2].max(), inside[:, 2].min()
        self.front_y = inside[inside[:, 2] > self.front - 0.25][:, 1].min() + 0.1
        self.part_x = cut.part * self.half * 0.9
        self.part = cut.part
        self.tree = KDTree(surface)

    def height(self, points: Array) -> Array:
        return np.clip((points[:, 1] - self.centre[1]) / (self.top - self.centre[1]), 0, 1)

    def keep_off(self, points: Array, margin: Array | float, reach: float, limit: float) -> Array:
        """Push points (N,3) that are nearer to the skin than ``margin`` outwards."""
        _, near = self.tree.query(points)
        away = points - self.surface[near]
        depth = (away * self.normals[near]).sum(1)
        push = np.clip(margin - depth, 0, limit) * (np.linalg.norm(away, axis=1) < reach)
        return points + self.normals[near] * push[:, None]


def _comb_field(scalp: _Scalp, spec: StyleSpec, points: Array) -> Array:
    """Direction (N,3) in which the hair at ``points`` is combed."""
    from_part = points[:, 0] - scalp.part_x
    depth = (points[:, 2] - scalp.back) / (scalp.front - scalp.back)  # 0 at the back, 1 at the front
    zero = np.zeros(len(points))
    side = np.tanh(from_part * 9)
    if spec.comb == "side":
        away = -np.sign(scalp.part)
        if abs(scalp.part) < 0.12:
            across = np.sign(from_part)
        else:
            across = away * (0.25 + 0.75 * (side * away > -0.5))
        field = np.stack([across, zero, 0.35 - (1 - depth)], 1)
    elif spec.comb == "back":
        field = np.stack([0.25 * points[:, 0] / scalp.half, zero, zero - 1], 1)
    elif spec.comb == "crop":
        field = np.stack([zero + 0.5 * np.sign(scalp.part), zero, 0.9 - 1.5 * (depth < 0.35)], 1)
    elif spec.comb == "fringe":
        field = np.stack([0.3 * side, zero, 1.1 * (depth - 0.4)], 1)
    elif spec.comb == "down":
        back = -0.15 - 0.45 * np.clip(depth * 2 - 1, 0, 1) - 0.15 * (1 - depth)
        field = np.stack([side * 1.15, zero - 0.1, back], 1)
    else:
        field = normalize(points - scalp.centre)
    low = (1 - scalp.height(points))[:, None] ** (0.55 if spec.tapered else 1.0)
    hanging = np.array([0, -1.0, -0.25]) * 0.75 * low * spec.droop
    return field * (1 - 0.75 * low) + hanging


def _lengths(scalp: _Scalp, spec: StyleSpec, cut: HairCut, roots: Array, rng: np.random.Generator) -> Array:
    top, side = spec.top * cut.length, spec.side * cut.length
    if spec.comb != "down":
        length = side + (top - side) * scalp.height(roots) ** (1.5 if spec.tapered else 0.7)
        return length * (1 + 0.1 * rng.normal(size=len(roots)))
    level = scalp.centre[1] - top * 0.86 - 0.12  # long hair is cut to one level
    length = np.maximum(top * 0.25 + (roots[:, 1] - level) * 0.95, 0.5)
    return length * (1 + 0.05 * rng.normal(size=len(roots)))


def _grow_guides(
    scalp: _Scalp, spec: StyleSpec, cut: HairCut, roots: Array, normals: Array, rng: np.random.Generator
) -> Array:
    """Guides (G,K,3): the direction relaxes towards comb field plus gravity; the skin and the face stay free."""
    is_long = spec.comb == "down"
    lift = spec.lift * cut.volume
    segment = (_lengths(scalp, spec, cut, roots, rng) / (spec.steps - 1))[:, None]
    along = np.linspace(0, 1, spec.steps) ** 1.35  # denser near the root
    field = _comb_field(scalp, spec, roots)
    field = normalize(field - normals * (field * normals).sum(1, keepdims=True))
    # the lower sides lie flatter than the crown
    stand = min(lift, 1.0) * (0.3 + 0.7 * scalp.height(roots))[:, None] if spec.droop else min(lift, 1.0)
    direction = normalize(field * (1.02 - stand) + normals * stand)
    points = roots + normals * 0.004
    side = np.where(roots[:, 0] - scalp.part_x > 0, 1.0, -1.0)
    face_edge = scalp.half * rng.uniform(0.80, 0.97, len(roots))
    travelled = 0.0
    out = [roots.copy()]
    for step in np.diff(along) * (spec.steps - 1):
        length = segment * step
        progress = along[len(out)]
        travelled = travelled + length
        near_root = np.exp(-((travelled / 0.95) ** 2))
        pull = spec.gravity * ((1.02 - near_root) if is_long else progress)
        goal = normalize(
            _comb_field(scalp, spec, points) * (near_root if is_long else 1.0) + np.array([0, -1, 0]) * pull
        )
        keep = np.exp(-length / spec.stiffness)
        direction = normalize(direction * keep + (1 - keep) * goal)
        moved = points + direction * length
        margin = 0.0
        if cut.style != "buzz":
            margin = 0.02 + 0.16 * lift * min(1, 4 * progress)
            margin *= 0.6 if spec.comb == "back" else 1
        moved = scalp.keep_off(moved, np.where(moved[:, 1] < scalp.centre[1] - 0.9, 0.05, margin), 0.5, 0.4)
        if is_long:  # strands in front of the face move outwards past the cheek
            in_front = np.clip((moved[:, 2] - (scalp.centre[2] + 0.35)) / 0.25, 0, 1)
            in_front *= np.clip((scalp.front_y - moved[:, 1]) / 0.18, 0, 1)
            need = np.minimum(np.maximum(face_edge - moved[:, 0] * side, 0), length[:, 0] * 1.1) * in_front
            moved[:, 0] += side * need
            moved[:, 2] -= need * 0.9
        direction = normalize(moved - points)
        points = moved
        out.append(points.copy())
    return np.stack(out, 1)


def _gather_to_knot(scalp: _Scalp, guides: Array) -> tuple[Array, Array]:
    """Lay the guides over the head to a point behind the crown; returns them and that point."""
    knot = np.array([0, scalp.centre[1] + 0.80 * (scalp.top - scalp.centre[1]), scalp.back + 0.28])
    along = np.linspace(0, 1, guides.shape[1])[None, :, None]
    straight = (guides[:, :1] * (1 - along) + knot * along).reshape(-1, 3)
    return scalp.keep_off(straight, 0.03, np.inf, 0.6).reshape(guides.shape), knot


def _wind_knot(knot: Array, steps: int, rng: np.random.Generator) -> Array:
    """Great-circle arcs on a slightly flat ball."""
    centre = np.array([0, knot[1] + 0.24, knot[2] - 0.16])
    axis = normalize(rng.normal(size=(KNOT_STRANDS, 3)) * [0.5, 1, 0.5])
    first = normalize(np.cross(axis, rng.normal(size=(KNOT_STRANDS, 3))))
    second = np.cross(axis, first)
    angle = (rng.random((KNOT_STRANDS, 1)) * 2 * np.pi + np.linspace(0, 1, steps)[None] * 2.4)[..., None]
    radius = (0.27 * rng.uniform(0.8, 1.0, (KNOT_STRANDS, 1)))[..., None]
    arcs = (np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]) * radius
    return arcs * np.array([1, 0.85, 1.0]) + centre


def _curl(strands: Array, spec: StyleSpec, cut: HairCut, phase: Array) -> Array:
    """Wind every strand round its own line."""
    steps = strands.shape[1]
    along = np.linspace(0, 1, steps)
    tangent = normalize(np.gradient(strands, axis=1))
    first = normalize(np.cross(tangent, np.array([0.3, 0.2, 1.0])))
    second = np.cross(tangent, first)
    top = spec.top * cut.length * (0.9 if spec.comb == "down" else 1.0)
    angle = (phase[:, None] + along[None] * top * spec.curl_rate)[..., None]
    radius = spec.curl * np.minimum(1, 2.2 * along)[None, :, None]
    return strands + radius * (np.cos(angle) * first + np.sin(angle) * second)


def grow_hair(head: Head, surface: Array, normals: Array, cut: HairCut, density: float = 1.0) -> Strands | None:
    """All strands of a person in the rest pose; None for a bald head. ``density`` below 1 draws fewer, wider ones."""
    if cut.style == BALD:
        return None
    spec = STYLES[cut.style]
    rng = np.random.default_rng(cut.seed)
    scalp = _Scalp(head, surface, normals, cut)
    roots = sample_surface(surface, normals, scalp.triangles, scalp.weight, NUM_GUIDES, rng)
    guides = _grow_guides(scalp, spec, cut, roots.points, roots.normals, rng)
    knot = None
    if cut.style == "bun":
        guides, knot = _gather_to_knot(scalp, guides)

    parted = spec.comb in ("down", "side")
    weight = scalp.weight
    if parted:  # more strands at the forehead and along the parting, where the scalp would show
        middle = surface[head.triangles].mean(1)
        at_part = np.exp(-(((middle[:, 0] - scalp.part_x) / 0.1) ** 2))
        weight = weight * (1 + 1.2 * (middle[:, 2] > scalp.centre[2] + 0.35) + 2.5 * at_part)
    count = int(spec.count * density)
    strand_roots = sample_surface(surface, normals, scalp.triangles, weight, count, rng)
    start = strand_roots.points
    distance, nearest = KDTree(roots.points).query(start, k=3)
    share = 1 / (distance + 0.02) ** 2
    if parted:
        same = np.sign(roots.points[nearest][..., 0] - scalp.part_x) == np.sign(start[:, :1] - scalp.part_x)
        share = share * np.where(same, 1, 0.02)
    share /= share.sum(1, keepdims=True)
    offsets = guides - guides[:, :1]
    strands = start[:, None] + np.einsum("nk,nkst->nst", share, offsets[nearest])
    along = np.linspace(0, 1, spec.steps)
    owner = np.asarray(nearest)[np.arange(count), share.argmax(1)]
    pull = spec.clump * along[None, :, None] ** 1.2
    strands = strands * (1 - pull) + (guides[owner] + (start - roots.points[owner])[:, None] * 0.12) * pull
    stray = 0.035 * (0.4 if spec.comb == "back" else 1) * min(1.5, 0.5 + spec.top * cut.length)
    strands = strands + rng.normal(size=(count, 1, 3)) * stray * along[None, :, None] ** 1.5
    if spec.curl > 0:
        phase = (rng.random(NUM_GUIDES) * 2 * np.pi)[owner] + rng.normal(size=count) * 0.5
        strands = _curl(strands, spec, cut, phase)
    ends = strands[:, 1:].reshape(-1, 3)
    at_cheek = (spec.comb == "down") & (ends[:, 1] < scalp.centre[1] + 0.1) & (ends[:, 2] > scalp.centre[2])
    margin = 0.034 + 0.04 * at_cheek * np.tile(np.minimum(1, 3 * along[1:]), count)
    free = scalp.keep_off(ends, margin, 0.35, 0.3)
    strands[:, 1:] = free.reshape(count, spec.steps - 1, 3)
    strands[:, 0] += strand_roots.normals * 0.004
    if spec.comb == "down":  # comb strands in front of the throat outwards
        side = np.where(start[:, :1] - scalp.part_x > 0, 1.0, -1.0)
        need = np.maximum(0.50 + 0.16 * rng.random((count, 1)) - strands[..., 0] * side, 0)
        front = np.clip((scalp.centre[1] - 0.2 - strands[..., 1]) / 0.6, 0, 1) * np.clip(strands[..., 2] / 0.25, 0, 1)
        strands[..., 0] += side * need * front
    if knot is not None:
        strands = np.concatenate([strands, _wind_knot(knot, spec.steps, rng)])
    random = rng.random(len(strands)).astype(np.float32)
    return Strands(strands.astype(np.float32), random, spec.width / density**0.8)
