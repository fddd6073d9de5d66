"""Frames in which the mouth is at rest, in many poses of the head: what a new mouth is drawn from.

A frame whose old mouth is wide open shows no closed lips, and drawing them from it leaves a ghost of the old mouth. A
frame of the same clip in nearly the same pose, with the lips closed, shows them; and it can tell nothing of what is
being said in the frame that is dubbed. One frame is kept for each cell of a grid of yaw and pitch, the part round the
lower face only, so that memory depends neither on the clip's length nor much on its resolution.
"""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.registration import Registration, cut_square, landmarks_in_square, pixels_per_cm
from imtalker.dubbing.tracking import Sighting
from imtalker.faces.motion_reading import SQUARE
from imtalker.faces.readings import mouth_opening

CELL = 2.0  # degrees of yaw and pitch
MAX_CELLS = 32
MARGIN_CM = 3.0  # of the kept part round the landmarks of the lower face
WIDE = 1.2  # cm, a mouth that is open further shows no more of the teeth
TURNED = 30.0  # degrees of yaw and pitch that count as much as a wide open mouth
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


@dataclass(frozen=True, eq=False)
class OpenFrame:
    """The frame that shows the person's teeth best."""

    index: int  # frame of the clip
    square: np.ndarray  # (512, 512, 3) uint8, registered
    points: np.ndarray  # (478, 3) landmarks in it, pixels


class RestFrames:
    """Gathers the most closed frame of every pose, and one with an open mouth, while a clip goes by."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], RestFrame] = {}
        self._open: OpenFrame | None = None
        self._shown = 0.0

    def add(self, index: int, sighting: Sighting, square: np.ndarray | None) -> None:
        """One more frame of the clip; ``square`` is its registered one, uint8 RGB, where it shows the face."""
        face, place = sighting.face, sighting.place
        if face is None or place is None or square is None:
            return
        opening = mouth_opening(place.head)
        self._add_open(index, sighting.frame, face.points, place, opening)
        cell = round(place.yaw / CELL), round(place.pitch / CELL)
        best = self._cells.get(cell)
        if (best is not None and best.opening <= opening) or (best is None and len(self._cells) >= MAX_CELLS):
            return
        lower = face.points[mouth_space().landmarks, :2]
        margin = MARGIN_CM * pixels_per_cm(place.to_image)
        height, width = sighting.frame.shape[:2]
        left, top = np.floor(lower.min(0) - margin).astype(int).clip(0, [width - 2, height - 2]).tolist()
        right, bottom = np.ceil(lower.max(0) + margin).astype(int).clip([left + 2, top + 2], [width, height]).tolist()
        to_picture = place.to_image.copy()
        to_picture[:, 2] -= [left, top]
        picture = sighting.frame[top:bottom, left:right].copy()
        points = landmarks_in_square(face.points, place.to_image, SQUARE)
        self._cells[cell] = RestFrame(index, opening, square, points, picture, to_picture)

    def _add_open(self, index: int, frame: np.ndarray, points: np.ndarray, place: Registration, opening: float) -> None:
        shown = min(opening, WIDE) / WIDE - np.hypot(place.yaw, place.pitch) / TURNED
        if shown > self._shown:
            square, inside = (
                cut_square(frame, place.to_image, SQUARE),
                landmarks_in_square(points, place.to_image, SQUARE),
            )
            self._shown, self._open = shown, OpenFrame(index, square, inside)

    @property
    def open(self) -> OpenFrame | None:
        """None where no mouth opens in a head that looks ahead."""
        return self._open

    def without(self, hidden: Set[int]) -> "RestFrames":
        """The same but for some frames of the clip; all of them where nothing else would be left."""
        kept = {cell: frame for cell, frame in self._cells.items() if frame.index not in hidden}
        result = RestFrames()
        result._cells = kept or self._cells
        if self._open is not None and self._open.index not in hidden:
            result._open, result._shown = self._open, self._shown
        return result

    def result(self) -> tuple[RestFrame, ...]:
        """The frames that are at rest; none where no face was seen."""
        found = list(self._cells.values())
        limit = AT_REST + min((frame.opening for frame in found), default=0.0)
        return tuple(frame for frame in found if frame.opening <= limit)
