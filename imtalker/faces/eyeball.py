"""Eyeball textures from a photo: a plate of the white of the eye and a movable iris disc."""

from dataclasses import dataclass

import cv2
import numpy as np

from imtalker.faces.fill import push_pull
from imtalker.faces.mesh import closed_loop
from imtalker.faces.smooth import smoothstep

IRIS_TEXTURE = 64  # side of the iris texture, px
IRIS_EXTENT = 1.3  # the iris texture covers +- this many iris radii
IRIS_CM = 0.58  # usual radius
USUAL_LIGHT = 20, 60  # per cent of the pixels of a ring of the iris, from dark to light: no lashes, no reflections
# Skin of a lower lid that lies within the landmarks' line: its colour is further than this share of the way from the
# iris's to the cheeks', so far below the iris's middle, and so near to the line, in radii. Light above is a reflection.
LID_COLOUR, LID_BELOW, LID_NEAR = 0.5, 0.3, 0.4
LID_CONTRAST = 50.0  # levels that its colour must differ from the iris's to be told apart
# A large iris, as drawn people have, is searched for between so many of the landmarks' radii, to the sides within so
# many degrees of the level, by how much lighter it is outside than inside a ring so thick, in radii; and believed where
# that gains so many levels.
LARGE, LEVEL, RING, CLEARER = (1.15, 1.5), 35.0, 0.16, 6.0
_CHEEKS = [50, 280, 117, 346]
# Of an iris that nobody has seen, from its middle outwards in tenths of the radius: pupil, brown, dark rim. Lit as
# cheeks of that level are; a catch-light of that size at that place, in radii, and level.
_UNSEEN_IRIS = np.array(
    [[14, 11, 10]] * 3 + [[26, 18, 14], [44, 31, 22], [56, 39, 27], [56, 39, 27], [50, 35, 25], [38, 27, 20]]
    + [[26, 19, 15]] * 5, np.float64
)  # fmt: skip
_UNSEEN_SKIN, _UNSEEN_LIGHT = 170.0, (0.6, 1.2)
CATCH_LIGHT_SIZE, CATCH_LIGHT_AT, CATCH_LIGHT = 0.1, (-0.26, -0.34), 190.0


@dataclass(frozen=True)
class EyeLayer:
    plate: np.ndarray  # (h,w,3) 0..255 white of the eye, in photo px
    seen: np.ndarray  # (h,w) 0..1, where the photo shows the eye
    origin: np.ndarray  # (2,) photo px of the plate's corner
    iris: np.ndarray  # (64,64,4) 0..255
    centre: np.ndarray  # (2,) photo px
    radius: float  # photo px


