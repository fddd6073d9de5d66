"""Make a synthetic person from a seed, then render it frame by frame with exact expression, pose and gaze."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from imtalker.faces.rigid import rotation_matrix, rotation_vector
from tools.synthetic_people.appearance import IRIS_COLOURS
from tools.synthetic_people.fibres import ribbon_indices, ribbon_vertices
from tools.synthetic_people.geometry import Array, vertex_normals
from tools.synthetic_people.head import Head
from tools.synthetic_people.identity import TraitOverrides
from tools.synthetic_people.lights import linear
from tools.synthetic_people.masks import LIP_SEAM, TEXTURE_SIZE, build_masks
from tools.synthetic_people.occlusion import ambient_occlusion
from tools.synthetic_people.person import Person, Stage, sample_person
from tools.synthetic_people.rasterizer import Draw, Rasterizer

TONGUE_UP = "tongueUp"  # our own unit: the data has none


@dataclass(frozen=True)
class Pose:
    """Degrees. Head: yaw > 0 nose to image right, pitch > 0 up, roll > 0 anticlockwise.

    Gaze is relative to the head.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze_x: float = 0.0  # > 0 image right
    gaze_y: float = 0.0  # > 0 up


@dataclass(frozen=True)
class Frame:
    """A rendered image uint8 (H,W,3) and the geometry behind it."""

    image: Array
    surface: Array  # (20540,3) posed
    view_projection: Array  # (4,4)
    rotation: Array  # (3,3) of the head
    mouth_gap: float  # mm between the inner lips at the middle; negative is pressed
    eye_aperture: float  # mm between the lids, mean of both eyes


