"""Fast picture augmentation: colour by tables and a matrix, blur, JPEG, noise, patches; random backgrounds."""

from dataclasses import dataclass

import cv2
import numpy as np

from imtalker.train.puppet.geometry import TEXTURE_SIZE

_GREY = np.full((3, 3), 1 / 3)


@dataclass(frozen=True, eq=False)
class Colouring:
    """One colour change, to be applied to all frames of a sample alike."""

    table: np.ndarray  # (1,256,3) uint8
    matrix: np.ndarray | None  # (3,3) saturation

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """image (H,W,3) uint8 -> the same shape."""
        image = cv2.LUT(image, self.table)
        return image if self.matrix is None else cv2.transform(image, self.matrix)


def sample_colouring(rng: np.random.Generator, strength: float = 1.0) -> Colouring:
    """Gamma, contrast, brightness, channel gains, saturation; one in ten becomes grey."""
    x = np.arange(256)[:, None] / 255
    gamma = np.exp(strength * 0.22 * rng.normal())
    contrast = np.exp(strength * 0.12 * rng.normal())
    gains = np.exp(strength * (0.06 * rng.normal(size=3) + 0.06 * rng.normal()))
    curve = ((x**gamma - 0.5) * contrast + 0.5) * gains + strength * 0.02 * rng.normal()
    table = np.clip(255 * curve + 0.5, 0, 255).astype(np.uint8)[None]
    saturation = 0.0 if rng.random() < 0.1 else float(np.exp(strength * 0.25 * rng.normal()))
    return Colouring(table, saturation * np.eye(3) + (1 - saturation) * _GREY)


@dataclass(frozen=True)
class Degradation:
    """A slightly poor camera, the same for all frames of a sample."""

    blur: float = 0.0  # px
    quality: int | None = None  # JPEG
    shrink: float = 1.0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if self.shrink < 1:
            size = (image.shape[1], image.shape[0])
            small = (max(int(size[0] * self.shrink), 8), max(int(size[1] * self.shrink), 8))
            image = cv2.resize(cv2.resize(image, small, interpolation=cv2.INTER_AREA), size)
        if self.blur > 0:
            image = cv2.GaussianBlur(image, (0, 0), self.blur)
        if self.quality is not None:
            _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])
            image = np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[:, :, ::-1])
        return image


def sample_degradation(rng: np.random.Generator, chance: float = 0.15, strength: float = 1.0) -> Degradation:
    """Mostly none; else blur, JPEG or both."""
    if rng.random() > chance:
        return Degradation()
    kind = rng.integers(3)
    blur = strength * rng.uniform(0.3, 0.9) if kind != 1 else 0.0
    quality = int(rng.integers(45, 90)) if kind != 0 else None
    return Degradation(blur, quality, rng.uniform(1 - 0.5 * (strength - 1), 1) if strength > 1 else 1.0)


def cover(rng: np.random.Generator, image: np.ndarray) -> None:
    """Paint one or two coloured patches over the image in place (a hand, a microphone)."""
    size = image.shape[0]
    for _ in range(rng.integers(1, 3)):
        centre = tuple(int(v) for v in rng.integers(0, size, 2))
        axes = tuple(int(v) for v in rng.uniform(0.04, 0.16, 2) * size)
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)


def draw_background(rng: np.random.Generator) -> np.ndarray:
    """(512,512,3) uint8: smooth, banded or blocky random colours."""
    cells = int(rng.integers(2, 9))
    base = 0.6 * rng.uniform(20, 235, 3) + 0.4 * rng.uniform(20, 235)
    field = rng.normal(size=(cells, cells, 3)) * rng.uniform(5, 60) + base
    method = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST)[rng.integers(3)]
    field = cv2.resize(field.clip(0, 255).astype(np.float32), (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=method)
    if rng.random() < 0.5:
        field = cv2.GaussianBlur(field, (0, 0), rng.uniform(1, 6))
    return field.clip(0, 255).astype(np.uint8)


def vary_background(rng: np.random.Generator, plate: np.ndarray) -> np.ndarray:
    """Another person's plate (512,512,3) uint8: flipped, blurred, recoloured."""
    if rng.random() < 0.5:
        plate = plate[:, ::-1]
    small = cv2.resize(plate, (128, 128), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.3, 3))
    return cv2.resize(sample_colouring(rng, 2.0)(small), (TEXTURE_SIZE, TEXTURE_SIZE))
