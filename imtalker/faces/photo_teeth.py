"""A photo's own upper teeth, where it shows them, put onto the drawn plate (``imtalker.faces.drawn_teeth``)."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from imtalker.faces.drawn_teeth import PLATE_HEIGHT, PLATE_SCALE, PLATE_WIDTH, TEETH_DEPTH, usual_colour
from imtalker.faces.smooth import smoothstep
from imtalker.faces.tooth_colour import between_lips, like_teeth

TINTS = (0.45, 1.7)  # factors of the drawn teeth's colour that are believed
_UPPER_EDGE = (-0.7, -0.05)  # cm above the lip line that the upper row's edge may be
_HIDDEN = 0.15  # cm of dark between the upper lip and the row
_LEAST_SPAN, _UNEVEN = 1.5, 0.08  # cm: width of a row that is seen, mean deviation of its edge from a parabola
_OFF_ARCH = 0.12  # cm, an edge that far from the arch is none: a gap, a glint, or the row below
_SHADOW, _LIFT = 0.1, 1.6  # cm below the upper lip that lie in its shadow, and how far that is undone
_DARK = 0.5  # of the teeth's usual brightness: what is darker is a gap, and drawn


def photo_teeth(
    rgb: np.ndarray,
    landmarks: np.ndarray,
    to_photo: Callable[[np.ndarray], np.ndarray],
    edge: float,
    middle: np.ndarray,
    drawn: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Put the photo's own upper teeth onto the drawn upper plate; None when too little of them is seen. With their
    colour (3,) as a factor of that of drawn teeth, and the height of their edge in the head frame, cm.

    to_photo: points (N,3) of the head frame, cm, to px (N,2) of the photo.
    edge: about that height; middle: (3,) middle of the lip line, head frame.
    """
    seen = _seen_row(rgb, landmarks, to_photo, edge, middle)
    if seen is None:
        return None
    edge += seen.below  # once more, with the edge in the plate's middle row, where that of the drawn row is
    seen = _seen_row(rgb, landmarks, to_photo, edge, middle)
    if seen is None:
        return None
    photo, tooth, top, bottom, sure = seen.photo, seen.tooth, seen.top, seen.bottom, seen.sure
    shown = photo[tooth]
    light = shown.mean(-1)
    usual = np.median(shown[light >= np.median(light)], 0)  # the lip's shadow lies on the others
    tint = (usual / usual_colour(drawn)).clip(*TINTS)
    plate = drawn.copy()
    plate[..., :3] = np.clip(plate[..., :3] * tint, 0, 255)
    rows = np.arange(PLATE_HEIGHT)[:, None]
    # Up to the gum everything looks as the middle of what is seen, once it is out of the lip's shadow.
    middles = ((top + bottom) / 2).astype(np.float32)
    columns = np.arange(PLATE_WIDTH, dtype=np.float32)
    hidden = cv2.remap(photo, columns[None], middles[None], cv2.INTER_LINEAR)
    hidden = hidden * (usual.mean() / np.maximum(hidden.mean(-1, keepdims=True), 1)).clip(1, _LIFT)
    hidden = hidden * (1 - 0.10 * np.clip((top[None] - rows) / 20, 0, 1))[..., None]
    lit = smoothstep(0.0, _SHADOW * PLATE_SCALE, rows - top[None])[..., None]
    crown = hidden * (1 - lit) + photo * lit
    bright = smoothstep(_DARK, _DARK + 0.15, cv2.GaussianBlur(crown.mean(-1), (0, 0), 1.5) / usual.mean())
    gum_row = PLATE_HEIGHT / 2 - 0.95 * PLATE_SCALE
    alpha = smoothstep(-1.5, 1.0, bottom[None] - rows) * smoothstep(gum_row - 6, gum_row + 2, rows)
    known = cv2.GaussianBlur(cv2.erode(sure.astype(np.float32)[None], np.ones((1, 7))), (0, 0), 2.0)[0]
    alpha = (alpha * bright * known[None])[..., None]
    plate[..., :3] = plate[..., :3] * (1 - alpha) + crown.clip(0, 255) * alpha
    plate[..., 3] = np.maximum(plate[..., 3], 255 * alpha[..., 0])
    return plate, tint, edge


@dataclass(frozen=True, eq=False)
class _SeenRow:
    """A photo's upper teeth, as they lie on the plate."""

    photo: np.ndarray  # (128,256,3) float32
    tooth: np.ndarray  # (128,256) bool
    top: np.ndarray  # (256,) rows
    bottom: np.ndarray  # (256,)
    sure: np.ndarray  # (256,) bool, columns whose edge lies on the arch
    below: float  # cm from the plate's middle row up to the edge


