"""Frames in which the mouth is at rest, in many poses of the head: what a new mouth is drawn from.

A frame whose old mouth is wide open shows no closed lips, and drawing them from it leaves a ghost of the old mouth. A
frame of the same clip in nearly the same pose, with the lips closed, shows them; and it can tell nothing of what is
being said in the frame that is dubbed. One frame is kept for each cell of a grid of yaw and pitch, so that memory does
not depend on the clip's length.
"""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from imtalker.dubbing.registration import Registration, cut_square, landmarks_in_square
from imtalker.dubbing.source_frame import SourceFrame
from imtalker.dubbing.tracking import Sighting
from imtalker.faces.motion_reading import SQUARE
from imtalker.faces.readings import mouth_opening

CELL = 2.0  # degrees of yaw and pitch
MAX_CELLS = 32
WIDE = 1.2  # cm, a mouth that is open further shows no more of the teeth
TURNED = 30.0  # degrees of yaw and pitch that count as much as a wide open mouth
AT_REST = 0.3  # cm the lips may be open, or more open than the most closed frame of all


@dataclass(frozen=True, eq=False)
class OpenFrame:
    """The frame that shows the person's teeth best."""

    index: int  # frame of the clip
    square: np.ndarray  # (512, 512, 3) uint8, registered
    points: np.ndarray  # (478, 3) landmarks in it, pixels


class RestFrames:
    """Gathers the most closed frame of every pose, and one with an open mouth, while a clip goes by."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], SourceFrame] = {}
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
        self._cells[cell] = SourceFrame.of(index, sighting.frame, face.points, place, square)

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

    def result(self) -> tuple[SourceFrame, ...]:
        """The frames that are at rest; none where no face was seen."""
        found = list(self._cells.values())
        limit = AT_REST + min((frame.opening for frame in found), default=0.0)
        return tuple(frame for frame in found if frame.opening <= limit)
