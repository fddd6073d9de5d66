"""Skin textures of one person: albedo (linear RGB, lip minus scalp mask in alpha) and bump height.

Everything is procedural: a palette of tones, fractal melanin, blush and lids as soft spots, freckles, moles, stubble,
make-up, lines of age, pores. No photograph is used.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from tools.synthetic_people.appearance import LIPSTICKS, Appearance
from tools.synthetic_people.facial_hair import BrowShape
from tools.synthetic_people.geometry import Array
from tools.synthetic_people.masks import FaceMasks

# wrinkles of the outer eye corner: (angle in degrees, length in dm), from (0.50, 7.29) outwards
CROWS_FEET = ((-28, 0.11), (-8, 0.14), (14, 0.13), (32, 0.09))


@dataclass(frozen=True)
class SkinTextures:
    """``albedo`` (S,S,4) float16, ``bump`` (S,S,1) float16 in 0..1."""

    albedo: Array
    bump: Array


def fractal_noise(rng: np.random.Generator, size: int, cells: int, octaves: int) -> Array:
    """(size,size) noise of unit standard deviation; ``cells`` is the coarsest grid."""
    total = np.zeros((size, size), np.float32)
    amplitude = 1.0
    for octave in range(octaves):
        grid = rng.standard_normal((min(size, cells * 2**octave),) * 2).astype(np.float32)
        total += amplitude * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        amplitude *= 0.55
    return total / total.std()


def wrinkles(masks: FaceMasks, age: float, rng: np.random.Generator) -> Array:
    """Depth 0..1 of forehead lines, nasolabial folds and crow's feet; none for a young face."""
    x, y, z = np.moveaxis(masks.position, -1, 0)
    side = np.abs(x)
    depth = np.zeros_like(x)
    forehead, corners = np.clip([age * 1.6 - 0.35, age * 1.4 - 0.2], 0, 1)
    for k in range(3 if forehead > 0 else 0):
        line = 7.70 + 0.075 * k + rng.normal(0, 0.006) + 0.012 * np.cos(side * 9 + rng.uniform(-0.6, 0.6))
        window = np.clip((0.40 - 0.05 * k - side) / 0.14, 0, 1)
        depth = np.maximum(depth, np.exp(-(((y - line) / 0.009) ** 2)) * window * forehead)
    down = np.clip((6.93 - y) / 0.38, 0, 1)
    fold = np.exp(-(((side - 0.165 - 0.15 * down**0.8) / 0.017) ** 2)) * np.clip(down / 0.15, 0, 1)
    depth = np.maximum(depth, fold * np.clip((1 - down) / 0.3, 0, 1) * np.clip(0.12 + age, 0, 1))
    for angle, length in CROWS_FEET if corners > 0 else ():
        a = np.radians(angle + rng.normal(0, 3))
        along = (side - 0.52) * np.cos(a) + (y - 7.285) * np.sin(a)
        across = -(side - 0.52) * np.sin(a) + (y - 7.285) * np.cos(a)
        window = np.clip(along / 0.02, 0, 1) * np.clip((length - along) / 0.08, 0, 1)
        depth = np.maximum(depth, np.exp(-((across / 0.006) ** 2)) * window * corners)
    return depth * masks.face * (z > 0.9)


