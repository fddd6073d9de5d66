"""Put the animated square back into the whole picture: soft mask, colours matched at the border, no seam."""

import cv2
import numpy as np

from imtalker.media.crop import CropBox, crop_and_resize

FEATHER = 0.12  # width of the transition, fraction of the square's side
MAX_DRIFT = 16.0  # levels of colour taken away at most: more is not drift but something that moved
MATCH_SIZE = 64  # side at which colour differences are compared, pixels


class PasteBack:
    """Compose generated squares into a picture; everything that depends on the picture alone is done once.

    The result equals the picture outside the square and near its border, the generated square in the middle,
    and blends over ``FEATHER`` of the side between them. A slow colour drift between the two is taken away by
    adding the blurred difference seen at the square's rim.

    Args:
        image: the whole picture, uint8 RGB ``(H, W, 3)``.
        box: the square that was animated.
    """

    def __init__(self, image: np.ndarray, box: CropBox):
        height, width = image.shape[:2]
        self._image = image
        self._box = box
        self._top, self._bottom = max(box.top, 0), min(box.top + box.side, height)
        self._left, self._right = max(box.left, 0), min(box.left + box.side, width)
        rows = _ramp(box.top, box.side, height)
        columns = _ramp(box.left, box.side, width)
        mask = np.minimum(rows[:, None], columns[None, :])
        self._mask = self._visible(mask * mask * (3.0 - 2.0 * mask)).astype(np.float32)[..., None]
        self._original = crop_and_resize(image, box, MATCH_SIZE).astype(np.float32)
        self._rim = _rim(mask)

    def __call__(self, squares: np.ndarray) -> np.ndarray:
        """Whole pictures for generated squares: uint8 ``(n, S, S, 3)`` -> uint8 ``(n, H, W, 3)``."""
        pictures = np.repeat(self._image[None], len(squares), axis=0)
        for picture, square in zip(pictures, squares, strict=True):
            patch = self._visible(self._scaled(square, self._box.side)) + self._colour_drift(square)
            area = picture[self._top : self._bottom, self._left : self._right]
            blended = area + self._mask * (patch - area)
            area[:] = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
        return pictures

    def _visible(self, square: np.ndarray) -> np.ndarray:
        """The part of a full-size square that lies inside the picture."""
        rows = slice(self._top - self._box.top, self._bottom - self._box.top)
        columns = slice(self._left - self._box.left, self._right - self._box.left)
        return square[rows, columns]

    def _scaled(self, square: np.ndarray, side: int) -> np.ndarray:
        interpolation = cv2.INTER_AREA if side < square.shape[0] else cv2.INTER_CUBIC
        return cv2.resize(square, (side, side), interpolation=interpolation).astype(np.float32)

    def _colour_drift(self, square: np.ndarray) -> np.ndarray:
        """Smooth offset (visible part, 3) that makes the square agree with the picture round its rim."""
        difference = self._original - self._scaled(square, MATCH_SIZE)
        weight = self._rim[..., None]
        spread = MATCH_SIZE / 6
        total = cv2.GaussianBlur(difference * weight, (0, 0), spread)
        amount = cv2.GaussianBlur(self._rim, (0, 0), spread)[..., None]
        drift = total / (amount + 0.05)  # fades towards the middle, where there is no rim to compare with
        drift = drift.clip(-MAX_DRIFT, MAX_DRIFT)
        side = self._box.side
        return self._visible(cv2.resize(drift, (side, side), interpolation=cv2.INTER_LINEAR))


def _ramp(start: int, side: int, length: int) -> np.ndarray:
    """Weight (side,) along one axis: 0 at an edge of the square inside the picture, 1 further in."""
    position = (np.arange(side) + 0.5) / side
    ramp = np.ones(side)
    if start > 0:
        ramp = np.minimum(ramp, np.clip((position - 0.02) / FEATHER, 0, 1))
    if start + side < length:
        ramp = np.minimum(ramp, np.clip((1 - position - 0.02) / FEATHER, 0, 1))
    return ramp


def _rim(mask: np.ndarray) -> np.ndarray:
    """Where the blend happens, float32 ``(MATCH_SIZE, MATCH_SIZE)`` in 0..1."""
    small = cv2.resize(mask.astype(np.float32), (MATCH_SIZE, MATCH_SIZE), interpolation=cv2.INTER_AREA)
    return (small < 0.999).astype(np.float32)
