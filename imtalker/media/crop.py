"""The one square crop that everything uses: from a face box to pixels, and where it goes back to."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from imtalker.config import CropConfig
from imtalker.errors import InputError

MIN_CROP = 16  # pixels
MAX_SHRINK = 0.9  # the networks have seen faces this much closer in training


@dataclass(frozen=True)
class CropBox:
    """A square in a picture, pixels. Where it reaches over the picture's border, edge pixels are repeated."""

    left: int
    top: int
    side: int

    def __post_init__(self) -> None:
        if self.side < MIN_CROP:
            raise InputError(f"crop box side {self.side} is too small; it needs at least {MIN_CROP} pixels")

    def check_inside(self, image_size: tuple[int, int]) -> "CropBox":
        """The box itself if it overlaps a picture of (height, width).

        Raises:
            InputError: it lies outside the picture.
        """
        height, width = image_size
        if not (-self.side < self.left < width and -self.side < self.top < height):
            raise InputError(f"crop box {self.left},{self.top},{self.side} is outside the {width}x{height} picture")
        return self


def square_crop_box(face_box: Sequence[float], image_size: tuple[int, int], crop: CropConfig | None = None) -> CropBox:
    """The square round a detected face that the networks expect.

    The square is moved into the picture. A picture too small for it makes it smaller, by a tenth at most, so that
    the face keeps its size for the networks; beyond that it reaches over the borders and ``crop_and_resize``
    repeats the edge pixels (never black bars).

    Args:
        face_box: x0, y0, x1, y1 of the face, pixels.
        image_size: (height, width) of the picture.
        crop: side relative to the face and shift of the centre; the preset's.
    """
    crop = crop or CropConfig()
    x0, y0, x1, y1 = face_box
    side = crop.scale * max(x1 - x0, y1 - y0)
    side = max(MIN_CROP, round(max(MAX_SHRINK * side, min(side, *image_size))))
    left = (x0 + x1) / 2 - side / 2
    top = (y0 + y1) / 2 - side / 2 + crop.shift_y * side
    return CropBox(_moved_inside(left, side, image_size[1]), _moved_inside(top, side, image_size[0]), side)


def whole_picture(image_size: tuple[int, int]) -> CropBox:
    """The smallest square that holds the whole picture of (height, width): "no crop"."""
    height, width = image_size
    side = max(height, width)
    return CropBox((width - side) // 2, (height - side) // 2, side)


def crop_and_resize(image: np.ndarray, box: CropBox, size: int, mirror: bool = False) -> np.ndarray:
    """Cut the square out of uint8 RGB ``(H, W, 3)`` and scale it to ``(size, size, 3)``.

    Beyond the picture's border its edge pixels are repeated, or with ``mirror`` the picture is mirrored.
    """
    height, width = image.shape[:2]
    left, top = max(box.left, 0), max(box.top, 0)
    right, bottom = min(box.left + box.side, width), min(box.top + box.side, height)
    part = image[top:bottom, left:right]
    border = (top - box.top, box.top + box.side - bottom, left - box.left, box.left + box.side - right)
    if any(border):
        beyond = cv2.BORDER_REFLECT_101 if mirror else cv2.BORDER_REPLICATE
        part = cv2.copyMakeBorder(part, *border, borderType=beyond)
    if box.side == size:
        return np.ascontiguousarray(part)
    interpolation = cv2.INTER_AREA if box.side > size else cv2.INTER_CUBIC
    return cv2.resize(part, (size, size), interpolation=interpolation)


def _moved_inside(start: float, side: int, length: int) -> int:
    """Start of an interval of ``side``, moved so that it lies in 0..length, or covers it if it is longer."""
    low, high = sorted((0, length - side))
    return round(min(max(start, low), high))
