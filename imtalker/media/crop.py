"""The one square crop that everything uses: from a face box to pixels, and where it goes back to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from imtalker.config import CropConfig
from imtalker.errors import InputError

MIN_CROP = 16  # pixels
MAX_CROP = 4  # times the longer side of the picture: beyond, the square would show next to nothing of it
MAX_PLACE = 2**31  # pixels; beyond, a box is a mistake
MAX_SHRINK = 0.9  # the networks have seen faces this much closer in training
MARGIN = 3  # pixels round a part that is cut out, for the interpolation at its border


@dataclass(frozen=True)
class Placement:
    """A square anywhere in a picture, in pixels that need not be whole; pixel i reaches from i to i + 1.

    ``angle`` is in degrees: a square turned counter-clockwise on the screen is upright in a head that is tilted so.
    """

    x: float  # centre
    y: float
    side: float
    angle: float = 0.0

    def matrix(self, size: int) -> np.ndarray:
        """Affine map ``(2, 3)`` from pixel indices (x, y) of the square drawn at ``size`` to those of the picture."""
        scale, turn = self.side / size, np.radians(self.angle)
        linear = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        middle = (size - 1) / 2
        return np.column_stack([linear, np.array([self.x - 0.5, self.y - 0.5]) - linear @ [middle, middle]])

    def corners(self) -> np.ndarray:
        """The corners ``(4, 2)`` in the picture: upper left, upper right, lower right, lower left of the square."""
        return self.at(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))

    def at(self, relative: np.ndarray) -> np.ndarray:
        """Where places ``(..., 2)`` in the square, 0 to 1 from the left and from above, lie in the picture."""
        return (relative - 0.5) @ self.matrix(1)[:, :2].T + [self.x, self.y]

    def seen_from(self, left: float, top: float, scale_x: float, scale_y: float) -> "Placement":
        """The same square in a part of the picture that begins at (left, top) and is scaled."""
        scale = (scale_x * scale_y) ** 0.5
        return Placement((self.x - left) * scale_x, (self.y - top) * scale_y, self.side * scale, self.angle)


@dataclass(frozen=True)
class CropBox:
    """A square in a picture, pixels. Where it reaches over the picture's border, edge pixels are repeated.

    ``left``, ``top`` and ``side`` are of the upright square; ``angle`` (degrees, counter-clockwise) turns it about its
    centre, so that a tilted head stands upright in it.
    """

    left: int
    top: int
    side: int
    angle: float = 0.0

    def __post_init__(self) -> None:
        if self.side < MIN_CROP:
            raise InputError(f"crop box side {self.side} is too small; it needs at least {MIN_CROP} pixels")
        if max(abs(self.left), abs(self.top), self.side) > MAX_PLACE:
            raise InputError(f"a crop box lies outside of every picture; give numbers within {MAX_PLACE}")
        if not -360.0 <= self.angle <= 360.0:
            raise InputError(f"crop box angle {self.angle!r:.20} is out of range; give degrees from -360 to 360")

    @property
    def placement(self) -> Placement:
        """The same square by its centre."""
        return Placement(self.left + self.side / 2, self.top + self.side / 2, self.side, self.angle)

    @property
    def upright(self) -> "CropBox":
        """The square before it was turned."""
        return replace(self, angle=0.0)

    def check_inside(self, image_size: tuple[int, int]) -> "CropBox":
        """The box itself if it overlaps a picture of (height, width) and is not far larger.

        Raises:
            InputError: it lies outside the picture, or its side is more than four times the picture's longer side.
        """
        height, width = image_size
        limit = MAX_CROP * max(height, width)
        if self.side > limit:
            raise InputError(
                f"crop box side {self.side} is too large for the {width}x{height} picture; the limit is {limit} pixels"
            )
        low, high = self.placement.corners().min(axis=0), self.placement.corners().max(axis=0)
        if not (low[0] < width and low[1] < height and high[0] > 0 and high[1] > 0):
            raise InputError(f"crop box {self.left},{self.top},{self.side} is outside the {width}x{height} picture")
        return self


def square_crop_box(
    face_box: Sequence[float], image_size: tuple[int, int], crop: CropConfig | None = None, angle: float = 0.0
) -> CropBox:
    """The square round a detected face that the networks expect.

    The square is moved into the picture. A picture too small for it makes it smaller, by a tenth at most, so that
    the face keeps its size for the networks; beyond that it reaches over the borders and ``crop_and_resize``
    repeats the edge pixels (never black bars).

    Args:
        face_box: x0, y0, x1, y1 of the face, pixels; of a tilted face as it is upright, about the same centre.
        image_size: (height, width) of the picture.
        crop: side relative to the face and shift of the centre; the preset's.
        angle: by which the face is tilted counter-clockwise, degrees.
    """
    place = square_placement(face_box, image_size, crop, angle)
    side = max(MIN_CROP, round(place.side))
    left, top = place.x - side / 2, place.y - side / 2
    return CropBox(_moved_inside(left, side, image_size[1]), _moved_inside(top, side, image_size[0]), side, angle)


def square_placement(
    face_box: Sequence[float], image_size: tuple[int, int], crop: CropConfig | None = None, angle: float = 0.0
) -> Placement:
    """As ``square_crop_box``, but about the face wherever that is: not moved into the picture, nor rounded."""
    crop = crop or CropConfig()
    x0, y0, x1, y1 = face_box
    side = crop.scale * max(x1 - x0, y1 - y0)
    side = max(MAX_SHRINK * side, min(side, *image_size))
    down, turn = crop.shift_y * side, np.radians(angle)
    return Placement(
        (x0 + x1) / 2 + down * float(np.sin(turn)), (y0 + y1) / 2 + down * float(np.cos(turn)), side, angle
    )


def whole_picture(image_size: tuple[int, int]) -> CropBox:
    """The smallest square that holds the whole picture of (height, width): "no crop"."""
    height, width = image_size
    side = max(height, width)
    return CropBox((width - side) // 2, (height - side) // 2, side)


def crop_and_resize(image: np.ndarray, box: CropBox | Placement, size: int) -> np.ndarray:
    """Cut the square out of uint8 RGB ``(H, W, 3)`` and scale it to ``(size, size, 3)``.

    Beyond the picture's border its edge pixels are repeated. Memory follows the picture and ``size``, never the
    square's side: the visible part is scaled first.

    Raises:
        InputError: the square lies outside the picture.
    """
    height, width = image.shape[:2]
    box = box.placement if isinstance(box, CropBox) else box
    left, top, side = (round(value) for value in (box.x - box.side / 2, box.y - box.side / 2, box.side))
    if box == Placement(left + side / 2, top + side / 2, side) and _is_inside(left, top, side, width, height):
        part = image[top : top + side, left : left + side]
        if side == size:
            return np.ascontiguousarray(part)
        return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)
    low, high = box.corners().min(axis=0), box.corners().max(axis=0)
    left, top = (max(0, int(np.floor(value)) - MARGIN) for value in low)
    right, bottom = min(width, int(np.ceil(high[0])) + MARGIN), min(height, int(np.ceil(high[1])) + MARGIN)
    if left >= right or top >= bottom:
        raise InputError(f"a square of side {box.side:g} lies outside the {width}x{height} picture; move it inside")
    part = image[top:bottom, left:right]
    scale_x = scale_y = 1.0
    if box.side > size:
        target = [max(1, round(length * size / box.side)) for length in (part.shape[1], part.shape[0])]
        scale_x, scale_y = target[0] / part.shape[1], target[1] / part.shape[0]
        part = cv2.resize(part, target, interpolation=cv2.INTER_AREA)
    matrix = box.matrix(size)  # indices of the square -> indices of the picture -> indices of the scaled part
    matrix[:, 2] += [0.5 - left, 0.5 - top]
    matrix *= np.array([[scale_x], [scale_y]])
    matrix[:, 2] -= 0.5
    part, flags = np.ascontiguousarray(part), cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _is_inside(left: int, top: int, side: int, width: int, height: int) -> bool:
    return left >= 0 and top >= 0 and left + side <= width and top + side <= height


def _moved_inside(start: float, side: int, length: int) -> int:
    """Start of an interval of ``side``, moved so that it lies in 0..length, or covers it if it is longer."""
    low, high = sorted((0, length - side))
    return round(min(max(start, low), high))
