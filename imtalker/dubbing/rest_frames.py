"""Frames in which the mouth is at rest, in many poses of the head: what a new mouth is drawn from.

A frame whose old mouth is wide open shows no closed lips, and drawing them from it leaves a ghost of the old mouth. A
frame of the same clip in nearly the same pose, with the lips closed, shows them; and it can tell nothing of what is
being said in the frame that is dubbed. One frame is kept for each cell of a grid of yaw and pitch, the part round the
lower face only, so that memory depends neither on the clip's length nor much on its resolution.
"""

from dataclasses import dataclass

import numpy as np

from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.registration import landmarks_in_square, pixels_per_cm, register
from imtalker.dubbing.tracking import Sighting
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.motion_reading import SQUARE
from imtalker.faces.readings import head_frame, mouth_opening

CELL = 4.0  # degrees of yaw and pitch
MAX_CELLS = 24
MARGIN_CM = 3.0  # of the kept part round the landmarks of the lower face
WIDE, TURNED = 1.5, 30.0  # cm of opening that are as good as any more; degrees of turn that make up for these
AT_REST = 0.3  # cm the lips may be open, or more open than the most closed frame of all


@dataclass(frozen=True, eq=False)
class RestFrame:
    """One frame with the mouth at rest."""

    index: int  # frame of the clip
    opening: float  # cm between the lips
    square: np.ndarray  # (S, S, 3) uint8, registered
    points: np.ndarray  # (478, 3) landmarks in it, pixels of a square of 512
    picture: np.ndarray  # (h, w, 3) uint8, the lower face at full resolution
    to_picture: np.ndarray  # (2, 3) registration in pixels of ``picture``

    @classmethod
    def of(cls, index: int, frame: np.ndarray, face: FaceLandmarks, square: np.ndarray) -> "RestFrame":
        """Keep what is needed of a frame."""
        place = register(face)
        lower = face.points[mouth_space().landmarks, :2]
        margin = MARGIN_CM * pixels_per_cm(place.to_image)
        height, width = frame.shape[:2]
        left, top = np.floor(lower.min(0) - margin).astype(int).clip(0, [width - 2, height - 2]).tolist()
        right, bottom = np.ceil(lower.max(0) + margin).astype(int).clip([left + 2, top + 2], [width, height]).tolist()
        to_picture = place.to_image.copy()
        to_picture[:, 2] -= [left, top]
        points = landmarks_in_square(face.points, place.to_image, SQUARE)
        opening = mouth_opening(head_frame(face.points))
        return cls(index, opening, square, points, frame[top:bottom, left:right].copy(), to_picture)


class RestFrames:
    """Gathers the most closed frame of every pose while a clip goes by."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], RestFrame] = {}

    def add(self, index: int, sighting: Sighting) -> None:
        """One more frame of the clip."""
        face, square = sighting.face, sighting.square
        if face is None or square is None:
            return
        place = register(face)
        opening = mouth_opening(head_frame(face.points))
        cell = round(place.yaw / CELL), round(place.pitch / CELL)
        best = self._cells.get(cell)
        if (best is not None and best.opening <= opening) or (best is None and len(self._cells) >= MAX_CELLS):
            return
        self._cells[cell] = RestFrame.of(index, sighting.frame, face, square)

    def result(self) -> tuple[RestFrame, ...]:
        """The frames that are at rest; none where no face was seen."""
        found = list(self._cells.values())
        limit = AT_REST + min((frame.opening for frame in found), default=0.0)
        return tuple(frame for frame in found if frame.opening <= limit)


class WidestFrame:
    """Keeps the frame with the mouth widest open, near to frontal: it shows the person's teeth."""

    def __init__(self) -> None:
        self._best: RestFrame | None = None
        self._score = -np.inf

    def add(self, index: int, sighting: Sighting) -> None:
        """One more frame of the clip."""
        face, square = sighting.face, sighting.square
        if face is None or square is None:
            return
        place = register(face)
        score = min(mouth_opening(head_frame(face.points)), WIDE) / WIDE - np.hypot(place.yaw, place.pitch) / TURNED
        if score > self._score:
            self._best, self._score = RestFrame.of(index, sighting.frame, face, square), score

    def result(self) -> RestFrame | None:
        """The frame; None where no face was seen."""
        return self._best
