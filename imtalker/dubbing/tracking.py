"""Follow one face through a clip: what later steps need of every frame in a few hundred numbers, not the frames."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.registration import Registration, cut_square, landmarks_in_square, register
from imtalker.errors import InputError, NoFaceError
from imtalker.faces.landmarks import FaceLandmarks, find_faces, follow_face
from imtalker.faces.motion_reading import SQUARE, read_against_average
from imtalker.faces.readings import eye_apertures, mouth_opening
from imtalker.weights.load import bundled_basis

logger = logging.getLogger(__name__)

MAX_FACES = 8  # told apart in one frame
RIVAL = 0.6  # a second face of at least this size, against the largest, may be the one that is meant
BRIDGE = 5  # frames without the face that are filled in between their neighbours
GLANCE = 3  # of frames that get no new mouth one is looked at; at most ``BRIDGE + 1``
JUMP = 0.35  # of the face's size that it may move between frames; further, the picture was cut


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face over T frames; rows of frames where it was not seen hold the nearest known values."""

    seen: np.ndarray  # (T,) bool: found, or bridged between frames where it was found
    first: np.ndarray  # (T,) bool: nothing before this frame continues in it (start, cut, found again)
    to_image: np.ndarray  # (T, 2, 3) registration, see ``Registration``
    turn: np.ndarray  # (T, 3, 3)
    yaw: np.ndarray  # (T,) degrees
    pitch: np.ndarray  # (T,)
    lower: np.ndarray  # (T, K, 2) float32 pixels, landmarks of the lower face (``MouthSpace.landmarks``)
    shape: np.ndarray  # (T, K, 2) float32 cm, the same in the head's own frame: x image right, y up
    opening: np.ndarray  # (T,) cm between the inner lips
    lids: np.ndarray  # (T,) cm between the lids
    sharpness: np.ndarray  # (T,) energy of the finest detail of the square
    motion: np.ndarray  # (T, 32) float32 of the square, the expression against the average face until it is read

    def __len__(self) -> int:
        return len(self.seen)

    def take(self, frames: np.ndarray) -> "FaceTrack":
        """Some frames ``(n,)`` of the track."""
        return FaceTrack(**{field.name: getattr(self, field.name)[frames] for field in fields(self)})


@dataclass(frozen=True)
class Sighting:
    """A frame with its face's landmarks, where they put it, and the registered square; None where there is no face."""

    frame: np.ndarray  # uint8 (H, W, 3)
    face: FaceLandmarks | None
    place: Registration | None
    square: np.ndarray | None  # uint8 (side, side, 3)
    first: bool
    people: int = 0  # faces seen; 0 where only the chosen one was followed


def watch(
    frames: Iterable[np.ndarray], side: int, index: int | None, what: str, closely: int | None = None
) -> Iterator[Sighting]:
    """The chosen face of every frame.

    Args:
        frames: uint8 RGB ``(H, W, 3)`` in order of time.
        side: of the squares, pixels.
        index: which face, 0 the largest of the first frame with one; None: the only one, or clearly the largest.
        what: named in messages.
        closely: leading frames of which each is looked at, of the later ones one in ``GLANCE``; None: all.

    Raises:
        InputError: there is no face ``index``, or it is left open which of two similar ones is meant.
    """
    face: FaceLandmarks | None = None  # in the frame before
    last: FaceLandmarks | None = None  # where it was seen last
    for number, frame in enumerate(frames):
        if closely is not None and number >= closely and (number - closely) % GLANCE != GLANCE - 1:
            yield Sighting(frame, None, None, None, False)
            continue
        before, face = face, None
        if before is not None:
            face = follow_face(frame, before)
        found = find_faces(frame, MAX_FACES) if face is None else []
        if found:
            face = _choose(found, index, what) if last is None else nearest(found, last)
        first = face is not None and (before is None or _jumped(before, face))
        last = face or last
        place = None if face is None else register(face)
        square = None if place is None else cut_square(frame, place.to_image, side)
        yield Sighting(frame, face, place, square, first, len(found))


