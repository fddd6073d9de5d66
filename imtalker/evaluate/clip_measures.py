"""One pass over a clip: everything the metrics need, with memory that does not grow by whole frames."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from imtalker.evaluate.stability import background_mask, frame_change
from imtalker.faces.identity import identity_embedding
from imtalker.faces.landmarks import FaceLandmarks, find_faces, follow_face
from imtalker.faces.readings import HeadFrame, head_frame, read_faces

_CHANGE_SIZE = 160  # longer side of the pictures that changes between frames are measured on, pixels
_MAX_DETECTIONS_IN_VAIN = 10  # frames without a face after which the detector runs on every fifth one only


@dataclass(frozen=True)
class ClipMeasures:
    """What was seen in each of the T frames of a clip."""

    faces: list[FaceLandmarks | None]
    looked: list[bool]  # whether a face was searched in the frame
    readings: dict[str, np.ndarray]  # (T,) each: pose, gaze, lips, lids; see FaceReading
    expressions: np.ndarray  # (T,52) blendshapes, NaN without a face
    embeddings: np.ndarray  # (K,128) identities of some frames
    embedded_frames: np.ndarray  # (K,) int, which ones
    changes: np.ndarray  # (T-1,) mean change of the picture since the frame before, grey levels
    background_changes: np.ndarray  # (T-1,) the same outside head and body; NaN without background
    size: tuple[int, int]  # height, width in pixels
    fps: float

    @property
    def num_frames(self) -> int:
        return len(self.faces)

    @property
    def face_rate(self) -> float:
        """Share of the frames looked at that show a face, 0..1."""
        return sum(face is not None for face in self.faces) / max(sum(self.looked), 1)

    @property
    def pose(self) -> np.ndarray:
        """(T,3) yaw, pitch, roll in degrees."""
        return np.stack([self.readings[name] for name in ("yaw", "pitch", "roll")], 1)

    @property
    def gaze(self) -> np.ndarray:
        """(T,2) gaze relative to the head in degrees."""
        return np.stack([self.readings[name] for name in ("gaze_x", "gaze_y")], 1)

    @property
    def points(self) -> np.ndarray:
        """(T,478,3) landmarks in pixels, NaN without a face."""
        missing = np.full((478, 3), np.nan, np.float32)
        return np.stack([missing if face is None else face.points for face in self.faces])

    def first(self, count: int) -> "ClipMeasures":
        """The first frames alone."""
        readings = {name: curve[:count] for name, curve in self.readings.items()}
        return replace(
            self,
            faces=self.faces[:count],
            looked=self.looked[:count],
            readings=readings,
            expressions=self.expressions[:count],
        )

    def still(self, count: int) -> "ClipMeasures":
        """The first frame, ``count`` times."""
        readings = {name: np.repeat(curve[:1], count) for name, curve in self.readings.items()}
        return replace(
            self,
            faces=self.faces[:1] * count,
            looked=self.looked[:1] * count,
            readings=readings,
            expressions=np.repeat(self.expressions[:1], count, axis=0),
        )

    def head_frames(self) -> list[HeadFrame | None]:
        """Landmarks of each frame in the frame of the head."""
        return [None if face is None else head_frame(face.points) for face in self.faces]


class ClipMeter:
    """Feed it the frames of a clip in order, then take ``result``.

    Args:
        fps: frames per second.
        face_every: landmarks are searched in every n-th frame; the others have None.
        identity_every: identity is embedded in every n-th frame; 0: never.
    """

    def __init__(self, fps: float, face_every: int = 1, identity_every: int = 25) -> None:
        self._fps = fps
        self._face_every = face_every
        self._identity_every = identity_every
        self._faces: list[FaceLandmarks | None] = []
        self._expressions: list[np.ndarray] = []
        self._embeddings: list[np.ndarray] = []
        self._embedded: list[int] = []
        self._changes: list[float] = []
        self._background: list[float] = []
        self._size = (0, 0)
        self._previous: np.ndarray | None = None  # small
        self._outside: np.ndarray | None = None  # background of the small picture
        self._last_face: FaceLandmarks | None = None
        self._in_vain = 0

    def add(self, frame: np.ndarray) -> None:
        """One more frame, uint8 RGB (H,W,3)."""
        index = len(self._faces)
        self._size = frame.shape[:2]
        face = self._look(frame) if index % self._face_every == 0 else None
        self._faces.append(face)
        self._expressions.append(np.full(52, np.nan, np.float32) if face is None else face.blendshapes)
        if self._identity_every and face is not None:
            # An interval begins with the first frame that shows a face.
            if not self._embedded or index - self._embedded[-1] >= self._identity_every:
                self._embeddings.append(identity_embedding(frame, face))
                self._embedded.append(index)
        self._compare(frame)

    def result(self) -> ClipMeasures:
        count = len(self._faces)
        return ClipMeasures(
            self._faces,
            [index % self._face_every == 0 for index in range(count)],
            read_faces(self._faces),
            np.stack(self._expressions) if self._expressions else np.full((count, 52), np.nan),
            np.stack(self._embeddings) if self._embeddings else np.zeros((0, 128), np.float32),
            np.array(self._embedded, int),
            np.array(self._changes),
            np.array(self._background),
            self._size,
            self._fps,
        )

    def _look(self, frame: np.ndarray) -> FaceLandmarks | None:
        face = follow_face(frame, self._last_face) if self._last_face is not None else None
        if face is None:
            if self._in_vain < _MAX_DETECTIONS_IN_VAIN or len(self._faces) % 5 == 0:
                face = next(iter(find_faces(frame)), None)
            self._in_vain = 0 if face is not None else self._in_vain + 1
        self._last_face = face
        return face

    def _compare(self, frame: np.ndarray) -> None:
        scale = min(1.0, _CHANGE_SIZE / max(frame.shape[:2]))
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if self._last_face is not None:
            # Only what was background in every frame so far counts: a head that moves uncovers what is behind it.
            outside = background_mask(self._last_face.box * scale, small.shape[:2])
            self._outside = outside if self._outside is None else self._outside & outside
        if self._previous is not None:
            self._changes.append(frame_change(small, self._previous))
            hidden = np.zeros(small.shape[:2], bool)
            self._background.append(
                frame_change(small, self._previous, hidden if self._outside is None else self._outside)
            )
        self._previous = small


def measure_clip(
    frames: Iterable[np.ndarray],
    fps: float,
    *,
    face_every: int = 1,
    identity_every: int = 25,
) -> ClipMeasures:
    """Measure a whole clip; the options are those of ``ClipMeter``."""
    meter = ClipMeter(fps, face_every, identity_every)
    for frame in frames:
        meter.add(frame)
    return meter.result()
