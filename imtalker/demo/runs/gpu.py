"""The one function that needs the accelerator. ``spaces`` lends a GPU for it where the app runs on ZeroGPU."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import spaces

from imtalker.demo.errors import in_words
from imtalker.demo.models import ModelHost
from imtalker.demo.runs.job import Job, Looked
from imtalker.errors import InputError
from imtalker.media.remark import Remark
from imtalker.pipeline.animation import FrameChunk
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings

START_SECONDS = 6  # until a lent GPU holds the weights, one gigabyte
MAX_GPU_SECONDS = 80  # of one run: where a GPU is counted one and a half times, a visitor's 120 a day are just enough


@dataclass(frozen=True)
class Part:
    """Some rendered frames and everything learnt since the part before; on the CPU."""

    chunk: FrameChunk  # squares: post-processing needs no GPU
    motion: list[np.ndarray]  # windows (m, 32) float32 that are new
    recipe: dict
    seconds: dict[str, float]  # per stage, so far
    remarks: tuple[Remark, ...] = ()  # on what moves the portrait, for people


@dataclass(frozen=True)
class Failure:
    """A run that could not go on. Exceptions would lose their text on the way out of a GPU process."""

    message: str


Rendered = Iterator[Looked | Part | Failure]
RenderClip = Callable[[Job], Rendered]


def gpu_seconds(job: Job) -> int:
    """How long a GPU is needed at most: what ZeroGPU counts against the visitor's quota."""
    return math.ceil(START_SECONDS + job.gpu_seconds)


def check_gpu_seconds(job: Job) -> None:
    """Raise InputError for a run that needs more than a visitor has, before anything of it is spent."""
    needed = gpu_seconds(job)
    if needed > MAX_GPU_SECONDS:
        raise InputError(
            f"this run needs a GPU for about {needed} s; {MAX_GPU_SECONDS} s are possible here: "
            "take fewer steps, or cut the speech or clip in two"
        )


def make_renderer(host: ModelHost) -> RenderClip:
    """The GPU function for a set of models; one entry per clip."""

    @spaces.GPU(duration=gpu_seconds)
    def render_clip(job: Job) -> Rendered:
        try:
            yield from _parts(host.pipeline(), job)
        except Exception as error:  # noqa: BLE001
            yield Failure(in_words(error))

    return render_clip


def render_here(host: ModelHost) -> RenderClip:
    """The same without asking for a GPU, where nobody is there to be billed for it."""

    def render_clip(job: Job) -> Rendered:
        yield from _parts(host.pipeline(), job)

    return render_clip


def _parts(pipeline: TalkingHeadPipeline, job: Job) -> Iterator[Looked | Part]:
    timings = Timings()
    run = yield from job.start(pipeline, timings)
    sent = 0
    try:
        for chunk in run:
            windows = [window[0].numpy() for window in run.windows[sent:]]
            sent = len(run.windows)
            yield Part(chunk, windows, run.recipe, dict(timings.stages), run.remarks)
    finally:
        run.close()
