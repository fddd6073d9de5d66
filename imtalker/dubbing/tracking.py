"""Follow one face through a clip: what later steps need of every frame in a few hundred numbers, not the frames."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from imtalker.dubbing.covering import mouth_look
from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.registration import Registration, landmarks_in_square, register
from imtalker.errors import InputError, NoFaceError
from imtalker.faces.landmarks import FaceLandmarks, find_faces, follow_face
from imtalker.faces.motion_reading import SQUARE, read_against_average
from imtalker.faces.readings import eye_apertures, mouth_opening
from imtalker.weights.load import bundled_basis

MAX_FACES = 8  # told apart in one frame
RIVAL = 0.6  # a second face of at least this size, against the largest, may be the one that is meant
BRIDGE = 5  # frames without the face that are filled in between their neighbours
JUMP = 0.35  # of the face's size that it may move between frames; further, the picture was cut
ASIDE = 0.1  # of its size that it may move and still be fitted well where it was


class FaceRow(NamedTuple):
    """What is measured of the face in one frame; see ``FaceTrack``."""

    first: bool
    to_image: np.ndarray
    turn: np.ndarray
    yaw: float
    pitch: float
    lower: np.ndarray
    shape: np.ndarray
    opening: float
    lids: float
    motion: np.ndarray
    look: np.ndarray


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face over T frames; rows of frames where it was not seen hold what was seen before."""

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
    motion: np.ndarray  # (T, 32) float32 of the square, the expression against the average face until ``read_motion``
    look: np.ndarray  # (T, N) float32 of the mouth, see ``mouth_look``
    covered: np.ndarray  # (T,) bool: something is before the mouth; nowhere until ``ClearMouth`` has been asked

    def __len__(self) -> int:
        return len(self.seen)

    @classmethod
    def of(cls, rows: Sequence[FaceRow | None], before: FaceRow | None = None) -> "FaceTrack":
        """The track of consecutive frames, None where the face was not found; short gaps are bridged.

        Args:
            before: held until the first one that was; None: that one itself.

        Raises:
            NoFaceError: there is no row at all.
        """
        seen = np.array([row is not None for row in rows])
        held = before if before is not None else next((row for row in rows if row is not None), None)
        if held is None:
            raise NoFaceError("no face was found")
        filled = []
        for row in rows:
            held = held if row is None else row
            filled.append(held)
        columns = {
            name: np.array(values) for name, values in zip(FaceRow._fields, zip(*filled, strict=True), strict=True)
        }
        columns["first"] &= seen
        return _bridged(cls(seen=seen, covered=np.zeros(len(rows), bool), **columns))

    def take(self, frames: np.ndarray) -> "FaceTrack":
        """Some frames ``(n,)`` of the track."""
        return FaceTrack(**{field.name: getattr(self, field.name)[frames] for field in fields(self)})


@dataclass(frozen=True)
class Sighting:
    """A frame with its face's landmarks and where they put it; None where there is no face."""

    frame: np.ndarray  # uint8 (H, W, 3)
    face: FaceLandmarks | None
    place: Registration | None
    first: bool
    people: int = 0  # faces seen; 0 where only the chosen one was followed


def watch(
    frames: Iterable[np.ndarray], index: int | None, what: str, known: FaceLandmarks | None = None
) -> Iterator[Sighting]:
    """The chosen face of every frame.

    Args:
        frames: uint8 RGB ``(H, W, 3)`` in order of time.
        index: which face, 0 the largest of the first frame with one; None: the only one, or clearly the largest.
        what: named in messages.
        known: the chosen face, where it has been seen in the clip; ``index`` does not matter then.

    Raises:
        InputError: there is no face ``index``, or it is left open which of two similar ones is meant.
    """
    face: FaceLandmarks | None = None  # in the frame before
    last = known  # where it was seen last
    for frame in frames:
        before, face = face, None
        if before is not None:
            face = follow_face(frame, before)
            if face is not None and _moved(before, face) > ASIDE:
                face = follow_face(frame, face)
        found = find_faces(frame, MAX_FACES) if face is None else []
        if found:
            face = _choose(found, index, what) if last is None else nearest(found, last)
        first = face is not None and (before is None or _jumped(before, face))
        last = face or last
        yield Sighting(frame, face, None if face is None else register(face), first, len(found))


def measure(sighting: Sighting) -> FaceRow | None:
    """The face of a frame in numbers; None where there is none."""
    face, place = sighting.face, sighting.place
    if face is None or place is None:
        return None
    lower, head = mouth_space().landmarks, place.head
    points = landmarks_in_square(face.points, place.to_image, SQUARE)
    seen = face.points[lower, :2].astype(np.float32)
    return FaceRow(
        first=sighting.first,
        to_image=place.to_image,
        turn=place.turn,
        yaw=place.yaw,
        pitch=place.pitch,
        lower=seen,
        shape=head.points[lower, :2].astype(np.float32),
        opening=mouth_opening(head),
        lids=float(np.mean(eye_apertures(head))),
        motion=read_against_average(points, bundled_basis()),
        look=mouth_look(sighting.frame, place.to_image, place.turn, seen),
    )


def smoothed(values: np.ndarray, first: np.ndarray, sigma: float) -> np.ndarray:
    """Values ``(T, d)`` smoothed over time by a Gaussian of ``sigma`` frames, never across a new beginning."""
    reach = smoothing_reach(sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    parts = []
    for part in np.split(values, np.flatnonzero(first)):
        padded = np.pad(part, ((reach, reach), (0, 0)), mode="edge") if len(part) else part
        parts.append(sum(weight * padded[i : i + len(part)] for i, weight in enumerate(kernel)) if len(part) else part)
    return np.concatenate(parts).astype(values.dtype)


def smoothing_reach(sigma: float) -> int:
    """Frames on either side that ``smoothed`` looks at."""
    return max(1, round(3 * sigma))


def _bridged(track: FaceTrack) -> FaceTrack:
    """Gaps of up to ``BRIDGE`` frames filled in linearly where the face goes on from where it was."""
    seen, first = track.seen.copy(), track.first.copy()
    table = {f.name: getattr(track, f.name) for f in fields(track) if f.name not in ("seen", "first")}
    for before, after in pairwise(np.flatnonzero(track.seen).tolist()):
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
    return _moved(before, now) > JUMP or not 0.75 < _size(now) / max(_size(before), 1e-6) < 1.33


def _moved(before: FaceLandmarks, now: FaceLandmarks) -> float:
    """How far, in sizes of the face."""
    way = np.linalg.norm(now.points[:, :2].mean(0) - before.points[:, :2].mean(0))
    return float(way) / max(_size(before), 1e-6)


def _size(face: FaceLandmarks) -> float:
    left, top, right, bottom = face.box
    return float(max(right - left, bottom - top))