def _seen_row(
    rgb: np.ndarray,
    landmarks: np.ndarray,
    to_photo: Callable[[np.ndarray], np.ndarray],
    edge: float,
    middle: np.ndarray,
) -> _SeenRow | None:
    """See ``photo_teeth``."""
    gx, gy = np.meshgrid(
        (np.arange(PLATE_WIDTH) + 0.5 - PLATE_WIDTH / 2) / PLATE_SCALE,
        (np.arange(PLATE_HEIGHT) + 0.5 - PLATE_HEIGHT / 2) / PLATE_SCALE,
    )
    depth = np.full(gx.size, middle[2] - TEETH_DEPTH)
    points = np.column_stack([middle[0] + gx.ravel(), edge - gy.ravel(), depth])
    px = to_photo(points).astype(np.float32)
    map_x, map_y = px[:, 0].reshape(gx.shape), px[:, 1].reshape(gx.shape)
    photo = cv2.remap(rgb.astype(np.float32), map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    opening = cv2.GaussianBlur(between_lips(rgb, landmarks).astype(np.float32), (0, 0), 1.2)
    inside = cv2.remap(opening, map_x, map_y, cv2.INTER_LINEAR) > 0.6
    if inside.sum() < 60:
        return None
    tooth = inside & like_teeth(photo, float(np.percentile(photo.mean(-1)[inside], 85)))
    if tooth.sum() < 80:
        return None
    found, top, bottom = _visible_row(tooth)
    known = np.nonzero(found)[0]
    hidden = (top - inside.argmax(0)) / PLATE_SCALE
    if not _is_upper_row(known, hidden, bottom, edge - middle[1]):
        return None
    across = np.arange(PLATE_WIDTH)
    arch = np.polyval(np.polyfit(known, bottom[known], 2), across)
    sure = found & (np.abs(bottom - arch) < _OFF_ARCH * PLATE_SCALE)
    if sure.sum() < _LEAST_SPAN * PLATE_SCALE:
        return None
    known = np.nonzero(sure)[0]
    below = (PLATE_HEIGHT / 2 - np.median(bottom[known] + 1)) / PLATE_SCALE
    top, bottom = _smooth_curve(top, known, 9, 3), _smooth_curve(bottom, known, 5, 2)
    return _SeenRow(photo, tooth, top, bottom, sure, float(below))


def _visible_row(tooth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First bright run of every column: found (W,), its top row and its bottom row (W,)."""
    found = np.zeros(PLATE_WIDTH, bool)
    top, bottom = np.zeros(PLATE_WIDTH), np.zeros(PLATE_WIDTH)
    for x in range(PLATE_WIDTH):
        rows = np.nonzero(tooth[:, x])[0]
        if len(rows) < 4:
            continue
        breaks = np.nonzero(np.diff(rows) > 3)[0]
        end = rows[breaks[0]] if len(breaks) else rows[-1]
        if end - rows[0] >= 3:
            found[x], top[x], bottom[x] = True, rows[0], end
    return found, top, bottom


def _is_upper_row(known: np.ndarray, hidden: np.ndarray, bottom: np.ndarray, edge: float) -> bool:
    """Whether bright runs in columns ``known`` that begin ``hidden`` cm below the upper lip and end at rows ``bottom``
    are a row of upper teeth: one piece close to the lip, with an even edge where such an edge can be. Else they are
    lower teeth, a tongue, or a glint.

    edge: height of the plate's middle above the lip line, cm.
    """
    if len(known) < _LEAST_SPAN * PLATE_SCALE or len(known) < 0.85 * (known[-1] - known[0] + 1):
        return False
    if not known[0] < PLATE_WIDTH / 2 < known[-1]:
        return False
    if np.median(hidden[known]) > _HIDDEN:
        return False
    heights = edge - (bottom[known] - PLATE_HEIGHT / 2) / PLATE_SCALE
    across = (known - PLATE_WIDTH / 2) / PLATE_SCALE
    uneven = heights - np.polyval(np.polyfit(across, heights, 2), across)
    low, high = _UPPER_EDGE
    return bool(low < np.median(heights[np.abs(across) < 0.8]) < high and np.abs(uneven).mean() < _UNEVEN)


def _smooth_curve(values: np.ndarray, known: np.ndarray, reach: int, sigma: float) -> np.ndarray:
    line = np.interp(np.arange(PLATE_WIDTH), known, values[known]).astype(np.float32)[None]
    line = cv2.dilate(cv2.medianBlur(line, 5), np.ones((1, reach)))
    return cv2.GaussianBlur(line, (0, 0), sigma)[0]
