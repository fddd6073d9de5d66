"""Several videos as one: equal cells with names, for a result beside its source and for comparisons."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from imtalker.media.labels import Label
from imtalker.media.video import read_frames

CELL = 512  # largest side of a cell, pixels
MAX_COLUMNS = 3


class Grid:
    """Compose one frame from one picture per cell.

    Args:
        names: written into the cells, in reading order.
        side: of the square cells, pixels, rounded to an even number and at most 512.
    """

    def __init__(self, names: Sequence[str], side: int):
        self.side = min(side, CELL) // 2 * 2
        self.columns = min(len(names), MAX_COLUMNS)
        self.rows = math.ceil(len(names) / self.columns)
        self.size = (self.rows * self.side, self.columns * self.side)
        self._labels = [Label(name, self.side) for name in names]

    def compose(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """uint8 RGB pictures of any size -> one frame ``(H, W, 3)``; a picture is fitted whole into its cell."""
        frame = np.zeros((*self.size, 3), np.uint8)
        for index, (picture, label) in enumerate(zip(pictures, self._labels, strict=True)):
            row, column = divmod(index, self.columns)
            cell = frame[row * self.side : (row + 1) * self.side, column * self.side : (column + 1) * self.side]
            fitted = _fitted(picture, self.side)
            top, left = (self.side - fitted.shape[0]) // 2, (self.side - fitted.shape[1]) // 2
            cell[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
            label.stamp(cell)
        return frame


def synchronised(grid: Grid, videos: Sequence[Path]) -> Iterator[np.ndarray]:
    """Frames of finished videos, each in its cell; a shorter one holds its last picture."""
    streams: list[Iterable[np.ndarray]] = [read_frames(path) for path in videos]
    held: list[np.ndarray | None] = [None] * len(streams)
    for pictures in zip_longest(*streams):
        held = [new if new is not None else old for new, old in zip(pictures, held, strict=True)]
        yield grid.compose([picture for picture in held if picture is not None])


def _fitted(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale == 1.0:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
