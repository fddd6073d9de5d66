"""Side by side with labels: what went in on the left, the result on the right (composed with MoviePy)."""

from collections.abc import Iterable
from itertools import repeat

import cv2
import numpy as np

from imtalker.media.labels import Label

MAX_HEIGHT, MAX_WIDTH = 1080, 1920  # of each of the two, pixels: together they still play everywhere


class SideBySide:
    """Put the input beside the result, frame by frame.

    Args:
        left: a still ``(h, w, 3)``, or frames in order, uint8 RGB; scaled to the result's height, the last
            one held when they run out.
        labels: written into the upper left corners.
    """

    def __init__(self, left: np.ndarray | Iterable[np.ndarray], labels: tuple[str, str] = ("portrait", "result")):
        self._lefts = repeat(left) if isinstance(left, np.ndarray) else iter(left)
        self._held: np.ndarray | None = None
        self._texts = labels
        self._labels: list[Label] = []

    def __call__(self, results: np.ndarray) -> np.ndarray:
        """The next frames of the result, uint8 ``(n, H, W, 3)`` -> ``(n, H, W + W', 3)``."""
        return np.stack([self._pair(result) for result in results])

    def _pair(self, result: np.ndarray) -> np.ndarray:
        from moviepy import ImageClip, clips_array  # slow to import, and most runs compare nothing

        height = min(result.shape[0], MAX_HEIGHT)
        self._labels = self._labels or [Label(text, height) for text in self._texts]
        self._held = next(self._lefts, self._held)
        left = result if self._held is None else self._held
        pictures = [_to_height(left, height), _to_height(result, height)]
        for label, picture in zip(self._labels, pictures, strict=True):
            label.stamp(picture)
        row = clips_array([[ImageClip(picture) for picture in pictures]])
        return np.asarray(row.get_frame(0), np.uint8)


def _to_height(picture: np.ndarray, height: int) -> np.ndarray:
    """A copy of that height; what is wider than ``MAX_WIDTH`` gets black bars above and below."""
    if picture.shape[0] == height and picture.shape[1] <= MAX_WIDTH:
        return picture.copy()
    width = max(2, round(picture.shape[1] * height / picture.shape[0] / 2) * 2)
    scale = min(1.0, MAX_WIDTH / width)
    size = (min(width, MAX_WIDTH), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if picture.shape[0] > size[1] else cv2.INTER_CUBIC)
    above = (height - size[1]) // 2
    return cv2.copyMakeBorder(small, above, height - size[1] - above, 0, 0, cv2.BORDER_CONSTANT)
