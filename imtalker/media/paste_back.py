"""Put the animated square back into a picture: soft mask, colours matched at the border, no seam."""

import cv2
import numpy as np

from imtalker.media.crop import CropBox, Placement, crop_and_resize

FEATHER = 0.12  # width of the transition, fraction of the square's side
EDGE = 0.02  # left as in the picture along the square's edges, fraction of its side
MAX_DRIFT = 16.0  # levels of colour taken away at most: more is not drift but something that moved
MATCH_SIZE = 64  # side at which colour differences are compared, pixels
SPREAD = MATCH_SIZE / 6  # over which they are smoothed


class PasteBack:
    """Compose generated squares into a picture; everything that depends on the picture alone is done once.

    The result equals the picture outside the square and near its border, the generated square in the middle,
    and blends over ``FEATHER`` of the side between them. A slow colour drift between the two is taken away by
    adding the blurred difference seen at the square's rim. Nothing is held that is larger than the picture.

    Args:
        image: the picture, uint8 RGB ``(H, W, 3)``.
        box: the square that was animated, which may be turned.
    """

    def __init__(self, image: np.ndarray, box: CropBox | Placement):
        height, width = image.shape[:2]
        place = box.placement if isinstance(box, CropBox) else box
        self._image = image
        self._place = place
        corners = place.corners()
        self._left, self._top = (max(0, int(np.floor(low))) for low in corners.min(axis=0))
        self._right, self._bottom = (
            min(end, int(np.ceil(high))) for end, high in zip((width, height), corners.max(axis=0), strict=True)
        )
        sides = _sides_inside(corners, (height, width))
        rows = np.arange(self._top, self._bottom, dtype=np.float32)[:, None]
        columns = np.arange(self._left, self._right, dtype=np.float32)[None, :]
        to_unit = cv2.invertAffineTransform(place.matrix(1)).astype(np.float32)  # pixel indices -> -0.5..0.5
        across, down = (line[0] * columns + line[1] * rows + line[2] + 0.5 for line in to_unit)
        self._mask = _smooth(_weight(across, down, sides))[..., None]
        grid = (np.arange(MATCH_SIZE, dtype=np.float32) + 0.5) / MATCH_SIZE
        weight = _weight(grid[None, :], grid[:, None], sides)
        self._rim = (weight < 0.999).astype(np.float32)
        self._original = crop_and_resize(image, place, MATCH_SIZE).astype(np.float32)

    def __call__(self, squares: np.ndarray) -> np.ndarray:
        """Pictures for generated squares: uint8 ``(n, S, S, 3)`` -> uint8 ``(n, H, W, 3)``."""
        pictures = np.repeat(self._image[None], len(squares), axis=0)
        for picture, square in zip(pictures, squares, strict=True):
            patch = self._placed(square, cv2.INTER_CUBIC).astype(np.float32)
            patch += self._placed(self._colour_drift(square), cv2.INTER_LINEAR)
            area = picture[self._top : self._bottom, self._left : self._right]
            patch -= area
            patch *= self._mask
            patch += area
            area[:] = np.clip(np.rint(patch, out=patch), 0, 255).astype(np.uint8)
        return pictures

    def _placed(self, square: np.ndarray, interpolation: int) -> np.ndarray:
        """A square drawn where it belongs, of the size of the part of the picture it touches."""
        side = max(1, round(self._place.side))
        if side < square.shape[0]:
            square = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
        matrix = self._place.matrix(square.shape[0])
        matrix[:, 2] -= [self._left, self._top]
        size = (self._right - self._left, self._bottom - self._top)
        return cv2.warpAffine(square, matrix, size, flags=interpolation, borderMode=cv2.BORDER_REPLICATE)

    def _colour_drift(self, square: np.ndarray) -> np.ndarray:
        """Smooth offset ``(MATCH_SIZE, MATCH_SIZE, 3)`` that makes the square agree with the picture round its rim."""
        shrinks = square.shape[0] > MATCH_SIZE
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        small = cv2.resize(square, (MATCH_SIZE, MATCH_SIZE), interpolation=interpolation)
        total = cv2.GaussianBlur((self._original - small) * self._rim[..., None], (0, 0), SPREAD)
        amount = cv2.GaussianBlur(self._rim, (0, 0), SPREAD)[..., None]
        drift = total / (amount + 0.05)  # fades towards the middle, where there is no rim to compare with
        return drift.clip(-MAX_DRIFT, MAX_DRIFT)


def _weight(across: np.ndarray, down: np.ndarray, sides: tuple[bool, bool, bool, bool]) -> np.ndarray:
    """0 at the sides (top, right, bottom, left) that are blended, 1 further in; position in the square 0..1."""
    top, right, bottom, left = sides
    weight = np.ones(np.broadcast_shapes(across.shape, down.shape), np.float32)
    for blended, distance in ((top, down), (right, 1 - across), (bottom, 1 - down), (left, across)):
        if blended:
            np.minimum(weight, (distance - EDGE) / FEATHER, out=weight)
    return weight.clip(0, 1, out=weight)


def _smooth(weight: np.ndarray) -> np.ndarray:
    return weight * weight * (3.0 - 2.0 * weight)


def _sides_inside(corners: np.ndarray, size: tuple[int, int]) -> tuple[bool, bool, bool, bool]:
    """Whether each side of a square runs through a picture of (height, width); the others need no transition."""
    steps = np.linspace(0, 1, 65)[:, None]
    inside = []
    for index in range(4):
        points = corners[index] + steps * (corners[(index + 1) % 4] - corners[index])
        within = (points > 1e-6) & (points < np.array([size[1], size[0]]) - 1e-6)
        inside.append(bool(within.all(axis=1).any()))
    return inside[0], inside[1], inside[2], inside[3]
