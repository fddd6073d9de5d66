"""A person's teeth on two plates: drawn rows, and the photo's own upper row where it shows one.

Plates are premultiplied RGBA, 40 px per cm.
The incisal edge runs through the plate's middle row; crowns go up in the upper plate and down in the lower one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from imtalker.faces.smooth import smoothstep
from imtalker.faces.tone import Tone
from imtalker.faces.tooth_colour import between_lips, like_teeth, skin_colours, tooth_colour

PLATE_WIDTH, PLATE_HEIGHT, PLATE_SCALE = 256, 128, 40.0  # px, px, px per cm
PLATE_HALF_CM = np.array([PLATE_WIDTH, PLATE_HEIGHT]) / 2 / PLATE_SCALE
TEETH_DEPTH = 1.0  # cm behind the lip line
ROWS_APART = 0.3  # cm, the lower row behind the upper one

_UPPER_WIDTHS, _UPPER_HEIGHTS = (0.86, 0.66, 0.76, 0.70, 0.66, 0.95), (1.05, 0.92, 1.02, 0.86, 0.80, 0.74)
_LOWER_WIDTHS, _LOWER_HEIGHTS = (0.54, 0.60, 0.68, 0.70, 0.72, 1.0), (0.85, 0.85, 0.95, 0.85, 0.75, 0.7)
_EDGE = np.array([0, -0.06, -0.01, -0.05, -0.08, -0.11])  # cm: lateral incisors are shorter


_LOWER_EDGE = (-0.35, -0.08)  # cm above the lip line that the lower row's edge may be
_UPPER_EDGE = (-0.7, -0.05)  # the same of the upper row's
_HIDDEN = 0.15  # cm of dark between the upper lip and the row
_LEAST_SPAN, _UNEVEN = 1.5, 0.08  # cm: width of a row that is seen, mean deviation of its edge from a parabola
_OFF_ARCH = 0.12  # cm, an edge that far from the arch is none: a gap, a glint, or the row below
_DARK = 0.5  # of the teeth's usual brightness: what is darker is a gap, and drawn
_TINTS = (0.45, 1.7)  # factors of the drawn teeth's colour that are believed
_OPEN = 0.35  # cm between the lips from which a photo may show teeth


@dataclass(frozen=True, eq=False)
class Denture:
    """Both rows of one person, and where they are in the head frame while the jaw is closed."""

    plates: np.ndarray  # (2,128,256,4) float32 0..255, premultiplied; upper first
    middle: np.ndarray  # (3,) cm, middle of the lip line
    upper_edge: float  # cm, height of the upper row's incisal edge
    overbite: float  # cm, from it up to the lower row's edge
    scale: float  # size of the teeth
    light: float  # level of the light in the mouth
    tone: Tone | None = None  # of the picture

    def toned_plates(self) -> np.ndarray:
        """``plates`` in the picture's tone."""
        if self.tone is None:
            return self.plates
        alpha = self.plates[..., 3:] / 255
        colours = self.tone(self.plates[..., :3] / np.maximum(alpha, 1e-3)) * alpha
        return np.concatenate([colours, self.plates[..., 3:]], -1)

    def toned(self, colour: tuple[float, float, float]) -> np.ndarray:
        """(3,) a colour 0..255 of the mouth in its light and the picture's tone."""
        lit = self.light * np.array(colour)
        return lit if self.tone is None else self.tone(lit)

    def corners(self) -> np.ndarray:
        """(2,3,3) cm, head frame, per row: the plate's middle, and one unit of the plate to its right and down."""
        corner = self.scale * np.array([[0, 0, 0], [1.0, 0, 0], [0, -1.0, 0]])
        across, height, depth = self.middle
        depth = depth - TEETH_DEPTH
        lower_edge = height + np.clip(self.upper_edge - height + self.overbite, *_LOWER_EDGE)
        upper, lower = [across, self.upper_edge, depth], [across, lower_edge, depth - ROWS_APART]
        return np.stack([corner + upper, corner + lower])


