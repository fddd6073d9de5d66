"""The bundled sample portraits (assets/portraits): synthetic people, their names invented."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from tools.synthetic_people.geometry import Array
from tools.synthetic_people.identity import Gender, TraitOverrides
from tools.synthetic_people.lights import BackgroundKind
from tools.synthetic_people.painting import paint
from tools.synthetic_people.person import Stage
from tools.synthetic_people.renderer import PersonRenderer, Pose

logger = logging.getLogger(__name__)
Medium = Literal["photo", "painting", "greyscale"]
JPEG_QUALITY = 92
SUPERSAMPLE = 2


@dataclass(frozen=True)
class PortraitSample:
    """One picture: file name, seed, what is fixed about the person, and how it is taken."""

    name: str
    seed: int
    overrides: TraitOverrides = field(default_factory=TraitOverrides)
    stage: Stage = field(default_factory=Stage)
    expression: Mapping[str, float] = field(default_factory=dict)
    pose: Pose = field(default_factory=Pose)
    medium: Medium = "photo"
    size: tuple[int, int] = (768, 768)  # width, height


def smile(amount: float) -> dict[str, float]:
    """Face units of a closed smile that reaches the eyes."""
    shares = {"mouthSmile": 1.0, "cheekSquint": 0.6, "eyeSquint": 0.3, "mouthDimple": 0.2}
    return {f"{name}{side}": amount * share for name, share in shares.items() for side in ("Left", "Right")}


# A friendlier average: larger eyes, oval face
SLIDERS = {"eye-scale": 0.28, "head-oval": 0.35, "chin-width": -0.12, "mouth-angles": 0.2}
VARIATION = 0.7
AFRICAN, ASIAN, EUROPEAN = (0.9, 0.05, 0.05), (0.03, 0.94, 0.03), (0.04, 0.06, 0.9)


def friendly(gender: Gender, ancestry: tuple[float, float, float], age: float, **more: Any) -> TraitOverrides:
    """TraitOverrides for a person whose face stays near a pleasant average."""
    return TraitOverrides(gender=gender, ancestry=ancestry, age=age, variation=VARIATION, sliders=SLIDERS, **more)


def portrait_set(seed: int, background: BackgroundKind = "studio", margin: float = 1.95) -> Stage:
    """Soft light, a quiet background, head and shoulders."""
    return Stage(background=background, soft_light=True, margin=margin, shift=(0.0, -0.12), seed=seed)


PORTRAIT_SAMPLES: tuple[PortraitSample, ...] = (
    PortraitSample(
        "ada",
        2003,
        friendly("female", EUROPEAN, 0.05, hair="longwavy", hair_colour="brown", eye_colour="green"),
        portrait_set(128),
        smile(0.24),
    ),
    PortraitSample(
        "bram",
        2001,
        friendly("male", EUROPEAN, 0.6, hair="slick", hair_colour="grey", beard=0.8, eye_colour="blue"),
        portrait_set(120),
        smile(0.2),
    ),
    PortraitSample(
        "chidi",
        2001,
        friendly("male", AFRICAN, 0.15, hair="crop", hair_colour="black", beard=0.3, eye_colour="brown"),
        portrait_set(171),
        smile(0.25),
    ),
    PortraitSample(
        "dina",
        2003,
        friendly("female", AFRICAN, 0.1, hair="afro", hair_colour="black", eye_colour="brown"),
        portrait_set(148),
        smile(0.28),
    ),
    PortraitSample(
        "emil",
        2003,
        friendly("male", EUROPEAN, 0.1, hair="sidepart", hair_colour="auburn", beard=0.2, eye_colour="blue"),
        portrait_set(105),
        smile(0.22),
    ),
    PortraitSample(
        "farah",
        2005,
        friendly("female", (0.15, 0.35, 0.5), 0.12, hair="bun", hair_colour="darkbrown", eye_colour="brown"),
        portrait_set(158),
        smile(0.25),
    ),
    PortraitSample(
        "grete",
        2003,
        friendly("female", EUROPEAN, 0.7, hair="bun", hair_colour="white", eye_colour="steel"),
        portrait_set(167),
        smile(0.26),
    ),
    PortraitSample(
        "mei",
        2002,
        friendly("female", ASIAN, 0.1, hair="bob", hair_colour="black", eye_colour="dark"),
        portrait_set(139),
        smile(0.22),
    ),
    PortraitSample(
        "omar",
        2002,
        friendly("male", (0.2, 0.4, 0.4), 0.2, hair="sidepart", hair_colour="black", beard=0.75, eye_colour="brown"),
        portrait_set(168),
        smile(0.25),
    ),
    PortraitSample(
        "painting",
        2001,
        friendly("female", EUROPEAN, 0.08, hair="longwavy", hair_colour="auburn", eye_colour="green"),
        portrait_set(146),
        smile(0.18),
        medium="painting",
    ),
    PortraitSample(
        "greyscale",
        2004,
        friendly("male", EUROPEAN, 0.3, hair="slick", hair_colour="black", beard=0.0, eye_colour="grey"),
        portrait_set(102),
        smile(0.2),
        medium="greyscale",
    ),
    PortraitSample(
        "wide",
        2006,
        friendly("female", (0.5, 0.1, 0.4), 0.1, hair="curly", hair_colour="darkbrown", eye_colour="brown"),
        Stage(background="window", soft_light=True, margin=3.3, shift=(-0.7, 0.3), seed=69),
        smile(0.25),
        size=(1024, 768),
    ),
)


def finish(image: Array, medium: Medium, seed: int) -> Array:
    """uint8 RGB (H,W,3) in the medium of the sample."""
    if medium == "painting":
        return paint(image, seed)
    if medium == "greyscale":
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        grain = np.random.default_rng(seed).normal(0, 3.0, grey.shape)
        grey = 255 * np.clip(grey / 255, 0, 1) ** 0.92 + cv2.GaussianBlur(grain, (0, 0), 0.7) * 1.6
        return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)
    return image


def write_portraits(folder: Path, names: list[str] | None = None) -> list[Path]:
    """Render the samples (all, or those named) as JPEG."""
    folder.mkdir(parents=True, exist_ok=True)
    studios: dict[tuple[int, int], PersonRenderer] = {}
    paths: list[Path] = []
    for sample in PORTRAIT_SAMPLES:
        if names and sample.name not in names:
            continue
        if sample.size not in studios:
            studios[sample.size] = PersonRenderer(*sample.size, supersample=SUPERSAMPLE)
        studio = studios[sample.size]
        person = studio.person(sample.seed, sample.overrides, sample.stage)
        image = studio.render(person, sample.expression, sample.pose).image
        path = folder / f"{sample.name}.jpg"
        Image.fromarray(finish(image, sample.medium, sample.seed)).save(path, quality=JPEG_QUALITY)
        logger.info("%s: %d kB", path, path.stat().st_size // 1000)
        paths.append(path)
    return paths
