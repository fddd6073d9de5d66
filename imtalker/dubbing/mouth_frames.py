"""Frames that show what a person's mouth looks like at many openings and widths: lips and teeth are taken from them.

A mouth at rest that is moved open shows neither the inner side of its lips nor the person's teeth; and whose teeth are
seen, the upper or the lower ones and how much of them, differs from person to person more than can be drawn. A frame
of the same clip whose mouth is as far open shows all of it (Bregler, Covell and Slaney, "Video Rewrite", 1997;
Suwajanakorn, Seitz and Kemelmacher-Shlizerman, "Synthesizing Obama", 2017).
"""

from collections.abc import Set

import numpy as np

from imtalker.dubbing.source_frame import SourceFrame
from imtalker.dubbing.tracking import Sighting
from imtalker.faces.mesh import MOUTH_CORNERS
from imtalker.faces.readings import mouth_opening

OPENING, WIDTH, ANGLE = 0.15, 0.3, 8.0  # cm, cm and degrees, sides of the cells of which one frame each is kept
MAX_CELLS = 32


class MouthFrames:
    """Gathers the sharpest frame of every opening, width and pose while a clip goes by."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, ...], tuple[float, SourceFrame]] = {}

    def add(self, index: int, sighting: Sighting, square: np.ndarray, sharpness: float) -> None:
        """One more frame of the clip; one that shows no face is left out.

        Args:
            square: its registered one, uint8 RGB.
            sharpness: of frames that show the same the one with most of it is kept.
        """
        face, place = sighting.face, sighting.place
        if face is None or place is None:
            return
        corners = place.head.points[list(MOUTH_CORNERS)]
        width = float(np.linalg.norm(corners[0] - corners[1]))
        numbers = mouth_opening(place.head) / OPENING, width / WIDTH, place.yaw / ANGLE, place.pitch / ANGLE
        cell = tuple(round(number) for number in numbers)
        best = self._cells.get(cell)
        if (best is not None and best[0] >= sharpness) or (best is None and len(self._cells) >= MAX_CELLS):
            return
        self._cells[cell] = sharpness, SourceFrame.of(index, sighting.frame, face.points, place, square)

    def without(self, hidden: Set[int]) -> "MouthFrames":
        """The same but for some frames of the clip."""
        result = MouthFrames()
        result._cells = {cell: kept for cell, kept in self._cells.items() if kept[1].index not in hidden}
        return result

    def result(self) -> tuple[SourceFrame, ...]:
        """The frames."""
        return tuple(frame for _, frame in self._cells.values())
