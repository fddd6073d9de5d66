"""The first pass over a clip: follow the face, read its motion, find what its new mouth is drawn from."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.references import References, choose_references
from imtalker.dubbing.remarks import plan_remarks, track_remarks
from imtalker.dubbing.rest_frames import RestFrames
from imtalker.dubbing.timing import MAX_YAW, Plan
from imtalker.dubbing.tracking import FaceTrack, TrackRecorder, watch
from imtalker.errors import NoFaceError
from imtalker.media.ahead import ahead
from imtalker.media.remark import Remark
from imtalker.media.video import read_frames
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings

LOOK_SECONDS = 8.0  # of the clip that are looked at for frames with the mouth at rest, however short the speech is


class Followed(NamedTuple):
    """How far the face has been followed."""

    done: int  # frames
    total: int


@dataclass(frozen=True, eq=False)
class Understood:
    """What the first pass has found."""

    plan: Plan
    track: FaceTrack
    references: References
    remarks: tuple[Remark, ...]  # what people should know about it


def understand(
    pipeline: TalkingHeadPipeline, clip: DubClip, plan: Plan, options: DubOptions, timings: Timings
) -> Generator[Followed, None, Understood]:
    """Read the clip once; frames are not kept.

    Raises:
        NoFaceError: no face, or one that is turned away throughout.
        InputError: several people and none chosen, or no face at the reference time.
    """
    what = f"clip {clip.path}"
    recorder, rest = TrackRecorder(), RestFrames()
    wanted = max(plan.used, round(LOOK_SECONDS * plan.fps))
    frames = timings.iterate("decoding", ahead(islice(read_frames(clip.path, float(plan.fps)), wanted)))
    side = pipeline.models.renderer.config.input_size
    sightings = timings.iterate("tracking", watch(frames, side, options.face, what, plan.used))
    step = 2 * pipeline.batch_size
    done = people = 0
    while group := list(islice(sightings, step)):
        for index, sighting in enumerate(group, done):
            recorder.add(sighting)
            rest.add(index, sighting)
        people = max(people, *(sighting.people for sighting in group))
        done += len(group)
        yield Followed(done, max(done, min(wanted, clip.num_frames)))
    track = recorder.result(what)
    remarks = plan_remarks(plan, clip.num_frames)
    if done < plan.used:  # the file ends before its timestamps say so
        plan = replace(plan, index=plan.index.clip(0, done - 1))
    used = track.take(np.arange(plan.used))
    if not (used.seen & (np.abs(used.yaw) <= MAX_YAW)).any():
        raise NoFaceError(f"the head in {what} is turned beyond {MAX_YAW:g} degrees throughout; take a frontal clip")
    remarks += track_remarks(used, plan.fps, people, side)
    neutral = None if options.reference is None else round(options.reference * plan.fps)
    references = choose_references(track, neutral)
    track = replace(track, motion=read_motion(track, references))
    return Understood(plan, track, references.with_frames(rest, track), remarks)
