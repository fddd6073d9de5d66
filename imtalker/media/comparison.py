"""Side by side with labels: what went in on the left, the result on the right (composed with MoviePy)."""

from collections.abc import Iterable, Iterator
from itertools import repeat

import cv2
import numpy as np

from imtalker.media.labels import Label


def side_by_side(
    left: np.ndarray | Iterable[np.ndarray],
    right: Iterable[np.ndarray],
    labels: tuple[str, str] = ("portrait", "result"),
) -> Iterator[np.ndarray]:
    """Frames ``(H, W', 3)`` with the input on the left and the result on the right, uint8 RGB.

    Args:
        left: a still ``(h, w, 3)``, or frames; scaled to the result's height, the last one is held.
        right: frames of the result ``(H, W, 3)``; they decide how long it lasts.
        labels: written into the upper left corners.
    """
    from moviepy import ImageClip, clips_array

    lefts = repeat(left) if isinstance(left, np.ndarray) else iter(left)
    held: np.ndarray | None = None
    tags: list[Label] = []
    for result in right:
        height = result.shape[0]
        tags = tags or [Label(text, height) for text in labels]
        held = next(lefts, held)
        pictures = [_to_height(result if held is None else held, height), result.copy()]
        for tag, picture in zip(tags, pictures, strict=True):
            tag.stamp(picture)
        row = clips_array([[ImageClip(picture) for picture in pictures]])
        yield np.asarray(row.get_frame(0), np.uint8)


def _to_height(picture: np.ndarray, height: int) -> np.ndarray:
    if picture.shape[0] == height:
        return picture.copy()
    width = max(2, round(picture.shape[1] * height / picture.shape[0] / 2) * 2)
    interpolation = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=interpolation)
