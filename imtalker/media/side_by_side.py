"""Several pictures or videos as one, in cells of equal size with names: input beside result, and comparisons."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from imtalker.media.labels import Label
from imtalker.media.video import read_frames
from imtalker.media.video_writer import VideoWriter

MAX_COLUMNS = 3
MAX_HEIGHT, MAX_WIDTH = 1080, 1920  # of a cell, pixels: two of them still play everywhere


class SideBySide:
    """Compose one frame from one picture per cell.

    Args:
        names: written into the cells, in reading order.
        size: (height, width) of a cell, pixels, made even; at most ``MAX_HEIGHT`` and ``MAX_WIDTH`` of it are used.
        limit: longest side of a cell; larger ones are scaled down.
    """

    def __init__(self, names: Sequence[str], size: tuple[int, int], limit: int | None = None):
        scale = min(1.0, (limit or max(size)) / max(size), MAX_HEIGHT / size[0], MAX_WIDTH / size[1])
        self._height, self._width = (max(2, int(length * scale) // 2 * 2) for length in size)
        self._columns = min(len(names), MAX_COLUMNS)
        rows = math.ceil(len(names) / self._columns)
        self.size = (rows * self._height, self._columns * self._width)  # of the composed frames
        self._labels = [Label(name, self._height) for name in names]

    def compose(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """uint8 RGB pictures of any size -> one frame ``(H, W, 3)``; a picture is fitted whole into its cell."""
        frame = np.zeros((*self.size, 3), np.uint8)
        for index, (picture, label) in enumerate(zip(pictures, self._labels, strict=True)):
            row, column = divmod(index, self._columns)
            top, left = row * self._height, column * self._width
            cell = frame[top : top + self._height, left : left + self._width]
            fitted = _fitted(picture, self._height, self._width)
            top, left = (self._height - fitted.shape[0]) // 2, (self._width - fitted.shape[1]) // 2
            cell[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
            label.stamp(cell)
        return frame

    def join(self, streams: Sequence[Iterable[np.ndarray]]) -> Iterator[np.ndarray]:
        """Composed frames of several streams of pictures; a shorter one holds its last picture."""
        held: list[np.ndarray | None] = [None] * len(streams)
        for pictures in zip_longest(*streams):
            held = [new if new is not None else old for new, old in zip(pictures, held, strict=True)]
            yield self.compose([picture for picture in held if picture is not None])

    def join_videos(self, paths: Sequence[Path]) -> Iterator[np.ndarray]:
        """The same for video files."""
        return self.join([read_frames(path) for path in paths])


class SideBySideWriter(VideoWriter):
    """A second video beside the first: what went in on the left, the finished frames on the right.

    Args:
        left: pictures of any size, uint8 RGB, in order; the last one is held when they run out.
        composer: with two cells.
        video: path, sound and recipe, see ``VideoWriter``.
    """

    def __init__(self, path: str | Path, composer: SideBySide, left: Iterator[np.ndarray], **video: Any):
        super().__init__(path, composer.size, **video)
        self._composer, self._left = composer, left
        self._held: np.ndarray | None = None

    def write(self, frames: np.ndarray) -> None:
        """Append frames of the result, uint8 ``(n, H, W, 3)``; raises as ``VideoWriter.write``."""
        for frame in frames:
            self._held = next(self._left, self._held)
            super().write(self._composer.compose([frame if self._held is None else self._held, frame]))


def _fitted(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    scale = min(height / picture.shape[0], width / picture.shape[1])
    if scale == 1.0:
        return picture
    rows, columns = (max(1, round(length * scale)) for length in picture.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, (columns, rows), interpolation=interpolation)
