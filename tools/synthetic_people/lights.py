"""Lights and backgrounds of a portrait. Colours are linear RGB."""

import colorsys
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from tools.synthetic_people.geometry import Array

BackgroundKind = Literal["gradient", "studio", "room", "bokeh", "window"]
KINDS: tuple[BackgroundKind, ...] = ("gradient", "studio", "room", "bokeh")


def linear(srgb: Array) -> Array:
    """sRGB 0..1 to linear light."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def hsv(hue: float, saturation: float, value: float) -> Array:
    """Linear RGB (3,) of a colour given as sRGB hue, saturation, value."""
    return linear(np.array(colorsys.hsv_to_rgb(hue, saturation, value)))


@dataclass(frozen=True)
class Lighting:
    """Uniforms of the lamps, and the camera's response."""

    lamps: dict[str, Array]
    exposure: float
    vignette: float
    white_balance: Array

    def tone(self) -> dict[str, object]:
        return {
            "exposure": self.exposure,
            "vignette": self.vignette,
            "white_balance": self.white_balance,
            "bloom": 0.05,
        }


def _direction(azimuth: float, elevation: float) -> Array:
    horizontal = np.cos(elevation)
    return np.array([np.sin(azimuth) * horizontal, np.sin(elevation), np.cos(azimuth) * horizontal])


def sample_lighting(rng: np.random.Generator, fairness: float, soft: bool = False) -> Lighting:
    """A key lamp from the front quarter, a fill opposite, sometimes a rim, and a sky over a ground.

    A photographer exposes for the face: ``fairness`` (0 deep .. 1 fair) lowers the exposure. ``soft`` is a
    flattering studio set-up: strong fill and sky, little contrast.
    """
    azimuth = np.radians(rng.choice([-1, 1]) * rng.uniform(15, 60))
    elevation, warmth = np.radians(rng.uniform(15, 48)), rng.uniform(-1, 1)
    key, fill = rng.uniform(1.5, 2.2), rng.uniform(0.18, 0.5)
    rim = rng.choice([0.0, 0.5, 1.2]) * rng.uniform(0.6, 1.2)
    tint = 1 + rng.uniform(-0.1, 0.1, 3)
    fill_side, fill_height = rng.uniform(0.7, 1.3), np.radians(rng.uniform(-5, 25))
    rim_side, rim_height = rng.uniform(0.5, 1.1), np.radians(rng.uniform(15, 45))
    sky, ground, exposure = rng.uniform(0.42, 0.7), rng.uniform(0.16, 0.34), rng.uniform(0.64, 0.78)
    if soft:
        azimuth, elevation = azimuth * 0.62, np.radians(30 + 8 * rng.random())
        key, fill, warmth, sky, ground = 1.55, 0.55, abs(warmth) * 0.5, 0.66, 0.36
    warm = np.array([1 + 0.13 * warmth, 1.0, 1 - 0.16 * warmth])
    lamps = {
        "key_dir": _direction(azimuth, elevation),
        "key_colour": key * warm,
        "fill_dir": _direction(-azimuth * fill_side, fill_height),
        "fill_colour": fill * tint * key * 0.8,
        "rim_dir": _direction(np.pi - azimuth * rim_side, rim_height),
        "rim_colour": rim * (2 - warm),
        "sky_colour": sky * (1.5 - 0.5 * warm),
        "ground_colour": ground * np.array([1.05, 0.97, 0.9]),
    }
    return Lighting(
        lamps=lamps,
        exposure=float(exposure * (1.14 - 0.26 * fairness)),
        vignette=float(rng.uniform(0, 0.45)),
        white_balance=1 + rng.uniform(-0.03, 0.03, 3),
    )