def fit_denture(
    rgb: np.ndarray,
    landmarks: np.ndarray,
    to_photo: Callable[[np.ndarray], np.ndarray],
    neutral: np.ndarray,
    head: np.ndarray,
    *,
    seed: int = 0,
    shade: float = 0.9,
    edge: float = -0.30,
    overbite: float = 0.08,
    scale: float = 1.0,
) -> Denture:
    """Teeth for the person of a photo: drawn in its light, the upper row its own where it is seen.

    Args:
        rgb: (512,512,3) uint8.
        landmarks: (478,3) px of it.
        to_photo: points (N,3) of the head frame, cm, to px (N,2) of the photo.
        neutral: (468,3) cm, the person with the lips sealed.
        head: (478,3) cm, the landmarks in the head frame.
        seed, shade: see ``draw_teeth``.
        edge: cm, height of the upper edge above the lip line; below it as a rule.
        overbite: cm, of the closed rows.
        scale: of drawn teeth.
    """
    rng = np.random.default_rng(seed)
    light, tint = mouth_light(rgb, landmarks)
    upper = draw_teeth(rng, True, shade, light * tint)
    lower = draw_teeth(rng, False, shade + 0.2, light * 0.94 * tint)
    middle = (neutral[13] + neutral[14]) / 2
    upper_edge = middle[1] + edge
    if head[13, 1] - head[14, 1] > _OPEN:
        seen_edge = float(np.clip(head[14, 1] + 0.02, middle[1] - 0.9, middle[1] - 0.1))
        own = photo_teeth(rgb, landmarks, to_photo, seen_edge, middle, upper)
        if own is not None:
            (upper, colour, upper_edge), scale = own, 1.0
            lower[..., :3] = (lower[..., :3] * colour).clip(0, 255)
        elif (colour := tooth_colour(rgb, landmarks)) is not None:
            factor = (colour / _usual_colour(upper)).clip(*_TINTS)
            upper[..., :3], lower[..., :3] = ((row[..., :3] * factor).clip(0, 255) for row in (upper, lower))
    return Denture(np.stack([upper, lower]), middle, float(upper_edge), overbite, scale, light, Tone.of(rgb, landmarks))


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


def _usual_colour(plate: np.ndarray) -> np.ndarray:
    """Colour (3,) of drawn teeth."""
    bright = (plate[..., 3] > 230) & (plate[..., :3].mean(-1) > 110)
    return np.maximum(np.median(plate[bright][:, :3], 0), 1)


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
    photo, tooth, top, sure = seen.photo, seen.tooth, seen.top, seen.sure
    usual = np.median(photo[tooth], 0)
    tint = (usual / _usual_colour(drawn)).clip(*_TINTS)
    plate = drawn.copy()
    plate[..., :3] = np.clip(plate[..., :3] * tint, 0, 255)
    rows = np.arange(PLATE_HEIGHT)[:, None]
    # above the visible part the top rows repeat up to the gum
    source = np.maximum(rows, top[None] + 3).clip(0, PLATE_HEIGHT - 1).astype(np.float32)
    columns = np.broadcast_to(np.arange(PLATE_WIDTH, dtype=np.float32), source.shape).copy()
    crown = cv2.remap(photo, columns, source, cv2.INTER_LINEAR)
    bright = smoothstep(_DARK, _DARK + 0.15, cv2.GaussianBlur(crown.mean(-1), (0, 0), 1.5) / usual.mean())
    crown = crown * (1 - 0.10 * np.clip((top[None] - rows) / 20, 0, 1))[..., None]
    gum_row = PLATE_HEIGHT / 2 - 0.95 * PLATE_SCALE
    alpha = smoothstep(-1.5, 1.0, seen.bottom[None] - rows) * smoothstep(gum_row - 6, gum_row + 2, rows)
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