def make_skin(
    masks: FaceMasks, look: Appearance, brow: BrowShape, age: float, rng: np.random.Generator
) -> SkinTextures:
    """Textures of one person. ``age`` 0..1."""
    size = len(masks.skin)
    fair, tone = look.fairness, look.skin_tone.astype(np.float32)
    coarse, middle, fine = (fractal_noise(rng, size, cells, octaves) for cells, octaves in ((6, 3), (40, 3), (300, 2)))
    albedo = np.ones((size, size, 3), np.float32) * tone
    melanin = (1 + 0.035 * coarse + 0.03 * middle + 0.03 * fine)[..., None]
    albedo *= melanin ** np.array([0.7, 1.0, 1.15], np.float32)
    albedo *= np.exp(_blush(masks, middle, rng)[..., None] * np.array([0.03, -0.20, -0.15]) * (0.35 + 0.65 * fair))
    lids = masks.eyelid * 0.26 + masks.bag * (rng.uniform(0.05, 0.25) + 0.15 * age)
    albedo *= np.exp(lids[..., None] * np.array([-0.28, -0.44, -0.34]))

    lip = masks.lips(look.upper_lip, look.lower_lip)
    lip_colour = look.lip_colour * (1 - look.makeup) + look.makeup * LIPSTICKS[look.lipstick] * (0.5 + 0.5 * fair)
    share = 0.84 * lip[..., None]
    albedo = albedo * (1 - share) + share * lip_colour * (1 + 0.07 * fine + 0.05 * middle)[..., None]
    if look.makeup > 0:
        albedo *= np.exp(-(masks.eyelid * look.makeup * 0.7)[..., None] * np.array([0.5, 0.8, 0.6]))
    albedo *= np.exp(-(masks.lash * (0.4 + 0.7 * look.makeup))[..., None])
    albedo *= _spots(masks, look, rng)

    x, y, z = np.moveaxis(masks.position, -1, 0)
    under_brow = (brow.coverage(x, y) * (z > 0.9))[..., None] * 0.42 * masks.skin[..., None]
    albedo = albedo * (1 - under_brow) + under_brow * (look.hair_root * 0.6 + tone * 0.35)
    if look.stubble > 0:
        grain = (0.55 + 0.45 * np.clip(fine, -1, 1.5)) * masks.beard * look.stubble
        grain = (0.62 if look.beard > 0 else 0.5) * grain[..., None]
        albedo = albedo * (1 - grain) + grain * (look.hair_mean * 0.55 + tone * 0.12)
    if look.scalp_cover > 0:
        cover = np.clip(masks.scalp * (1.25 if look.scalp_cover > 0.9 else 1 + 0.15 * fine), 0, 1) * look.scalp_cover
        albedo = albedo * (1 - cover[..., None]) + cover[..., None] * look.hair_mean * 0.5
    lines = wrinkles(masks, age, rng)
    albedo *= np.exp(-lines[..., None] * np.array([0.10, 0.17, 0.17]))
    albedo[masks.inner & masks.skin] = [0.20, 0.045, 0.045]

    pores = 0.5 + 0.085 * fractal_noise(rng, size, 420, 1) * (0.35 + 0.65 * np.clip(masks.oily + masks.cheek, 0, 1))
    height = np.where(lip > 0.3, 0.5 + 0.10 * fractal_noise(rng, size, 60, 1), pores + 0.02 * middle)
    height += 0.10 * age * fractal_noise(rng, size, 130, 2) - 0.45 * lines
    if look.stubble > 0:
        height += 0.12 * masks.beard * fine * look.stubble
    # the shader keeps highlights off the scalp under hair
    hidden = masks.scalp if look.scalp_cover > 0.9 else 0.0
    albedo = fill_borders(np.clip(albedo, 0.002, 0.95), masks.skin)
    return SkinTextures(
        albedo=np.concatenate([albedo, (lip - hidden)[..., None]], -1).astype(np.float16),
        bump=np.clip(height, 0, 1).astype(np.float16)[..., None],
    )


def _blush(masks: FaceMasks, mottle: Array, rng: np.random.Generator) -> Array:
    amount = masks.cheek * rng.uniform(0.4, 1.0) + masks.nose * rng.uniform(0.3, 0.9)
    return (amount + 0.5 * masks.chin + 0.8 * masks.ear) * (1 + 0.25 * mottle)


def _spots(masks: FaceMasks, look: Appearance, rng: np.random.Generator) -> Array:
    """Factor (S,S,3) of freckles and moles."""
    size = len(masks.skin)
    factor = np.ones((size, size, 3), np.float32)
    if look.freckles > 0:
        dots = cv2.GaussianBlur((rng.random((size, size)) < 0.006).astype(np.float32), (0, 0), 1.1) * 6
        amount = np.clip(dots, 0, 1) * (masks.cheek + masks.nose) * look.freckles
        factor *= np.exp(-amount[..., None] * np.array([0.35, 0.7, 0.9]))
    moles = np.zeros((size, size), np.float32)
    rows, columns = np.nonzero(masks.face)
    for _ in range(look.num_moles):
        k = rng.integers(len(rows))
        cv2.circle(moles, (int(columns[k]), int(rows[k])), 1, 1.0, -1, cv2.LINE_AA)
    return factor * np.exp(-cv2.GaussianBlur(moles, (0, 0), 0.7)[..., None] * np.array([0.7, 1.0, 1.2]))


def fill_borders(image: Array, inside: Array) -> Array:
    """Spread colours over the borders of the texture islands, so that mip maps do not bleed."""
    image = image.astype(np.float32) * inside[..., None]
    weight = inside.astype(np.float32)
    for reach in (5, 13, 37):
        blurred, total = cv2.blur(image, (reach, reach)), cv2.blur(weight, (reach, reach))
        empty = (weight < 0.5) & (total > 0.02)
        image[empty] = blurred[empty] / total[empty][:, None]
        weight[empty] = 1
    return image
