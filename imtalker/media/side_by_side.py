"""Side by side with labels: what went in on the left, the result on the right (composed with MoviePy)."""

from collections.abc import Iterable
from itertools import repeat

import cv2
import numpy as np

from imtalker.media.labels import Label


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

        height = result.shape[0]
        self._labels = self._labels or [Label(text, height) for text in self._texts]
        self._held = next(self._lefts, self._held)
        left = result if self._held is None else self._held
        pictures = [_to_height(left, height), result.copy()]
        for label, picture in zip(self._labels, pictures, strict=True):
            label.stamp(picture)
        row = clips_array([[ImageClip(picture) for picture in pictures]])
        return np.asarray(row.get_frame(0), np.uint8)


def _to_height(picture: np.ndarray, height: int) -> np.ndarray:
    if picture.shape[0] == height:
        return picture.copy()
    width = max(2, round(picture.shape[1] * height / picture.shape[0] / 2) * 2)
    interpolation = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=interpolation)