def _opening(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    inside = np.zeros(shape, np.uint8)
    cv2.fillPoly(inside, [np.round(polygon * 16).astype(np.int32)], [1], shift=4)
    return cv2.erode(inside, np.ones((3, 3)))


def _white_plate(patch: np.ndarray, inside: np.ndarray, radius: np.ndarray, skin: float) -> np.ndarray:
    """Keep the visible white, continue it elsewhere. radius: distance from the iris centre in iris radii."""
    light = patch.mean(-1)
    white = (inside > 0) & (radius > 1.12)
    colour = np.array([1.0, 0.95, 0.92]) * np.clip(skin * 0.95, 60, 205)
    if white.sum() > 8:
        bright = white & (light >= np.percentile(light[white], 55))
        colour = 0.75 * patch[bright].mean(0) + 0.25 * colour
    colour = colour.mean() * (0.55 * colour / colour.mean() + 0.45 * np.array([1.03, 1.0, 0.97]))
    known = white & (light > 0.6 * colour.mean())
    base = np.broadcast_to(colour, patch.shape)
    fill = push_pull(np.where(known[..., None], patch, base).astype(np.float32), known.astype(np.float32) + 0.02)
    fill = cv2.GaussianBlur((0.6 * fill + 0.4 * base).astype(np.float32), (0, 0), 1.5)
    keep = cv2.GaussianBlur((inside * (radius > 1.10)).astype(np.float32), (0, 0), 0.8)[..., None]
    return (patch * keep + fill * (1 - keep)).clip(0, 255)


def _iris_profile(rgb: np.ndarray, opening: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """(14,3) colours of the visible iris without reflections, from its middle outwards in tenths of the radius."""
    texture, visible, distance = _iris_square(rgb, opening, centre, radius)
    bins = np.minimum((distance * 10).astype(int), 13)
    light = texture.mean(-1)
    profile, known = np.zeros((14, 3)), []
    for k in range(14):
        ring = (bins == k) & visible
        if ring.sum() >= 3:
            low, high = np.percentile(light[ring], USUAL_LIGHT)
            profile[k] = texture[ring & (light >= low - 1) & (light <= high + 1)].mean(0)
            known.append(k)
    if known:
        profile = np.stack([np.interp(np.arange(14), known, profile[known, ch]) for ch in range(3)], -1)
    else:
        profile = _UNSEEN_IRIS.copy()
    limit = profile[4:7].mean() * 1.05  # no white may leak into the hidden part
    dim = np.minimum(1, limit / np.maximum(profile.mean(-1), 1))
    return profile * np.where(np.arange(14) >= 6, dim, 1)[:, None]


def _iris_grid() -> tuple[np.ndarray, np.ndarray]:
    """Right and down, (64,64) each, of an iris's texture from its middle, in radii."""
    g = ((np.arange(IRIS_TEXTURE) + 0.5) / IRIS_TEXTURE * 2 - 1) * IRIS_EXTENT
    gx, gy = np.meshgrid(g, g)
    return gx, gy


def _iris_square(
    rgb: np.ndarray, opening: np.ndarray, centre: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture (64,64,3) round an iris, where it is seen between the lids, and distances in radii."""
    gx, gy = _iris_grid()
    map_x, map_y = (centre[0] + gx * radius).astype(np.float32), (centre[1] + gy * radius).astype(np.float32)
    texture = cv2.remap(rgb.astype(np.float32), map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    visible = cv2.remap(opening.astype(np.float32), map_x, map_y, cv2.INTER_LINEAR) > 0.9
    return texture, visible, np.hypot(gx, gy)


def _larger(rgb: np.ndarray, opening: np.ndarray, centre: np.ndarray, radius: float) -> float:
    """The radius of an iris that landmarks, which know irises of the usual size, tell smaller than it is; px.

    By the integro-differential operator of Daugman (1993): the ring at which the picture grows lighter the most.
    """
    turn = np.radians(np.linspace(-LEVEL, LEVEL, 15))
    directions = np.concatenate([np.stack([side * np.cos(turn), np.sin(turn)], -1) for side in (-1, 1)])
    radii = np.arange(1 - RING, LARGE[1] + RING, 0.02)
    places = (centre + radii[:, None, None] * radius * directions).astype(np.float32)
    light = cv2.remap(rgb, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).mean(-1)  # pyright: ignore
    seen = cv2.remap(opening, places, None, cv2.INTER_NEAREST) > 0  # pyright: ignore
    step = round(RING / 0.02)
    both = seen[step:] & seen[:-step]
    lighter = np.where(both, light[step:] - light[:-step], 0).sum(1) / np.maximum(both.sum(1), 1)
    lighter[both.sum(1) < len(directions) / 4] = -np.inf
    at = radii[:-step] + RING / 2
    best = int(np.argmax(lighter))
    usual = max(lighter[np.argmin(np.abs(at - 1))], 0.0)
    return radius * float(at[best]) if at[best] > LARGE[0] and lighter[best] > usual + CLEARER else radius


def _coloured(profile: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Colours (...,3) of a profile at distances (...) in radii."""
    return np.stack([np.interp(distance * 10, np.arange(14) + 0.5, profile[:, ch]) for ch in range(3)], -1)


def _iris_disc(
    rgb: np.ndarray, opening: np.ndarray, centre: np.ndarray, radius: float, profile: np.ndarray
) -> np.ndarray:
    """(64,64,4): the visible iris; what the lids hide comes from its profile."""
    texture, visible, distance = _iris_square(rgb, opening, centre, radius)
    depth = cv2.distanceTransform(np.pad(visible.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 3)[1:-1, 1:-1]
    keep = np.clip(depth / 6, 0, 1)[..., None]
    return _as_disc(texture * keep + _coloured(profile, distance) * (1 - keep), distance)


def _as_disc(colour: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Colours (64,64,3), opaque within an iris: (64,64,4)."""
    alpha = 255 * (1 - smoothstep(0.97, 1.13, distance))
    return np.concatenate([colour, alpha[..., None]], -1).clip(0, 255)


def _unseen_disc(skin: float) -> np.ndarray:
    """(64,64,4): an iris that nobody has seen, with a reflection of the light; dead without one."""
    gx, gy = _iris_grid()
    light = float(np.clip(skin / _UNSEEN_SKIN, *_UNSEEN_LIGHT))
    x, y = CATCH_LIGHT_AT
    reflection = CATCH_LIGHT * np.exp(-0.5 * ((gx - x) ** 2 + (gy - y) ** 2) / CATCH_LIGHT_SIZE**2)
    distance = np.hypot(gx, gy)
    return _as_disc(light * (_coloured(_UNSEEN_IRIS, distance) + reflection[..., None]), distance)


def _without_lid(
    patch: np.ndarray, opening: np.ndarray, offset: np.ndarray, profile: np.ndarray, skin: np.ndarray, near: float
) -> np.ndarray:
    """``opening (h,w)`` without the skin of the lower lid that lies within it before the iris.

    offset: (h,w,2) from the iris's middle in radii. skin: (3,) colour of the cheeks. near: px from the opening's edge
    within which it lies.
    """
    distance = np.hypot(*np.moveaxis(offset, -1, 0))
    iris = _coloured(profile, distance)
    way = skin - iris
    contrast = (way**2).sum(-1)
    like_skin = (((patch - iris) * way).sum(-1) > LID_COLOUR * contrast) & (contrast > LID_CONTRAST**2)
    within = (opening > 0) & (cv2.distanceTransform(opening, cv2.DIST_L2, 3) < near)
    lid = like_skin & within & (offset[..., 1] > LID_BELOW) & (distance < 1)
    return opening * (1 - cv2.dilate(lid.astype(np.uint8), np.ones((3, 3))))


def build_eye(
    rgb: np.ndarray,
    landmarks: np.ndarray,
    eye: tuple[tuple[int, ...], tuple[int, ...]],
    iris: tuple[int, ...],
    px_per_cm: float,
    unseen_at: np.ndarray | None = None,
) -> EyeLayer:
    """The eyeball behind the lids of a picture.

    Args:
        rgb: (S,S,3) uint8.
        landmarks: (478,3) px.
        eye: upper and lower lid indices; iris: its five landmarks.
        unseen_at: (2,) px, where to draw an iris that nobody has seen, in white lit as the cheeks: the lids are shut.
    """
    size = rgb.shape[0]
    polygon = landmarks[closed_loop(*eye), :2].astype(np.float64)
    x0, y0 = np.maximum(np.floor(polygon.min(0) - 0.72 * px_per_cm), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(polygon.max(0) + 0.72 * px_per_cm), size).astype(int)
    patch = rgb[y0:y1, x0:x1].astype(np.float32)
    centre = landmarks[iris[0], :2].astype(np.float64)
    spokes = landmarks[list(iris[1:]), :2].astype(np.float64)
    diameter = (np.linalg.norm(spokes[0] - spokes[2]) + np.linalg.norm(spokes[1] - spokes[3])) / 2
    radius = float(np.clip(diameter / 2, 0.5 * px_per_cm, 0.68 * px_per_cm))
    opening = _opening(polygon, rgb.shape[:2])
    radius = _larger(rgb, opening, centre, radius)
    if unseen_at is not None:
        centre, radius, opening = unseen_at, IRIS_CM * px_per_cm, np.zeros_like(opening)
    yy, xx = np.mgrid[y0:y1, x0:x1]
    offset = (np.stack([xx, yy], -1) - centre) / radius
    relative = np.hypot(*np.moveaxis(offset, -1, 0))
    cheeks = landmarks[_CHEEKS, :2].astype(int).clip(0, size - 1)
    skin = np.median(rgb[cheeks[:, 1], cheeks[:, 0]], 0).astype(np.float64)
    plate = _white_plate(patch, opening[y0:y1, x0:x1], relative, float(skin.mean()))
    profile = _iris_profile(rgb, opening, centre, radius)
    part = opening[y0:y1, x0:x1]
    part[:] = _without_lid(patch, part.copy(), offset, profile, skin, LID_NEAR * radius)
    seen = cv2.GaussianBlur(opening[y0:y1, x0:x1].astype(np.float32), (0, 0), 0.8)
    unseen = unseen_at is not None
    iris_disc = _unseen_disc(float(skin.mean())) if unseen else _iris_disc(rgb, opening, centre, radius, profile)
    return EyeLayer(plate, seen, np.array([x0, y0], np.float64), iris_disc, centre, radius)
