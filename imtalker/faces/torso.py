"""How the shoulders of a driving clip move: corners below the chin, followed by sparse optical flow.

Corners (Shi and Tomasi, 1994) of the person below the chin are followed by pyramidal Lucas-Kanade (Bouguet, 2000) from
a key frame to each frame and back; the median of those that come back is the torso's shift. Where too few do, the
frame becomes the next key frame.
"""

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from imtalker.faces.mesh import CHIN, NUM_FACE
from imtalker.faces.motion_reading import (
    HEAD,
    LOG_SCALE_UNIT,
    MEAN_PIVOT,
    MEAN_SCALE,
    SQUARE,
    TRANSLATION_UNIT,
    HeadReading,
)
from imtalker.faces.motion_track import HEAD_WEIGHTS, smooth

FOLLOWS = np.array([0.6, 0.3])  # share of the head's way, to the side and up, that a torso goes (mean of five clips)
_SIDE = 256  # pixels, of the squares looked at
_GAP = 0.08  # heights of the face between the chin and the torso
_MARGIN = 3  # pixels from the outline of the person
_CORNERS, _QUALITY, _APART = 100, 0.01, 5  # corners at most, of at least this share of the best, pixels apart
_FEWEST = 6  # corners that tell a shift
_KEPT = 0.5  # share of the corners below which a new key frame is taken
_RETURN = 1.0  # pixels by which a corner followed there and back may miss its place
_FLOW = {
    "winSize": (21, 21),
    "maxLevel": 3,
    "criteria": (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 15, 0.03),
    "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
}


class TorsoTracker:
    """Feed it the squares of a clip in order; the first one with a face is where the torso begins.

    Args:
        person_matte: picture -> where a person is in it, see ``PersonMatte``.
    """

    def __init__(self, person_matte: Callable[[np.ndarray], np.ndarray]) -> None:
        self._person_matte = person_matte
        self._region: np.ndarray | None = None  # (256,256) uint8, 255 on the torso as it began
        self._key = np.zeros((_SIDE, _SIDE), np.uint8)
        self._corners = np.zeros((0, 1, 2), np.float32)
        self._key_shift = np.zeros(2, np.float32)
        self._shift = np.zeros(2, np.float32)

    def __call__(self, square: np.ndarray, points: np.ndarray | None) -> np.ndarray:
        """Shift (2,) of the torso since the clip's first face, half sides of the square, x right and y down.

        Args:
            square: uint8 RGB (512,512,3).
            points: the face's landmarks (478,3) in it, pixels; None: no face is seen, and nothing moves.
        """
        if points is None:
            return self._shift / (_SIDE / 2)
        grey = cv2.resize(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        if self._region is None:
            self._region = _torso(self._person_matte(square), points)
            self._take_key(grey)
        elif len(self._corners):
            self._follow(grey)
        return self._shift / (_SIDE / 2)

    def _follow(self, grey: np.ndarray) -> None:
        guess = self._shift - self._key_shift
        there, found, _ = cv2.calcOpticalFlowPyrLK(self._key, grey, self._corners, self._corners + guess, **_FLOW)
        back, _, _ = cv2.calcOpticalFlowPyrLK(grey, self._key, there, there - guess, **_FLOW)
        kept = (np.abs(back - self._corners).max(-1) < _RETURN).ravel() & (found.ravel() > 0)
        if kept.sum() >= _FEWEST:
            self._shift = self._key_shift + np.median((there - self._corners)[kept, 0], 0)
        if kept.mean() < _KEPT:
            self._take_key(grey)

    def _take_key(self, grey: np.ndarray) -> None:
        assert self._region is not None
        moved = np.array([[1, 0, self._shift[0]], [0, 1, self._shift[1]]], np.float32)
        region = cv2.warpAffine(self._region, moved, (_SIDE, _SIDE))
        corners = cv2.goodFeaturesToTrack(grey, _CORNERS, _QUALITY, _APART, mask=region)
        self._key, self._key_shift = grey, self._shift
        self._corners = np.zeros((0, 1, 2), np.float32) if corners is None else corners


def _torso(matte: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where the person of a matte is seen below the chin, uint8 (256,256), 255 there."""
    face = points[:NUM_FACE, 1]
    top = (points[CHIN, 1] + _GAP * (face.max() - face.min())) * _SIDE / len(matte)
    person = cv2.resize(matte, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) > 0.5
    region = (person & (np.arange(_SIDE)[:, None] > top)).astype(np.uint8) * 255
    return cv2.erode(region, np.ones((_MARGIN, _MARGIN), np.uint8))


def torso_track(readings: Iterable[HeadReading | None]) -> Iterator[np.ndarray]:
    """Torso (2,) of every frame of a clip, in units of the head's translation: its way from where it was in the first
    frame, less what a torso goes with such a head anyway (``FOLLOWS``). Smoothed as the head is.

    Args:
        readings: of each frame in order, see ``read_clip``; None where no face is seen: the torso stays.
    """
    return smooth(_unexpected(readings), HEAD_WEIGHTS)


def _unexpected(readings: Iterable[HeadReading | None]) -> Iterator[np.ndarray]:
    begin: np.ndarray | None = None
    shown = np.zeros(2)
    for reading in readings:
        if reading is not None:
            head = head_place(reading.motion)
            begin = head if begin is None else begin
            unit = face_unit(reading.motion) * TRANSLATION_UNIT
            shown = (np.asarray(reading.torso) - FOLLOWS * (head - begin)) / unit
        yield shown


def face_unit(motion: np.ndarray) -> float:
    """Half sides of the square in a centimetre of the face under a motion (32,)."""
    return float(MEAN_SCALE * np.exp(motion[HEAD][5] * LOG_SCALE_UNIT) / (SQUARE / 2))


def head_place(motion: np.ndarray) -> np.ndarray:
    """Where the centre of the head's rotation lies in the square (2,), half sides, x right and y down."""
    return (motion[3:5] * TRANSLATION_UNIT + MEAN_PIVOT) * face_unit(motion) * [1, -1]
