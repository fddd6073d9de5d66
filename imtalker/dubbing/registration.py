"""Where the face is: from its landmarks to the upright square of standard size and place that the networks see.

The canonical face is turned by the head's yaw and pitch, then laid on the landmarks by shift, size and roll alone. So
what is left to read from the square is yaw, pitch and expression; place, size and roll of the head are in the map.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from imtalker.faces.canonical import canonical_face
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.readings import HeadFrame, head_frame, head_pose

SQUARE_CM = 27.5  # side of the square on the canonical face; the portraits' crop, median of the bundled ones
MAX_FINER = 4  # how much larger than the square a cut may be made before it is averaged


@dataclass(frozen=True)
class Registration:
    """One face in one picture."""

    to_image: np.ndarray  # (2, 3) float64: cm of the canonical face, x right, y down, head upright -> pixels
    turn: np.ndarray  # (3, 3) float64: yaw and pitch alone; canonical face -> the upright camera
    yaw: float  # degrees
    pitch: float
    head: HeadFrame = field(repr=False)  # the landmarks in the frame of the average head


def register(face: FaceLandmarks) -> Registration:
    """Registration of a face's landmarks."""
    frame = head_frame(face.points)
    yaw, pitch, roll = head_pose(frame)
    angle = np.radians(roll)
    unroll = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turn = unroll @ frame.rotation
    canonical = canonical_face()
    model = (canonical.vertices @ turn.T)[:, :2] * [1, -1]
    to_image = _similarity(model, face.points[: len(model), :2], canonical.weights)
    return Registration(to_image, turn, yaw, pitch, frame)


def square_to_image(to_image: np.ndarray, side: int) -> np.ndarray:
    """``(2, 3)`` map from pixel indices of a square of ``side`` pixels to pixel indices of the picture."""
    cm = SQUARE_CM / side
    scale = np.array([[cm, 0, cm * (0.5 - side / 2)], [0, cm, cm * (0.5 - side / 2)]])
    linear = to_image[:, :2] @ scale[:, :2]
    return np.column_stack([linear, to_image[:, :2] @ scale[:, 2] + to_image[:, 2]])


def landmarks_in_square(points: np.ndarray, to_image: np.ndarray, side: int) -> np.ndarray:
    """Landmarks ``(N, 3)`` of a picture, pixels, in the pixels of its registered square; depth by the same scale."""
    to_picture = square_to_image(to_image, side)
    back = np.linalg.inv(to_picture[:, :2])
    depth = points[:, 2:] * np.sqrt(abs(np.linalg.det(back)))
    return np.column_stack([(points[:, :2] - to_picture[:, 2]) @ back.T, depth])


def pixels_per_cm(to_image: np.ndarray) -> float:
    """Size of the face in the picture."""
    return float(np.sqrt(abs(np.linalg.det(to_image[:, :2]))))


def cut_square(image: np.ndarray, to_image: np.ndarray, side: int) -> np.ndarray:
    """The registered square of a picture, uint8 RGB ``(side, side, 3)``; edge pixels are repeated outside."""
    ratio = pixels_per_cm(to_image) * SQUARE_CM / side
    return sampled_square(image, lambda fine: square_to_image(to_image, fine), side, ratio)


def sampled_square(image: np.ndarray, place: Callable[[int], np.ndarray], side: int, ratio: float) -> np.ndarray:
    """A square of a picture, uint8 RGB ``(side, side, 3)``; edge pixels are repeated outside.

    Args:
        place: side of a square in pixels -> ``(2, 3)`` map from its pixel indices to those of the picture.
        ratio: pixels of the picture in one of the square.
    """
    finer = int(np.clip(np.ceil(ratio - 0.25), 1, MAX_FINER))  # linear sampling would skip pixels: cut finer, average
    cut = cv2.warpAffine(
        image,
        place(side * finer),
        (side * finer, side * finer),
        flags=(cv2.INTER_LINEAR if finer > 1 else cv2.INTER_CUBIC) | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cut if finer == 1 else cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA)


def _similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Least-squares shift, turn and size ``(2, 3)`` of points ``(N, 2)``, weights summing to 1."""
    centre, aim = weights @ source, weights @ target
    a = (source - centre) @ [1, 1j]
    b = (target.astype(np.float64) - aim) @ [1, 1j]
    factor = (weights * a.conj() * b).sum() / (weights * np.abs(a) ** 2).sum()
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, aim - linear @ centre])
