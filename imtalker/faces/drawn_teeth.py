"""A row of teeth drawn on a plate, and the light in a mouth.

Plates are premultiplied RGBA, 40 px per cm.
The incisal edge runs through the plate's middle row; crowns go up in the upper plate and down in the lower one.
"""

import cv2
import numpy as np

from imtalker.faces.smooth import smoothstep
from imtalker.faces.tooth_colour import skin_colours

PLATE_WIDTH, PLATE_HEIGHT, PLATE_SCALE = 256, 128, 40.0  # px, px, px per cm
PLATE_HALF_CM = np.array([PLATE_WIDTH, PLATE_HEIGHT]) / 2 / PLATE_SCALE
TEETH_DEPTH = 1.0  # cm behind the lip line

_UPPER_WIDTHS, _UPPER_HEIGHTS = (0.86, 0.66, 0.76, 0.70, 0.66, 0.95), (1.05, 0.92, 1.02, 0.86, 0.80, 0.74)
_LOWER_WIDTHS, _LOWER_HEIGHTS = (0.54, 0.60, 0.68, 0.70, 0.72, 1.0), (0.85, 0.85, 0.95, 0.85, 0.75, 0.7)
_EDGE = np.array([0, -0.06, -0.01, -0.05, -0.08, -0.11])  # cm: lateral incisors are shorter


def mouth_light(rgb: np.ndarray, landmarks: np.ndarray) -> tuple[float, np.ndarray]:
    """Level of the light in the mouth, about 1, and its colour (3,), from the skin round it."""
    skin = skin_colours(rgb, landmarks)
    level = float(np.median(skin.mean(-1)))
    light = float(np.clip(0.74 + 0.26 * level / 175, 0.6, 1.05))
    return light, 0.8 + 0.2 * np.median(skin, 0) / max(level, 1) / [1.22, 0.95, 0.83]


def draw_teeth(rng: np.random.Generator, upper: bool, shade: float, light: np.ndarray) -> np.ndarray:
    """(128,256,4) float 0..255. shade: 0 white .. 1.5 yellow; light: (3,) light level of the mouth."""
    oversample = 3
    k = PLATE_SCALE * oversample
    width, height = PLATE_WIDTH * oversample, PLATE_HEIGHT * oversample
    widths = np.array(_UPPER_WIDTHS if upper else _LOWER_WIDTHS) * (1 + 0.05 * rng.standard_normal(6))
    heights = np.array(_UPPER_HEIGHTS if upper else _LOWER_HEIGHTS) * (1 + 0.04 * rng.standard_normal(6))
    edges = _EDGE * (1 if upper else -0.4) + 0.03 * rng.standard_normal(6)
    arch = 2.75 if upper else 2.45  # radius of the dental arch, cm
    ys = (np.arange(height) + 0.5) / k - PLATE_HEIGHT / PLATE_SCALE / 2
    xs = (np.arange(width) + 0.5) / k - PLATE_WIDTH / PLATE_SCALE / 2
    x, y = np.meshgrid(xs, -ys if upper else ys)  # y grows towards the gum
    gum = np.array([196, 118, 112]) * (0.85 + 0.1 * rng.random())
    gum_line = heights[0] * 0.80
    colour = gum * (1 - 0.25 * smoothstep(gum_line, gum_line + 0.8, y))[..., None]
    alpha = smoothstep(gum_line - 0.25, gum_line - 0.1, y) * (1 - smoothstep(2.6, 3.05, np.abs(x)))
    slit = 0.004 + 0.012 * rng.random() ** 3  # between neighbours, cm
    enamel = np.array([246, 239, 226]) * (1 - 0.09 * shade) * [1, 1 - 0.02 * shade, 1 - 0.08 * shade]
    behind = smoothstep(0.12, 0.22, y) * (1 - smoothstep(gum_line - 0.1, gum_line + 0.05, y))
    behind = (behind * (1 - smoothstep(2.4, 2.75, np.abs(x))))[..., None]
    colour = colour * (1 - behind) + enamel * 0.52 * [1, 0.93, 0.85] * behind
    alpha = np.maximum(alpha, behind[..., 0])
    for side in (-1, 1):
        begin = 0.0
        for i, tooth_width in enumerate(widths):
            a0, a1 = begin / arch, (begin + tooth_width) / arch
            begin += tooth_width
            jitter, tone = 0.02 * rng.standard_normal(), 1 + 0.025 * rng.standard_normal()
            if a1 > 1.5:
                break
            x0, x1 = arch * np.sin(a0), arch * np.sin(a1)
            half = (x1 - x0) / 2 - slit
            if half < 0.03:
                continue
            middle = side * (x0 + x1) / 2
            part = np.s_[:, slice(*np.searchsorted(xs, [middle - 1.02 * half, middle + 1.02 * half]))]
            u = (x[part] - middle) / half
            t = (y[part] + edges[i] + jitter) / heights[i]  # 0 at the edge, 1 at the gum
            tip = 0.06 * np.abs(u) ** 3 - (0.05 * (1 - np.abs(u)) if i == 2 else 0)  # round corners, canine point
            taper = 1 - 0.14 * np.clip(t, 0, 1) ** 2
            top = 0.88 - 0.12 * u * u
            tooth = smoothstep(0, 0.05, t - tip) * (1 - smoothstep(top, top + 0.08, t))
            tooth = (tooth * (1 - smoothstep(0.94, 1.02, np.abs(u) / taper)))[..., None]
            shading = (1 - 0.16 * u * u) * (1 - 0.12 * np.clip(t, 0, 1)) * (0.90 + 0.10 * np.cos(a0 * 1.1))
            shading = shading * np.cos(0.75 * (a0 + a1) / 2) ** 1.3 * (1 - 0.08 * (1 - smoothstep(0, 0.2, t)))
            colour[part] = colour[part] * (1 - tooth) + enamel * tone * shading[..., None] * tooth
            alpha[part] = np.maximum(alpha[part], tooth[..., 0])
    plate = np.concatenate([colour * light * alpha[..., None], 255 * alpha[..., None]], -1).astype(np.float32)
    return cv2.resize(plate, (PLATE_WIDTH, PLATE_HEIGHT), interpolation=cv2.INTER_AREA).clip(0, 255)


def usual_colour(plate: np.ndarray) -> np.ndarray:
    """Colour (3,) of drawn teeth."""
    bright = (plate[..., 3] > 230) & (plate[..., :3].mean(-1) > 110)
    return np.maximum(np.median(plate[bright][:, :3], 0), 1)
