"""A first look at a clip: who is dubbed, and from which of its frames the new mouth is drawn.

Only glances are taken, a few a second and for a few seconds: every frame is followed later, while mouths are drawn.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.covering import ClearMouth
from imtalker.dubbing.mouth_frames import MouthFrames
from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.own_mouth import SeenMouths
from imtalker.dubbing.references import References, choose_neutral, sharpness_of
from imtalker.dubbing.registration import cut_square
from imtalker.dubbing.remarks import person_remarks
from imtalker.dubbing.rest_frames import RestFrames
from imtalker.dubbing.timing import MAX_YAW, Plan
from imtalker.dubbing.tracking import FaceRow, FaceTrack, Sighting, measure, watch
from imtalker.errors import InputError, NoFaceError
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.media.ahead import Ahead
from imtalker.media.remark import Remark
from imtalker.media.video import read_every, read_frames_from, reliable_times
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings

LOOKING, ADAPTING = "looking at the clip", "adapting to the clip"
LOOK_SECONDS = 8.0  # of the clip that are looked at from where the face is first seen, however short the speech is
GLANCE_SECONDS = 0.16  # between glances
CLEARANCE_SECONDS = 0.5  # round a frame with something before the mouth, from which nothing is drawn
MIN_GLANCES = 25  # at a clip, if it has so many frames


class Looked(NamedTuple):
    """How much has been done before anything is drawn."""

    done: int  # frames looked at
    total: int
    doing: str = LOOKING  # else ``ADAPTING``, whose parts are of equal length, not frames


@dataclass(frozen=True, eq=False)
class Look:
    """What a first look has found."""

    face: FaceLandmarks  # the person, where seen first
    references: References
    neutral: FaceRow  # of the reference frame
    seen: SeenMouths  # in every glance that shows the face
    until: float  # seconds of the clip that have been looked at
    kept: "KeptFrames"  # what references were chosen from
    clear: ClearMouth | None  # what the mouth looks like with nothing before it
    remarks: tuple[Remark, ...]  # what people should know


def look(
    pipeline: TalkingHeadPipeline, clip: DubClip, plan: Plan, options: DubOptions, timings: Timings
) -> Generator[Looked, None, Look]:
    """Look at the beginning of a clip, or further where it does not show the face; frames are not kept.

    Raises:
        NoFaceError: no face in what gets a new mouth, or one that is turned away throughout.
        InputError: several people and none chosen, or no face at the reference time.
    """
    what, fps = f"clip {clip.path}", float(plan.fps)
    span = round(LOOK_SECONDS * fps)
    step = max(1, min(round(GLANCE_SECONDS * fps), clip.num_frames // MIN_GLANCES))
    notes = KeptFrames(pipeline.models.renderer.config.input_size)
    at: list[int] = []
    limit, people, usable = max(plan.used, span), 0, False
    with (
        closing(Ahead(read_every(clip.path, fps, step))) as pictures,
        closing(Ahead(watch(_numbered(pictures, at), options.face, what))) as sightings,
    ):
        for glance, sighting in enumerate(timings.iterate("tracking", sightings)):
            number = at[glance]
            faces_ahead = notes.add(number, sighting)
            people = max(people, sighting.people)
            if faces_ahead and not usable:
                usable, limit = number < plan.used, number + span
            yield Looked(min(number + step, limit), max(number, min(limit, clip.num_frames)))
            if number + step >= limit:
                break
    if not usable:
        raise NoFaceError(_why_none(notes.numbers, plan, clip))
    glances = len(notes.rows)
    clear = ClearMouth.of(np.stack([row.look for row in notes.rows]))
    asked = None if options.reference is None else notes.row_of(round(options.reference * fps), clip, fps, what)
    track = notes.track()
    track = replace(track, seen=track.seen & ~covered_rows(track, clear))
    neutral = choose_neutral(track, np.array(notes.sharpness)) if asked is None else asked
    references = References.of(track, neutral, notes.numbers[neutral])
    track = replace(track, motion=read_motion(track, references, sigma=0))
    covered = covered_rows(track, clear)
    references = notes.references(references, track, covered, fps)
    free = np.flatnonzero(~covered[:glances])
    seen = np.array(notes.numbers)[free] / fps
    assert notes.face is not None
    return Look(
        notes.face,
        references,
        notes.rows[neutral],
        SeenMouths(seen, track.motion[free]),
        (notes.numbers[glances - 1] + step) / fps,
        notes,
        clear,
        person_remarks(track, people, pipeline.models.renderer.config.input_size),
    )


class KeptFrames:
    """What is kept of the frames looked at that show the face.

    Args:
        side: of the registered squares, pixels.
    """

    def __init__(self, side: int):
        self._side = side
        self.numbers: list[int] = []
        self.face: FaceLandmarks | None = None  # where seen first
        self.rows: list[FaceRow] = []
        self.sharpness: list[float] = []
        self.rest, self.mouths = RestFrames(), MouthFrames()

    def add(self, number: int, sighting: Sighting) -> bool:
        """One more frame; whether its face can be dubbed."""
        row = measure(sighting)
        if row is None or sighting.face is None:
            return False
        square = cut_square(sighting.frame, row.to_image, self._side)
        self.numbers.append(number)
        self.face = self.face or sighting.face
        self.rows.append(row)
        self.sharpness.append(sharpness_of(square))
        self.rest.add(number, sighting, square)
        self.mouths.add(number, sighting, square, self.sharpness[-1])
        return abs(row.yaw) <= MAX_YAW

    def track(self) -> FaceTrack:
        """Of all of them, each by itself, motion not read yet.

        Raises:
            NoFaceError: there are none.
        """
        return FaceTrack.of(self.rows)

    def references(self, neutral: References, track: FaceTrack, covered: np.ndarray, fps: float) -> References:
        """With the frames to draw from.

        Args:
            track: of all of them, its motion read.
            covered: ``(n,)`` bool, those in which something is before the mouth; it is near just before and after.
        """
        numbers = np.array(self.numbers)
        apart = np.abs(numbers[:, None] - numbers[covered]).min(1, initial=np.iinfo(int).max)
        hidden = set(numbers[apart <= CLEARANCE_SECONDS * fps].tolist())
        rows = {number: row for row, number in enumerate(self.numbers)}
        return neutral.with_frames(self.rest.without(hidden), self.mouths.without(hidden), track, rows)

    def row_of(self, number: int, clip: DubClip, fps: float, what: str) -> int:
        """The row of a frame, which is looked at if it has not been.

        Raises:
            InputError: it shows no face, or does not exist.
        """
        if number in self.numbers:
            return self.numbers.index(number)
        picture = next(read_frames_from(clip.path, fps, number, reliable_times(clip.path, fps)), None)
        for sighting in watch([] if picture is None else [picture], None, what, self.face):
            self.add(number, sighting)
        if self.numbers[-1] != number:
            raise InputError(
                "the reference time shows no face; give another one in seconds, or leave it to the program"
            )
        return len(self.rows) - 1


def covered_rows(track: FaceTrack, clear: ClearMouth | None) -> np.ndarray:
    """Which frames ``(n,)``, each by itself, have something before the mouth."""
    return np.zeros(len(track), bool) if clear is None else clear.covered(track.look, consecutive=False)


def _numbered(pairs: Iterator[tuple[int, np.ndarray]], numbers: list[int]) -> Iterator[np.ndarray]:
    """The pictures alone; ``numbers`` grows by the number of each as it is taken."""
    for number, picture in pairs:
        numbers.append(number)
        yield picture


def _why_none(numbers: list[int], plan: Plan, clip: DubClip) -> str:
    """Of a clip whose face, seen in frames ``numbers``, cannot be dubbed."""
    what = f"clip {clip.path}"
    if plan.used < clip.num_frames:
        what = f"the first {float(plan.used / plan.fps):.1f} s of {what}, which the speech lasts"
    if not any(number < plan.used for number in numbers):
        return f"no face was found in {what}; dubbing needs one that is clearly seen"
    return f"the head in {what} is turned beyond {MAX_YAW:g} degrees throughout; take a frontal clip"
