"""From a ``DubRequest`` to a run: clip and speech are read and checked before a GPU is asked for."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from imtalker.config import SAMPLE_RATE, SamplingOptions
from imtalker.demo.runs.dub_request import DubRequest
from imtalker.demo.runs.job import Looked
from imtalker.demo.runs.jobs import sampling_options, speech_of
from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.dub import check_can_dub, dub_in_steps, dubbed_sound, original_beside, plan_of
from imtalker.dubbing.looking import ADAPTING
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.timing import Plan
from imtalker.errors import InputError
from imtalker.media.audio import load_clip_sound
from imtalker.media.remark import Remark
from imtalker.media.video_writer import AudioTrack, VideoWriter
from imtalker.pipeline.animation import Animation, FrameChunk
from imtalker.pipeline.inputs import Speech
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings

FRAMES_PER_SECOND = 12  # followed and drawn, cautiously: faces are found on the CPU


@dataclass(frozen=True)
class DubJob:
    """One run, see ``Job``."""

    clip: DubClip
    speech: Speech
    options: DubOptions
    sampling: SamplingOptions
    sound: AudioTrack  # of the finished video, at its own quality
    waveform: np.ndarray  # (N,) at 16 kHz: what is heard with the live view
    sound_offset: float = 0.0
    remarks: tuple[Remark, ...] = ()  # the run brings all of them

    @property
    def names(self) -> tuple[str | None, str | None]:
        """File names of clip and speech."""
        return self.clip.recipe["file"], self.speech.recipe.get("file") or "dubbed"

    @cached_property
    def plan(self) -> Plan:
        """Which frame of the clip is shown when."""
        return plan_of(self.clip, self.speech, self.options)

    @property
    def total(self) -> int:
        return self.plan.total

    @property
    def fps(self) -> Fraction:
        return self.clip.fps

    @property
    def gpu_seconds(self) -> float:
        return self.total / FRAMES_PER_SECOND + self.options.adapt

    def start(self, pipeline: TalkingHeadPipeline, timings: Timings) -> Generator[Looked, None, Animation]:
        """The look at the clip; see ``Job.start``."""
        steps = dub_in_steps(pipeline, self.clip, self.speech, self.options, self.sampling, timings=timings)
        while True:
            try:
                done, total, doing = next(steps)
                yield Looked(done, total, doing == ADAPTING)
            except StopIteration as end:
                return end.value

    def finisher(self, size: tuple[int, int], timings: Timings) -> "Whole":
        """Nothing is left to do."""
        return Whole(size)

    def beside(self, path: Path, size: tuple[int, int], **video: Any) -> VideoWriter:
        """Original and dubbed in step."""
        return original_beside(path, self.clip, self.plan, **video)


class Whole:
    """Pictures that are finished as they come."""

    def __init__(self, size: tuple[int, int]):
        self.size = size
        self.recipe: dict[str, Any] = {}

    def finish(self, chunks: Iterable[FrameChunk]) -> Iterator[FrameChunk]:
        """The same chunks."""
        yield from chunks


def make_dub_job(request: DubRequest, pipeline: TalkingHeadPipeline, max_seconds: float = 60.0) -> DubJob:
    """Read and check everything a request names.

    Raises:
        InputError: whatever is wrong with it.
    """
    check_can_dub(pipeline)
    options = DubOptions(
        face=request.face,
        length="video" if request.length == "video" else "audio",
        keep_pauses=request.keep_pauses,
        articulation="own" if request.articulation is None else request.articulation,
        reference=request.reference,
        background_sound=request.background / 100,
        adapt=request.adapt,
        label=request.label,
    )
    sampling = sampling_options(request, pipeline.preset.sampling)
    clip = DubClip.read(request.video)
    speech = speech_of(request, max_seconds)
    sound = dubbed_sound(clip, speech, options.background_sound)
    job = DubJob(clip, speech, options, sampling, sound, _heard(clip, speech, options.background_sound))
    if job.total > max_seconds * job.fps:
        seconds = float(job.total / job.fps)
        raise InputError(f"clip {clip.path.name} is {seconds:.1f} s long; the limit is {max_seconds:g} s, cut it first")
    return job


def _heard(clip: DubClip, speech: Speech, level: float) -> np.ndarray:
    """The speech with the clip's own sound under it, as the finished video has them."""
    if level == 0:
        return speech.waveform
    own = load_clip_sound(clip.path, clip.info.audio_offset)
    if own is None:
        return speech.waveform
    length = max(len(speech.waveform), min(len(own), round(clip.num_frames / clip.fps * SAMPLE_RATE)))
    heard = np.pad(speech.waveform, (0, length - len(speech.waveform)))
    heard[: len(own)] += level * own[:length]
    return heard.clip(-1, 1)
