"""The skin round an eye without the eye, its lashes and its dark folds; and these, as what they take from its light."""

from dataclasses import dataclass

import cv2
import numpy as np

from imtalker.faces.fill import push_pull

MARGIN_CM = 1.1  # round the lids
LASHES_CM = 0.14  # beyond the lids' edges, not taken for skin
LIKE_SKIN = (0.86, 1.25)  # light over that of what is near, of skin
THICK_CM = 0.3  # of dark things that are not skin; what is thicker, is: skin in shadow
THIN_CM = 0.18  # of lashes
SHADE_CM, SHADE = 0.2, (0.75, 1.0)  # width of the shadow that lies on it, and what that leaves of the light
SAME_COLOUR = 0.7  # how far it has one colour
LINE_CM, LINE = 0.08, (0.3, 0.65)  # width of the line along the upper lid's edge, and what it leaves of the light
SOFT_CM = 0.06  # deviation of what smooths the skin


@dataclass(frozen=True, eq=False)
class LidSkin:
    """Round one eye, in px of the picture."""

    skin: np.ndarray  # (h,w,3) 0..255
    lashes: np.ndarray  # (h,w) light of the picture over that of the skin, 0..2; 1 between the lids
    line: float  # the same of the upper lid's edge
    origin: np.ndarray  # (2,) px of its corner


def lid_skin(rgb: np.ndarray, polygon: np.ndarray, px_per_cm: float) -> LidSkin:
    """Of an eye whose lids' edges are ``polygon (n,2)``, px, in a picture (S,S,3) uint8."""
    size = rgb.shape[0]
    x0, y0 = np.clip(np.floor(polygon.min(0) - MARGIN_CM * px_per_cm), 0, size - 8).astype(int)
    x1, y1 = np.clip(np.ceil(polygon.max(0) + MARGIN_CM * px_per_cm), [x0 + 8, y0 + 8], size).astype(int)
    patch = rgb[y0:y1, x0:x1].astype(np.float32)
    eye = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(eye, [np.round((polygon - [x0, y0]) * 16).astype(np.int32)], [1], shift=4)
    away = cv2.distanceTransform(1 - eye, cv2.DIST_L2, 3) / px_per_cm
    light = patch.mean(-1)
    outside = away > LASHES_CM
    near = cv2.morphologyEx(_continued(light, outside), cv2.MORPH_CLOSE, _disc(THICK_CM * px_per_cm))
    near = cv2.GaussianBlur(near.astype(np.float32), (0, 0), THICK_CM / 2 * px_per_cm)
    share = light / np.maximum(near, 1)
    unlike = ~outside | (share < LIKE_SKIN[0]) | (share > LIKE_SKIN[1])
    known = cv2.dilate(unlike.astype(np.uint8), np.ones((3, 3))) == 0
    filled = push_pull(patch, known.astype(np.float32) + 1e-4)
    skin = cv2.GaussianBlur(filled, (0, 0), max(SOFT_CM * px_per_cm, 0.5)).clip(1, 255)
    shade = cv2.morphologyEx(light / skin.mean(-1), cv2.MORPH_CLOSE, _disc(THIN_CM * px_per_cm))
    pair = (outside + 1e-3) * shade, outside + 1e-3
    shade, total = (cv2.GaussianBlur(x, (0, 0), SHADE_CM * px_per_cm) for x in pair)
    skin *= np.clip(shade / total, *SHADE)[..., None]
    if known.any():  # what is dark beside lashes is grey; skin in shadow keeps its colour
        usual = np.median(patch[known], 0)
        skin += SAME_COLOUR * (skin.mean(-1, keepdims=True) * usual / max(usual.mean(), 1) - skin)
    lashes = light / np.maximum(skin.mean(-1), 1)
    upper = (eye == 0) & (away < LINE_CM) & (np.arange(y0, y1)[:, None] < polygon[:, 1].mean())
    line = float(np.clip(np.percentile(lashes[upper], 20), *LINE)) if upper.any() else LINE[1]
    return LidSkin(skin, np.where(eye, 1, lashes).clip(0, 2), line, np.array([x0, y0], np.float64))


def _continued(light: np.ndarray, known: np.ndarray) -> np.ndarray:
    return push_pull(np.repeat(light[..., None], 3, -1), known.astype(np.float32) + 1e-4)[..., 0].clip(0, 255)


def _disc(diameter: float) -> np.ndarray:
    side = 2 * (max(3, round(diameter)) // 2) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
