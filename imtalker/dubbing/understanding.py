"""The first pass over a clip: follow the face, read its motion, find what its new mouth is drawn from."""

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.mouth_reading import read_mouth
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.references import References, choose_references
from imtalker.dubbing.remarks import plan_remarks, track_remarks
from imtalker.dubbing.rest_frames import RestFrames
from imtalker.dubbing.timing import MAX_YAW, Plan
from imtalker.dubbing.tracking import FaceTrack, Sighting, TrackRecorder, watch
from imtalker.errors import NoFaceError
from imtalker.media.ahead import ahead
from imtalker.media.remark import Remark
from imtalker.media.video import read_frames
from imtalker.pipeline.rendering import to_tensor
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
    reader, step = _MotionReader(pipeline), 2 * pipeline.batch_size
    done = people = 0
    with ThreadPoolExecutor(1, "motion") as worker:  # reads the last frames while the next ones are tracked
        reading: list[Future[None]] = []
        while group := list(islice(sightings, step)):
            with timings.measure("motion_encoding"):
                for earlier in reading:
                    earlier.result()
            reading = [worker.submit(_record, reader, recorder, rest, group, done)]
            people = max(people, *(sighting.people for sighting in group))
            done += len(group)
            yield Followed(done, max(done, min(wanted, clip.num_frames)))
        with timings.measure("motion_encoding"):
            for earlier in reading:
                earlier.result()
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
    track = replace(track, motion=read_mouth(track, references))
    return Understood(plan, track, references.with_frames(rest, track), remarks)


def _record(
    reader: "_MotionReader", recorder: TrackRecorder, rest: RestFrames, group: list[Sighting], start: int
) -> None:
    """Keep what is needed of frames from number ``start`` on."""
    reader.read(recorder, group)
    for index, sighting in enumerate(group, start):
        rest.add(index, sighting)


class _MotionReader:
    """Reads the motion of every second frame; between them it is as smooth as a head."""

    def __init__(self, pipeline: TalkingHeadPipeline):
        self._renderer = pipeline.models.renderer
        self._like = next(self._renderer.parameters())
        self._skipped = True  # the frame before

    @torch.inference_mode()
    def read(self, recorder: TrackRecorder, group: list[Sighting]) -> None:
        """Record frames that follow on those before."""
        chosen = []
        for sighting in group:
            self._skipped = sighting.square is None or not (self._skipped or sighting.first)
            chosen.append(None if self._skipped else sighting.square)
        squares = [square for square in chosen if square is not None]
        found = iter(())
        if squares:
            found = iter(self._renderer.encode_motion(to_tensor(np.stack(squares), self._like)).float().cpu().numpy())
        for sighting, square in zip(group, chosen, strict=True):
            recorder.add(sighting, None if square is None else next(found))
