"""The registered mouth patch: the lower face upright, of one size, with the mouth in the middle however the head turns.

What is hidden from the network depends on the head's pose alone, never on the old mouth: not even the shape of the mask
can tell what was being said.
"""

import cv2
import numpy as np

from imtalker.dubbing.registration import pixels_per_cm, sampled_square
from imtalker.faces.smooth import smoothstep

PATCH_CM = 12.8  # side of the patch on the canonical face
CENTRE = np.array([0.0, -6.2, 4.5])  # cm, its middle on the canonical face: x right, y up, z to the camera
FEATHER_CM = 0.5  # from the border of the hidden part inwards, over which the result takes over
LIPS_FEATHER_CM = 0.4  # from the outer lips outwards, over which they pass into the skin
# outline of the hidden part on the canonical face, one side: below the nose, cheek, jaw, below a chin that hangs open
_SIDE = np.array([
    [0.0, -2.40, 5.9], [1.3, -2.30, 5.2], [2.4, -2.60, 4.6], [3.7, -3.20, 3.8], [4.7, -4.60, 3.0], [4.9, -6.50, 2.4],
    [4.5, -8.50, 2.4], [3.5, -10.40, 2.8], [1.9, -11.70, 3.2], [0.0, -12.10, 3.4],
])  # fmt: skip
OUTLINE = np.concatenate([_SIDE, _SIDE[-2:0:-1] * [-1, 1, 1]])  # (18, 3)
_SUBPIXEL = 4  # bits


def seen_from(points: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Points ``(..., 3)`` of the head frame, cm, turned by ``(3, 3)``: ``(..., 2)`` cm, x right, y down."""
    return (points @ turn.T)[..., :2] * [1, -1]


def patch_to_image(to_image: np.ndarray, turn: np.ndarray, side: int) -> np.ndarray:
    """``(2, 3)`` map from pixel indices of a patch of ``side`` pixels to pixel indices of the picture.

    Args:
        to_image, turn: see ``Registration``.
    """
    cm = PATCH_CM / side
    corner = seen_from(CENTRE, turn) + cm * (0.5 - side / 2)
    linear = to_image[:, :2]
    return np.column_stack([cm * linear, linear @ corner + to_image[:, 2]])


def inverse(affine: np.ndarray) -> np.ndarray:
    """The way back of a map ``(2, 3)``."""
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def apply(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points ``(..., 2)`` through a map ``(2, 3)``."""
    return points @ affine[:, :2].T + affine[:, 2]


def in_patch(centimetres: np.ndarray, turn: np.ndarray, side: int) -> np.ndarray:
    """Points ``(..., 2)`` as ``seen_from`` gives them, in pixel indices of the patch."""
    return (centimetres - seen_from(CENTRE, turn)) * (side / PATCH_CM) + (side / 2 - 0.5)


def cut_patch(image: np.ndarray, to_image: np.ndarray, turn: np.ndarray, side: int) -> np.ndarray:
    """The patch of a picture, uint8 RGB ``(side, side, 3)``; edge pixels are repeated outside."""
    ratio = pixels_per_cm(to_image) * PATCH_CM / side
    return sampled_square(image, lambda fine: patch_to_image(to_image, turn, fine), side, ratio)


def hidden_part(turn: np.ndarray, side: int) -> np.ndarray:
    """``(side, side)`` bool: what the network does not get to see of a head turned by ``(3, 3)``."""
    outline = in_patch(seen_from(OUTLINE, turn), turn, side)
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [_fixed(outline)], [1], shift=_SUBPIXEL)
    return mask > 0


def taken_over(hidden: np.ndarray) -> np.ndarray:
    """``(side, side)`` float32 in 0..1: how much of the result is drawn; 0 wherever it is not hidden."""
    depth = cv2.distanceTransform(np.pad(hidden, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return smoothstep(0.0, FEATHER_CM * len(hidden) / PATCH_CM, depth - 1).astype(np.float32)


def opening_map(inner_lips: np.ndarray, side: int) -> np.ndarray:
    """``(side, side)`` float32 in 0..1: the opening between inner lips ``(20, 2)``, pixel indices of the patch."""
    area = np.zeros((side, side), np.uint8)
    cv2.fillPoly(area, [_fixed(inner_lips)], [255], lineType=cv2.LINE_AA, shift=_SUBPIXEL)
    return area.astype(np.float32) / 255


def lips_map(outer_lips: np.ndarray, side: int) -> np.ndarray:
    """``(side, side)`` float32 in 0..1: the lips, and what is between them, fading outwards from outer lips
    ``(20, 2)``, pixel indices of the patch."""
    area = np.zeros((side, side), np.uint8)
    cv2.fillPoly(area, [_fixed(outer_lips)], [1], shift=_SUBPIXEL)
    away = cv2.distanceTransform(1 - area, cv2.DIST_L2, 5)
    return 1 - smoothstep(0.0, LIPS_FEATHER_CM * side / PATCH_CM, away).astype(np.float32)


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * 2**_SUBPIXEL).astype(np.int32)