def sample_background(rng: np.random.Generator, width: int, height: int, kind: BackgroundKind | None = None) -> Array:
    """(height,width,3) float16; row 0 is the bottom. Out-of-focus shapes, never a photograph."""
    drawn = KINDS[rng.integers(len(KINDS))]
    kind = kind or drawn
    if kind == "window":
        image = _window_room(rng, width, height)
        return np.clip(image, 0, 4).astype(np.float16)[::-1]
    small = 128
    first, second = (hsv(rng.random(), rng.uniform(0.04, 0.42), rng.uniform(0.12, 0.8)) for _ in range(2))
    row, column = np.mgrid[0:small, 0:small] / small
    angle = rng.random() * 2 * np.pi
    slope = np.clip(0.5 + (column - 0.5) * np.cos(angle) + (row - 0.5) * np.sin(angle), 0, 1)[..., None]
    image = first * (1 - slope) + second * slope
    if kind == "studio":
        image = first * (1.25 - 1.1 * np.hypot(column - 0.5, row - 0.45)[..., None])
    if kind in ("room", "bokeh"):
        for _ in range(rng.integers(8, 26)):
            wide, tall = rng.uniform(0.05, 0.5, 2)
            left, top = rng.uniform(-0.2, 1, 2)
            box = (column > left) & (column < left + wide) & (row > top) & (row < top + tall)
            image[box] = hsv(rng.random(), rng.uniform(0, 0.4), rng.uniform(0.08, 0.9)) * rng.uniform(0.5, 1.2)
        image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), rng.uniform(3, 9))
    image = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    if kind == "bokeh":
        for _ in range(rng.integers(6, 22)):
            radius = int(height * rng.uniform(0.012, 0.045))
            centre = (int(rng.integers(width)), int(rng.integers(height)))
            colour = hsv(rng.uniform(0.03, 0.16), rng.uniform(0.1, 0.6), 1.0) * rng.uniform(0.1, 0.5)
            disc = np.zeros((height, width), np.float32)
            cv2.circle(disc, centre, radius, 1.0, -1, cv2.LINE_AA)
            image += cv2.GaussianBlur(disc, (0, 0), 1.5)[..., None] * colour
    return np.clip(image, 0, 4).astype(np.float16)[::-1]


def _window_room(rng: np.random.Generator, width: int, height: int) -> Array:
    """A living room out of focus: a wall, a bright window with trees, a shelf of books, a lamp."""
    image = np.ones((height, width, 3), np.float32) * hsv(0.09, 0.16, 0.62).astype(np.float32)
    image *= (1.08 - 0.35 * np.linspace(0, 1, width))[None, :, None]

    def box(left: float, top: float, right: float, bottom: float, colour: Array) -> None:
        rows = slice(max(0, int(top * height)), int(bottom * height))
        image[rows, max(0, int(left * width)) : int(right * width)] = colour

    box(0.05, 0.06, 0.37, 0.72, hsv(0.08, 0.1, 0.9))
    box(0.065, 0.08, 0.355, 0.70, np.array([1.5, 1.65, 1.8]))
    leaves = np.zeros((height, width), np.float32)
    for _ in range(90):
        x, y = rng.uniform(0.065, 0.355), 0.70 - abs(rng.normal(0, 0.13))
        cv2.circle(leaves, (int(x * width), int(y * height)), int(height * rng.uniform(0.01, 0.04)), 1.0, -1)
    leaves[int(0.70 * height) :] = 0
    leaves[:, : int(0.065 * width)] = 0
    leaves[:, int(0.355 * width) :] = 0
    image = image * (1 - 0.72 * leaves[..., None]) + 0.72 * leaves[..., None] * hsv(0.29, 0.55, 0.62)
    box(0.205, 0.08, 0.217, 0.70, hsv(0.08, 0.1, 0.85))
    for level in (0.2, 0.43, 0.66, 0.89):
        left = 0.66
        while left < 1.0:
            wide, tall = rng.uniform(0.008, 0.02), rng.uniform(0.10, 0.165)
            box(
                left,
                level - tall,
                left + wide,
                level,
                hsv(rng.random(), rng.uniform(0.1, 0.42), rng.uniform(0.2, 0.7)),
            )
            left += wide + (0.05 if rng.random() < 0.08 else 0.001)
        box(0.65, level, 1.0, level + 0.022, hsv(0.07, 0.45, 0.42))
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), height * 0.011)
    glow = np.zeros((height, width), np.float32)
    cv2.circle(glow, (int(0.555 * width), int(0.30 * height)), int(0.05 * height), 1.0, -1, cv2.LINE_AA)
    image += cv2.GaussianBlur(glow, (0, 0), height * 0.012)[..., None] * hsv(0.1, 0.35, 1.0) * 0.9
    image += cv2.GaussianBlur(glow, (0, 0), height * 0.12)[..., None] * hsv(0.09, 0.5, 1.0) * 0.9
    return image
