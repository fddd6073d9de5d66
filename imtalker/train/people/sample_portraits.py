"""The bundled sample portraits (assets/portraits): synthetic people, their names invented."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from imtalker.train.people.geometry import Array
from imtalker.train.people.identity import Wishes
from imtalker.train.people.painting import paint
from imtalker.train.people.person import Set
from imtalker.train.people.studio import Pose, Studio

logger = logging.getLogger(__name__)
Medium = Literal["photo", "painting", "greyscale"]
JPEG_QUALITY = 92
SUPERSAMPLE = 3


@dataclass(frozen=True)
class PortraitSample:
    """One picture: file name, seed, what is fixed about the person, and how it is taken."""

    name: str
    seed: int
    wishes: Wishes = field(default_factory=Wishes)
    stage: Set = field(default_factory=Set)
    expression: Mapping[str, float] = field(default_factory=dict)
    pose: Pose = field(default_factory=Pose)
    medium: Medium = "photo"
    size: tuple[int, int] = (512, 512)  # width, height


def smile(amount: float) -> dict[str, float]:
    """Face units of a closed smile that reaches the eyes."""
    shares = {"mouthSmile": 1.0, "cheekSquint": 0.6, "eyeSquint": 0.3, "mouthDimple": 0.2}
    return {f"{name}{side}": amount * share for name, share in shares.items() for side in ("Left", "Right")}


PORTRAIT_SAMPLES: tuple[PortraitSample, ...] = ()


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
    studios: dict[tuple[int, int], Studio] = {}
    paths: list[Path] = []
    for sample in PORTRAIT_SAMPLES:
        if names and sample.name not in names:
            continue
        if sample.size not in studios:
            studios[sample.size] = Studio(*sample.size, supersample=SUPERSAMPLE)
        studio = studios[sample.size]
        person = studio.person(sample.seed, sample.wishes, sample.stage)
        image = studio.render(person, sample.expression, sample.pose).image
        path = folder / f"{sample.name}.jpg"
        Image.fromarray(finish(image, sample.medium, sample.seed)).save(path, quality=JPEG_QUALITY)
        logger.info("%s: %d kB", path, path.stat().st_size // 1000)
        paths.append(path)
    return paths