class PersonRenderer:
    """One renderer for many people; it keeps the last person loaded. Not safe to share between threads."""

    def __init__(
        self, width: int = 512, height: int | None = None, supersample: int = 2, density: float | None = None
    ) -> None:
        height = height or width
        self.width, self.height = width, height
        self.density = density or (1.0 if height * supersample >= 1000 else 0.5)
        self.head = Head()
        self._raster = Rasterizer(width, height, supersample)
        head = self.head
        self.masks = build_masks(self._raster.uv_positions(head.rest, head.uv, head.triangles, TEXTURE_SIZE))
        for name in ("teeth", "tongue"):
            colour = linear(head.textures[name].astype(np.float32) / 255)
            alpha = np.ones_like(colour[..., :1])
            self._raster.set_texture(name, np.concatenate([colour, alpha], -1).astype(np.float16))
        self._cap, self._cap_triangles = _sphere_cap(40, 28)
        self._static = self._skin_attributes()
        self._lips = tuple(head.nearest_rest((0, LIP_SEAM + dy, z)) for dy, z in ((0.0005, 1.545), (-0.0085, 1.535)))
        self._lids = self._lid_marks()
        self._loaded: Person | None = None
        self._occlusion = np.ones(len(head.rest), np.float32)

    def person(self, seed: int, overrides: TraitOverrides | None = None, stage: Stage | None = None) -> Person:
        """The person of a seed: same seed and overrides, same person. The stage takes this studio's picture size."""
        sized = replace(stage or Stage(), width=self.width, height=self.height, hair_density=self.density)
        return sample_person(self.head, self.masks, seed, overrides or TraitOverrides(), sized)

    def load(self, person: Person) -> None:
        """Send everything of a person that does not change from frame to frame to the renderer."""
        raster, head = self._raster, self.head
        raster.set_texture("albedo", person.skin.albedo)
        raster.set_texture("bump", person.skin.bump)
        raster.set_texture("background", person.background, mipmaps=False)
        for name in ("hair", "beard"):
            raster.drop_mesh(name)
        if person.hair is not None:
            count, steps, _ = person.hair.points.shape
            vertices = ribbon_vertices(person.hair.points, person.hair.half_width, person.hair.random)
            raster.set_mesh("hair", "ribbon", vertices, ribbon_indices(count, steps))
        for name, fibres in (("brow", person.brows), ("beard", person.beard)):
            if fibres is not None:
                vertices = fibres.vertices(person.surface, head.triangles)
                raster.set_mesh(name, "ribbon", vertices, fibres.indices)
        lashes = person.lashes.vertices(person.base, np.eye(3))
        raster.set_mesh("lash", "ribbon", lashes, person.lashes.indices)
        raster.set_mesh("cloth", "cloth", *person.garment.mesh(head, person.base, person.surface, person.normals))
        blank = np.zeros((len(person.surface), 4), np.float32)
        bare = np.concatenate([person.surface, person.normals, head.uv, blank], 1)
        raster.set_mesh("skin", "skin", bare, head.triangles)
        cover = person.hair if person.look.cut.style != "buzz" else None
        self._occlusion = ambient_occlusion(raster, "skin", person.surface, person.normals, person.middle, cover)
        self._loaded = person

    # ---- frames ----
    def render(self, person: Person, expression: Mapping[str, float] | None = None, pose: Pose | None = None) -> Frame:
        """One frame. ``expression``: face units 0..1 (Head.unit_names and "tongueUp"), added to the resting face."""
        pose, head = pose or Pose(), self.head
        if person is not self._loaded:
            self.load(person)
        units = _face_units(person.look.resting, expression or {}, pose)
        tongue_up = units.pop(TONGUE_UP, 0.0)
        rotation = rotation_matrix(pose.yaw, pose.pitch, pose.roll)
        rotvec = rotation_vector(rotation)
        base = head.pose(person.base, units, rotvec, person.pivot)
        surface = head.surface(base)
        attributes = np.concatenate([self._occlusion[:, None], self._static], 1)
        skin = np.concatenate([surface, head.normals(surface), head.uv, attributes], 1)
        self._raster.set_mesh("skin", "skin", skin)
        draws = [
            Draw(
                "skin",
                {"gloss": person.look.gloss, "bump_scale": 0.007, "oil": person.look.oil},
                {"albedo": "albedo", "bump_map": "bump"},
                casts_shadow=True,
            ),
            *self._mouth(person, base, rotation, units, tongue_up),
            *self._eyes(person, rotation, units, pose),
            *self._fibres(person, base, surface, rotation, rotvec),
            Draw("cloth", person.garment.uniforms(), casts_shadow=True),
        ]
        lighting = person.lighting
        image, matrix = self._raster.render(
            draws, person.framing.view(), lighting.lamps, person.middle, lighting.tone()
        )
        upright = (surface - person.pivot) @ rotation
        gap = upright[self._lips[0], 1] - upright[self._lips[1], 1]
        lids = np.mean([upright[up, 1] - upright[down, 1] for up, down in self._lids])
        return Frame(image, surface, matrix, rotation, float(gap) * 100, float(lids) * 100)

    def _mouth(
        self, person: Person, base: Array, rotation: Array, units: Mapping[str, float], tongue_up: float
    ) -> list[Draw]:
        """Teeth and tongue, darker with depth behind the incisors and with a closed jaw."""
        front = person.base[self.head.proxies["teeth"].ids].reshape(-1, 3)[:, 2].max()
        opening = min(1.0, units.get("jawOpen", 0.0) * 1.6 + 0.4)
        tints = {"teeth": person.look.teeth_tint, "tongue": np.array([0.78, 0.62, 0.62])}
        draws: list[Draw] = []
        for name, tint in tints.items():
            proxy = self.head.proxies[name]
            vertices = proxy.vertices(base, person.base, rotation)
            if name == "tongue" and tongue_up > 0:
                depth = person.base[proxy.ids[:, 0]][:, 2]
                towards_tip = (depth - depth.min()) / np.ptp(depth)
                vertices = vertices + rotation[:, 1] * (0.15 * tongue_up * towards_tip**2)[:, None]
                vertices = vertices + rotation[:, 2] * 0.03 * tongue_up
            corners = proxy.triangles.ravel()
            points = vertices[corners]
            behind = front - (((points - person.pivot) @ rotation)[:, 2] + person.pivot[2])
            shade = np.clip(1 - behind / 0.42, 0.02, 1) ** 1.6 * (0.62 if name == "tongue" else 0.8) * opening
            attribute = np.zeros((len(points), 4))
            attribute[:, 0] = shade
            normals = vertex_normals(vertices, proxy.triangles)[corners]
            data = np.concatenate([points, normals, proxy.uv.reshape(-1, 2), attribute], 1)
            new = name not in self._raster.meshes
            self._raster.set_mesh(name, "textured", data, np.arange(len(points)) if new else None)
            uniforms = {"tint": tint, "gloss": 0.7 if name == "tongue" else 1.4}
            draws.append(Draw(name, uniforms, {"albedo": name}))
        return draws

    def _eyes(self, person: Person, rotation: Array, units: Mapping[str, float], pose: Pose) -> list[Draw]:
        gaze = rotation @ rotation_matrix(pose.gaze_x, 0, 0) @ rotation_matrix(0, pose.gaze_y, 0)
        outer, inner = (np.array(c) * person.look.iris_shade for c in IRIS_COLOURS[person.look.iris])
        draws: list[Draw] = []
        for side, (centre, radius) in zip(("Left", "Right"), person.eyes, strict=True):
            turned = gaze @ rotation_matrix(-1.5 if side == "Left" else 1.5, 0, 0)  # slight convergence
            bulge = 1 + 0.055 * np.clip((self._cap[:, 2] - 0.86) / 0.14, 0, 1) ** 0.8  # cornea
            middle = person.pivot + rotation @ (centre - person.pivot)
            points = middle + (self._cap * (radius * 0.995 * bulge)[:, None]) @ turned.T
            blank = np.zeros((len(points), 6))
            name = f"eye{side}"
            data = np.concatenate([points, self._cap @ turned.T, blank], 1)
            new = name not in self._raster.meshes
            self._raster.set_mesh(name, "eye", data, self._cap_triangles if new else None)
            open_part = 1 - units.get(f"eyeBlink{side}", 0.0)
            uniforms = {
                "eye_rotation": turned,
                "eye_centre": middle,
                "iris_outer": outer,
                "iris_inner": inner,
                "pupil": person.look.pupil,
                "iris_radius": 0.475,
                "lids": [0.40 * open_part - 0.05 + 0.012 * pose.gaze_y, -0.42],
                "seed": person.look.eye_seed,
                "head_rotation": rotation,
            }
            draws.append(Draw(name, uniforms))
        return draws

    def _fibres(self, person: Person, base: Array, surface: Array, rotation: Array, rotvec: Array) -> list[Draw]:
        look, tone = person.look, person.look.skin_tone
        still = {
            "pivot": person.pivot,
            "rigid": 1.0,
            "blend_y": [5.7, 6.6],
            "rotation_vector": [0, 0, 0],
            "head_centre": person.pivot + rotation @ (person.skull[0] - person.pivot),
            "head_radii": person.skull[1],
            "depth_shade": 0.0,
        }
        self._raster.set_mesh("lash", "ribbon", person.lashes.vertices(base, rotation))
        dark = {"root_colour": [0.014, 0.011, 0.010], "tip_colour": [0.012, 0.010, 0.009]}
        draws = [Draw("lash", {**still, **dark, "shine": 0.1, "variation": 0.2})]
        mixes = (("brow", person.brows, 0.75, 0.26, 0.14), ("beard", person.beard, 0.75, 0.0, 0.0))
        for name, fibres, share, root_skin, tip_skin in mixes:
            if fibres is None:
                continue
            self._raster.set_mesh(name, "ribbon", fibres.vertices(surface, self.head.triangles))
            colours = {
                "root_colour": look.hair_root * share + tone * root_skin,
                "tip_colour": look.hair_tip * 0.55 + tone * tip_skin,
            }
            uniforms = {**still, **colours, "shine": 0.12, "variation": 0.4}
            draws.append(Draw(name, uniforms, casts_shadow=name == "beard"))
        if person.hair is not None:
            height = person.pivot[1]
            moving = {"rotation_vector": rotvec, "rigid": 0.0, "blend_y": [height - 0.55, height + 0.45]}
            colours = {"root_colour": look.hair_root, "tip_colour": look.hair_tip}
            uniforms = {**still, **moving, **colours, "shine": 0.9, "variation": 0.45, "depth_shade": 1.0}
            draws.append(Draw("hair", uniforms, casts_shadow=True))
        return draws

    # ---- fixed tables ----
    def _lid_marks(self) -> list[tuple[int, int]]:
        """Surface vertices at the middle of the upper and lower lid edge of each eye, at rest."""
        head, marks = self.head, []
        for side in ("left", "right"):
            ends = []
            for lid in ("upper", "lower"):
                row = head.lash_rows[f"{lid}_{side}"][0]
                ends.append(head.nearest_rest(head.base[row[len(row) // 2]]))
            marks.append((ends[0], ends[1]))
        return marks

    def _skin_attributes(self) -> Array:
        """(V,3): inside of mouth and sockets, thin ears, oily zone."""
        head, rest = self.head, self.head.rest
        ear = np.clip((np.abs(rest[:, 0]) - 0.70) / 0.08, 0, 1) * (np.abs(rest[:, 1] - 7.15) < 0.4)
        cavity = np.where(head.mouth_cavity, np.clip((1.53 - rest[:, 2]) / 0.25, 0.15, 1), 0)
        cavity = cavity + np.where(head.inner & ~head.mouth_cavity, 0.9, 0)
        return np.stack([cavity, ear, self.masks.at(self.masks.oily, head.uv)], 1).astype(np.float32)


def _face_units(resting: Mapping[str, float], added: Mapping[str, float], pose: Pose) -> dict[str, float]:
    """Sum of resting face and expression, clipped to 0..1, with the lids following the gaze."""
    total = {name: resting.get(name, 0.0) + added.get(name, 0.0) for name in {**resting, **added}}
    up, down = max(0.0, pose.gaze_y / 26), max(0.0, -pose.gaze_y / 28)
    right, left = max(0.0, pose.gaze_x / 32), max(0.0, -pose.gaze_x / 32)
    total |= {"eyeLookUpLeft": up, "eyeLookUpRight": up, "eyeLookDownLeft": down, "eyeLookDownRight": down}
    total |= {
        "eyeLookOutLeft": right,
        "eyeLookInRight": right,
        "eyeLookInLeft": left,
        "eyeLookOutRight": left,
    }
    return {name: float(np.clip(value, 0, 1)) for name, value in total.items()}


def _sphere_cap(around: int, rings: int) -> tuple[Array, Array]:
    """Unit directions (N,3) round +z and triangles; the back of the eye is never seen."""
    polar = np.linspace(0, np.pi * 0.62, rings)[:, None]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    directions = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar) * np.ones(around)], -1
    ).reshape(-1, 3)
    ring, step = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a, b = ring * around + step, ring * around + (step + 1) % around
    lower = np.stack([a, a + around, b], -1).reshape(-1, 3)
    upper = np.stack([b, a + around, b + around], -1).reshape(-1, 3)
    return directions, np.concatenate([lower, upper])
