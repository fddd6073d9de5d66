"""What is kept of a frame of a clip so that mouths can be drawn from it."""

from dataclasses import dataclass

import numpy as np

from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.registration import Registration, landmarks_in_square, pixels_per_cm
from imtalker.faces.motion_reading import SQUARE
from imtalker.faces.readings import mouth_opening

MARGIN_CM = 3.0  # of the kept part round the landmarks of the lower face


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One frame: the part round the lower face only, so that memory depends little on the clip's resolution."""

    index: int  # frame of the clip
    opening: float  # cm between the lips
    square: np.ndarray  # (S, S, 3) uint8, registered
    points: np.ndarray  # (478, 3) landmarks in it, pixels of a square of 512
    picture: np.ndarray  # (h, w, 3) uint8, the lower face at full resolution
    to_picture: np.ndarray  # (2, 3) registration in pixels of ``picture``

    @classmethod
    def of(
        cls, index: int, frame: np.ndarray, points: np.ndarray, place: Registration, square: np.ndarray
    ) -> "SourceFrame":
        """Of a frame ``(H, W, 3)``, uint8 RGB, with landmarks ``(478, 3)`` in it, and its registered square."""
        lower = points[mouth_space().landmarks, :2]
        margin = MARGIN_CM * pixels_per_cm(place.to_image)
        height, width = frame.shape[:2]
        left, top = np.floor(lower.min(0) - margin).astype(int).clip(0, [width - 2, height - 2]).tolist()
        right, bottom = np.ceil(lower.max(0) + margin).astype(int).clip([left + 2, top + 2], [width, height]).tolist()
        to_picture = place.to_image.copy()
        to_picture[:, 2] -= [left, top]
        inside = landmarks_in_square(points, place.to_image, SQUARE)
        return cls(index, mouth_opening(place.head), square, inside, frame[top:bottom, left:right].copy(), to_picture)
