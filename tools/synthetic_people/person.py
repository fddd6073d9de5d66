"""A synthetic person: everything that is drawn from the seed, in the rest pose, with lights, clothes and background."""

from dataclasses import dataclass

import numpy as np

from tools.synthetic_people.appearance import Appearance, sample_appearance
from tools.synthetic_people.clothes import Garment, sample_garment
from tools.synthetic_people.facial_hair import BoundFibres, Lashes, grow_beard, grow_brows, grow_lashes
from tools.synthetic_people.geometry import Array
from tools.synthetic_people.hair import Strands, grow_hair, scalp_weight
from tools.synthetic_people.head import Head
from tools.synthetic_people.identity import Identity, TraitOverrides, sample_identity
from tools.synthetic_people.lights import BackgroundKind, Lighting, sample_background, sample_lighting
from tools.synthetic_people.masks import FaceMasks
from tools.synthetic_people.rasterizer import View
from tools.synthetic_people.skin import SkinTextures, make_skin

# rest positions: top and bottom of the face in a portrait crop
FOREHEAD, CHIN = (0, 7.83, 1.5), (0, 6.16, 1.4)
MARGIN = 1.7  # height of the picture / height of the face, as in a portrait photograph


@dataclass(frozen=True)
class Framing:
    """What the camera sees: centre of the picture and its height in dm, distance in dm."""

    centre: Array
    height: float
    distance: float

    def view(self) -> View:
        eye = self.centre + np.array([0, 0.15, self.distance])
        return View(eye, self.centre, 2 * np.arctan(self.height / 2 / self.distance))


@dataclass(frozen=True)
class Stage:
    """The photographer's choices, apart from the person."""

    width: int = 512  # pixels, of the background image
    height: int = 512
    background: BackgroundKind | None = None
    soft_light: bool = False
    margin: float = MARGIN
    shift: tuple[float, float] = (0.0, 0.0)  # of the camera, dm to the right and up
    hair_density: float = 1.0
    seed: int | None = None  # of lights, background and clothes; None: the person's


@dataclass(frozen=True)
class Person:
    """Positions in dm, y up, x to image right."""

    seed: int
    identity: Identity
    look: Appearance
    base: Array  # (5550,3) control cage
    surface: Array  # (20540,3)
    normals: Array
    pivot: Array  # of the head's rotation
    eyes: tuple[tuple[Array, float], tuple[Array, float]]  # left and right: centre, radius
    skull: tuple[Array, Array]  # centre and radii of an ellipsoid, for the shade inside the hair
    skin: SkinTextures
    hair: Strands | None
    brows: BoundFibres
    beard: BoundFibres | None
    lashes: Lashes
    garment: Garment
    lighting: Lighting
    background: Array
    framing: Framing

    @property
    def middle(self) -> Array:
        """Middle of head and shoulders: people differ in height by more than a head."""
        return np.array([0, self.skull[0][1] - 0.45, 0.3])


def sample_person(head: Head, masks: FaceMasks, seed: int, overrides: TraitOverrides, stage: Stage) -> Person:
    """The person of a seed. Every aspect has a random stream of its own, so a wish changes only what it names."""

    def stream(number: int) -> np.random.Generator:
        return np.random.default_rng([seed, 0, number])

    def stage_stream(number: int) -> np.random.Generator:
        return np.random.default_rng([seed if stage.seed is None else stage.seed, 0, number])

    identity = sample_identity(head, stream(0), overrides)
    look = sample_appearance(identity, seed, overrides)
    base = head.shape(identity.macro(), identity.details)
    surface = head.surface(base)
    normals = head.normals(surface)
    neck, skull = (base[head.joints[name]].mean(0) for name in ("neck", "head"))
    left, right = (base[index] for index in head.eyes)
    scalp = surface[scalp_weight(head.rest) > 0.5]
    centre = np.array([0, scalp[:, 1].mean() - 0.25, scalp[:, 2].mean() + 0.1])
    radii = np.array([np.abs(scalp[:, 0]).max() * 1.02, scalp[:, 1].max(), np.abs(scalp[:, 2] - centre[2]).max()])
    radii[1] -= centre[1]
    beard_zone = masks.at(masks.beard, head.uv)
    return Person(
        seed=seed,
        identity=identity,
        look=look,
        base=base,
        surface=surface,
        normals=normals,
        pivot=0.35 * skull + 0.65 * neck,
        eyes=(_fit_sphere(left), _fit_sphere(right)),
        skull=(centre, radii),
        skin=make_skin(masks, look, look.brow, identity.old, stream(2)),
        hair=grow_hair(head, surface, normals, look.cut, stage.hair_density),
        brows=grow_brows(head, surface, normals, look.brow, identity.male, stream(3)),
        beard=grow_beard(head, surface, normals, beard_zone, look.beard, stream(4)) if look.beard > 0 else None,
        lashes=grow_lashes(head, look.makeup, stream(5)),
        garment=sample_garment(stage_stream(6)),
        lighting=sample_lighting(stage_stream(7), look.fairness, stage.soft_light),
        background=sample_background(stage_stream(8), stage.width, stage.height, stage.background),
        framing=_frame(head, surface, stage, stream(1).uniform(10, 16)),
    )


def _frame(head: Head, surface: Array, stage: Stage, distance: float) -> Framing:
    top, bottom = (surface[head.nearest_rest(mark), 1] for mark in (FOREHEAD, CHIN))
    centre = np.array([stage.shift[0], (top + bottom) / 2 + 0.09 + stage.shift[1], 0.3])
    return Framing(centre, float(top - bottom) * stage.margin, distance * max(1.0, stage.margin / 2))


def _fit_sphere(points: Array) -> tuple[Array, float]:
    centre = points.mean(0)
    return centre, float(np.linalg.norm(points - centre, axis=1).mean())
