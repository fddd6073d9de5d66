"""One person followed through a clip: where the face is, where it is not seen, where the scene is cut."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from imtalker.errors import NoFaceError
from imtalker.media.container import open_media
from imtalker.media.crop import Placement, crop_and_resize
from imtalker.media.face_detector import MIN_SCORE, REMEDY, Face, FaceDetector, choose_face
from imtalker.media.frame_conversion import FrameConverter
from imtalker.media.levelling import find_faces, placed_back
from imtalker.media.video import timed_frames, video_stream

SEARCH_SIDE = 1280  # longer side of the pictures faces are searched in, pixels
INTERVAL = 0.2  # seconds between two looks at the clip
HELD_FRAMES = 4  # kept between two looks, to find out when exactly something changed
SAME_FACE = 0.1  # overlap of two boxes of one face, a look apart
SAME_PLACE = 0.5  # overlap with where it was, for a face that was hidden and comes back
THUMBNAIL = (32, 18)  # width, height in which pictures are compared to find cuts
CUT = 28.0  # grey levels by which a picture must differ from the one before,
CUT_RATIO = 5.0  # and by how many times more than pictures of the scene usually do


@dataclass(frozen=True)
class Look:
    """What was found at one time of a clip."""

    time: float  # seconds from the first picture
    box: tuple[float, float, float, float] | None  # of the followed face, pixels of the clip; None: not seen
    shot: int  # number of the piece between two cuts


@dataclass
class FaceTrack:
    """A face through a clip."""

    size: tuple[int, int]  # (height, width) of the clip's pictures
    looks: list[Look] = field(default_factory=list)
    cuts: list[float] = field(default_factory=list)  # seconds
    most_faces: int = 0  # seen at the same time
    first_picture: np.ndarray | None = field(default=None, repr=False)  # the first with a face, at most 1280 pixels
    first_faces: list[Face] = field(default_factory=list)  # in it, pixels of the clip
    end: float = 0.0  # seconds

    @property
    def seen(self) -> list[Look]:
        """Looks at which the face was there."""
        return [look for look in self.looks if look.box is not None]


def track_face(
    path: str | Path,
    detector: FaceDetector,
    index: int | None = None,
    key_frames_only: bool = False,
    angle: float = 0.0,
) -> FaceTrack:
    """Follow a face through a clip: the largest, or number ``index``, of the first picture that shows a face.

    After a cut, or where the face jumps to another place, the largest new face is followed.

    Args:
        key_frames_only: look at key frames only, for long clips; what is between them stays unknown.
        angle: degrees by which the heads in the clip are tilted counter-clockwise; they are searched upright.

    Raises:
        NoFaceError: no usable face anywhere; InputError: no such face, or the clip cannot be read.
    """
    with open_media(path, "video file") as container:
        stream = video_stream(container, path)
        if key_frames_only:
            stream.codec_context.skip_frame = "NONKEY"
        tracker = _Tracker(FrameConverter(stream, path, SEARCH_SIDE), detector, index, f"clip {path}", angle)
        for frame, time in timed_frames(container, stream, path):
            tracker.take(frame, time)
    return tracker.finish()


class _Tracker:
    def __init__(self, convert: FrameConverter, detector: FaceDetector, index: int | None, what: str, angle: float):
        self._convert, self._detector, self._index, self._what = convert, detector, index, what
        self._angle = angle
        self._track: FaceTrack | None = None
        self._held: list[tuple[VideoFrame, float]] = []  # pictures since the latest look
        self._last: np.ndarray | None = None  # box at the latest look that saw the face
        self._others: list[np.ndarray] = []  # boxes of other faces beside it
        self._next = 0.0  # time of the next look
        self._shot = 0
        self._cut_at: float | None = None  # time of a cut after which no face has been seen yet
        self._thumbnail: np.ndarray | None = None
        self._usual = 0.0  # difference of neighbouring pictures
        self._problem: NoFaceError | None = None

    def take(self, frame: VideoFrame, time: float) -> None:
        if self._is_cut(frame):
            self._cut_at, self._next, self._held = time, time, []  # look at once
        if time + 1e-6 >= self._next:
            self._look(frame, time)
            self._next, self._held = time + INTERVAL, []
        else:  # the first ones and always the newest
            self._held = [*self._held[: HELD_FRAMES - 1], (frame, time)]
        if self._track is not None:
            self._track.end = time

    def finish(self) -> FaceTrack:
        if self._held:
            self._look(*self._held.pop())
        track = self._track
        if track is None or not track.seen:
            raise self._problem or NoFaceError(f"no face was found in {self._what}; {REMEDY}")
        return track

    def _look(self, frame: VideoFrame, time: float) -> None:
        """Look at a picture; where something has changed, also at those between, to know when."""
        faces, picture = self._faces(frame)
        if (self._match(faces) is not None) != (bool(self._looks) and self._looks[-1].box is not None):
            for earlier, moment in self._held:
                self._decide(*self._faces(earlier), moment)
        self._decide(faces, picture, time)

    def _decide(self, faces: list[Face], picture: np.ndarray, time: float) -> None:
        found = self._match(faces)
        moved = found is None and self._last is not None
        found = self._elsewhere(faces) if moved else found
        if found is None:
            self._looks.append(Look(time, None, self._shot))
            return
        assert self._track is not None
        if self._last is None:
            self._track.first_picture, self._track.first_faces = picture, faces
        elif moved or self._cut_at is not None:
            was_hidden = self._looks[-1].box is None
            if not (was_hidden and overlap(np.array(found.box), self._last) > SAME_PLACE):
                self._shot += 1
                self._track.cuts.append(time if self._cut_at is None else self._cut_at)
        sure = [face for face in faces if face.score >= MIN_SCORE]
        self._last = np.array(found.box)
        self._others = [np.array(face.box) for face in sure if face is not found]
        self._track.most_faces = max(self._track.most_faces, len(sure))
        self._cut_at = None
        self._looks.append(Look(time, found.box, self._shot))

    @property
    def _looks(self) -> list[Look]:
        return self._track.looks if self._track is not None else []

    def _match(self, faces: list[Face]) -> Face | None:
        """The followed face among those of a picture; before there is one, the face to follow."""
        if self._last is None:
            try:
                return choose_face(faces, self._index, self._what)
            except NoFaceError as error:
                self._problem = error
                return None
        sure = [face for face in faces if face.score >= MIN_SCORE]
        last = self._last
        best = max(sure, key=lambda face: overlap(np.array(face.box), last), default=None)
        return best if best is not None and overlap(np.array(best.box), last) > SAME_FACE else None

    def _elsewhere(self, faces: list[Face]) -> Face | None:
        """The largest face that has not been beside the followed one; after a cut the largest of all."""
        others = self._others if self._cut_at is None else []
        for face in faces:
            if face.score >= MIN_SCORE and all(overlap(np.array(face.box), other) <= SAME_FACE for other in others):
                return face
        return None

    def _faces(self, frame: VideoFrame) -> tuple[list[Face], np.ndarray]:
        """Faces in pixels of the clip, and the picture they were searched in."""
        picture = self._convert(frame)
        size = self._convert.source_size
        assert size is not None
        if self._track is None:
            self._track = FaceTrack(size)
        scale = size[0] / picture.shape[0]
        return [face.scaled(scale) for face in self._search(picture)], picture

    def _search(self, picture: np.ndarray) -> list[Face]:
        if self._angle:
            height, width = picture.shape[:2]
            straight = self._angle % 90.0 == 0.0
            side = float(max(height, width) if straight else np.hypot(height, width))
            turned = Placement(width / 2, height / 2, side, self._angle)
            found = self._detector.detect(crop_and_resize(picture, turned, SEARCH_SIDE))
            return [placed_back(face, turned, SEARCH_SIDE) for face in found]
        return self._detector.detect(picture) if self._last is not None else find_faces(picture, self._detector)

    def _is_cut(self, frame: VideoFrame) -> bool:
        """Whether the picture differs from the one before far more than pictures of this scene do."""
        width, height = THUMBNAIL
        small = frame.to_ndarray(width=width, height=height, format="gray", interpolation="AREA").astype(np.float32)
        before, self._thumbnail = self._thumbnail, small
        if before is None:
            return False
        change = float(np.abs(small - before).mean())
        cut = change > max(CUT, CUT_RATIO * self._usual)
        if not cut:
            self._usual += 0.1 * (change - self._usual)
        return cut


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))