class TrackRecorder:
    """Gathers a ``FaceTrack`` frame by frame."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any] | None] = []

    def add(self, sighting: Sighting) -> None:
        """One more frame."""
        face, place, square = sighting.face, sighting.place, sighting.square
        if face is None or place is None or square is None:
            self._rows.append(None)
            return
        head = place.head
        points = landmarks_in_square(face.points, place.to_image, SQUARE)
        self._rows.append(
            {
                "first": sighting.first,
                "to_image": place.to_image,
                "turn": place.turn,
                "yaw": place.yaw,
                "pitch": place.pitch,
                "lower": face.points[mouth_space().landmarks, :2].astype(np.float32),
                "shape": head.points[mouth_space().landmarks, :2].astype(np.float32),
                "opening": mouth_opening(head),
                "lids": float(np.mean(eye_apertures(head))),
                "sharpness": float(cv2.Laplacian(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std()),
                "motion": read_against_average(points, bundled_basis()),
            }
        )

    def result(self, what: str) -> FaceTrack:
        """The whole track, short gaps bridged.

        Raises:
            NoFaceError: no frame shows the face.
        """
        known = np.array([i for i, row in enumerate(self._rows) if row is not None])
        if not len(known):
            raise NoFaceError(f"no face was found in {what}; dubbing needs a clip with a face that is clearly seen")
        rows = [row for row in self._rows if row is not None]
        count = len(self._rows)
        seen = np.zeros(count, bool)
        seen[known] = True
        first = np.zeros(count, bool)
        first[known] = [bool(row["first"]) for row in rows]
        first[known[0]] = True
        names = rows[0].keys() - {"first"}
        columns = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in names}
        nearest = _nearest_index(known, count)
        table = {name: values[nearest].copy() for name, values in columns.items()}
        track = FaceTrack(seen=seen, first=first, **table)
        return _bridged(track, known)


def smoothed(values: np.ndarray, first: np.ndarray, sigma: float) -> np.ndarray:
    """Values ``(T, d)`` smoothed over time by a Gaussian of ``sigma`` frames, never across a new beginning."""
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    parts = []
    for part in np.split(values, np.flatnonzero(first)):
        padded = np.pad(part, ((reach, reach), (0, 0)), mode="edge") if len(part) else part
        parts.append(sum(weight * padded[i : i + len(part)] for i, weight in enumerate(kernel)) if len(part) else part)
    return np.concatenate(parts).astype(values.dtype)


def _bridged(track: FaceTrack, known: np.ndarray) -> FaceTrack:
    """Gaps of up to ``BRIDGE`` frames filled in linearly where the face goes on from where it was."""
    seen, first = track.seen.copy(), track.first.copy()
    table = {f.name: getattr(track, f.name) for f in fields(track) if f.name not in ("seen", "first")}
    for before, after in pairwise(known.tolist()):
        gap = after - before - 1
        size = np.ptp(track.lower[before], axis=0).max()
        moved = np.linalg.norm(track.lower[after].mean(0) - track.lower[before].mean(0))
        if not 0 < gap <= BRIDGE or moved > JUMP * size * 2:
            continue
        share = np.arange(1, gap + 1) / (gap + 1)
        for values in table.values():
            weight = share.reshape(-1, *[1] * (values.ndim - 1))
            values[before + 1 : after] = (1 - weight) * values[before] + weight * values[after]
        seen[before + 1 : after] = True
        first[after] = False
    return replace(track, seen=seen, first=first)


def rivals(found: Sequence[FaceLandmarks]) -> bool:
    """Whether faces, largest first, leave open who is meant: the second one is of similar size."""
    return len(found) > 1 and _size(found[1]) >= RIVAL * _size(found[0])


def _choose(found: list[FaceLandmarks], index: int | None, what: str) -> FaceLandmarks:
    if index is None:
        if rivals(found):
            raise InputError(
                f"{what} shows {len(found)} people of similar size; say who speaks, 0 is the largest: --face 0"
            )
        return found[0]
    if not 0 <= index < len(found):
        raise InputError(f"face {index} does not exist: {what} has {len(found)}, numbered from 0, largest first")
    return found[index]


def nearest(found: Sequence[FaceLandmarks], last: FaceLandmarks) -> FaceLandmarks:
    """The face that is most where another one was."""
    return min(found, key=lambda face: float(np.abs(face.box - last.box).sum()))


def _jumped(before: FaceLandmarks, now: FaceLandmarks) -> bool:
    moved = np.linalg.norm(now.points[:, :2].mean(0) - before.points[:, :2].mean(0))
    ratio = _size(now) / max(_size(before), 1e-6)
    return bool(moved > JUMP * _size(before) or not 0.75 < ratio < 1.33)


def _size(face: FaceLandmarks) -> float:
    left, top, right, bottom = face.box
    return float(max(right - left, bottom - top))


def _nearest_index(known: np.ndarray, count: int) -> np.ndarray:
    """For every frame the position in ``known`` of the nearest known frame."""
    right = np.searchsorted(known, np.arange(count)).clip(0, len(known) - 1)
    left = (right - 1).clip(0)
    frames = np.arange(count)
    return np.where(np.abs(frames - known[left]) <= np.abs(known[right] - frames), left, right)
