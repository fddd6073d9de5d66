"""How time and memory grow: with the clip's length, sampling steps, batch, threads, resolution."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from imtalker.bench.stages import run_end_to_end, sample_picture, sample_speech
from imtalker.bench.stopwatch import PeakMemory, time_call
from imtalker.config import RendererConfig
from imtalker.pipeline.rendering import to_tensor
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.renderer import Renderer

logger = logging.getLogger(__name__)

LENGTHS = (5, 30, 120, 600)  # seconds of video
STEPS = (4, 10, 20, 50)
BATCHES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Point:
    """One measurement."""

    x: float
    milliseconds: float | None  # per frame
    host_memory: int | None = None  # bytes, highest
    device_memory: int | None = None


@dataclass(frozen=True)
class Curve:
    """A row of measurements."""

    name: str
    x_title: str
    points: tuple[Point, ...]
    left_out: tuple[float, ...] = ()  # points that would have taken too long


def length_curve(pipeline: TalkingHeadPipeline, budget: float) -> Curve:
    """Whole runs of growing length.

    Where a run would take longer than ``budget`` seconds, one picture stands for all: its memory is that of the whole
    run, since pictures are drawn batch by batch, and its time is not given. What is too long even so is left out.
    """
    points: list[Point] = []
    left_out: list[float] = []
    per_second = drawing = 0.0  # seconds of work for a second of video, and the part of it that draws
    for length in LENGTHS:
        still = per_second * length > budget
        if still and (per_second - drawing) * length > budget:
            left_out.append(length)
            continue
        start = time.perf_counter()
        with _one_picture(pipeline.models.renderer) if still else nullcontext():
            run = run_end_to_end(pipeline, length)
        if not still:
            per_second, drawing = (time.perf_counter() - start) / length, run.stages["rendering"] / length
        points.append(
            Point(length, None if still else 1000 / run.frames_per_second, run.host_memory, run.device_memory)
        )
    return Curve("length", "seconds of video", tuple(points), tuple(left_out))


@contextmanager
def _one_picture(renderer: Renderer) -> Iterator[None]:
    """While it lasts, the renderer draws each size of batch once and gives the same pictures again."""
    # what a ``Painter`` asks of the renderer: whole frames, or what it composes them of
    names = ("layers", "render") if renderer.config.pixel_gate else ("render",)

    def once(draw: Callable) -> Callable:
        drawn: dict[int, Any] = {}

        def remembered(motion: torch.Tensor, *source: Any) -> Any:
            if len(motion) not in drawn:
                drawn[len(motion)] = draw(motion, *source)
            return drawn[len(motion)]

        return remembered

    for name in names:
        setattr(renderer, name, once(getattr(renderer, name)))
    try:
        yield
    finally:
        for name in names:
            delattr(renderer, name)


def steps_curve(pipeline: TalkingHeadPipeline, seconds: float) -> Curve:
    """Motion generation against evaluations of its network."""
    generator = pipeline.models.generator
    window = generator.config.window_frames
    speech = sample_speech(window / 25)
    with torch.inference_mode():
        features = pipeline.models.audio_encoder.encode(speech, window)
    reference = pipeline.encode_source(sample_picture(), crop=None).features.motion.float()
    points = []
    for steps in STEPS:
        timing = time_call(_generation(pipeline, features, reference, steps), pipeline.device, seconds)
        points.append(Point(steps, 1000 * timing.median / window))
    return Curve("steps", "evaluations of the motion network", tuple(points))


def _generation(
    pipeline: TalkingHeadPipeline, features: torch.Tensor, reference: torch.Tensor, steps: int
) -> Callable[[], object]:
    options = replace(pipeline.preset.sampling, num_steps=steps)
    return lambda: list(pipeline.models.generator.generate(features, reference, options=options))


def batch_curve(pipeline: TalkingHeadPipeline, seconds: float) -> Curve:
    """Rendering against frames at a time, with the highest memory."""
    points = [_render_point(pipeline, batch, batch, seconds) for batch in BATCHES]
    return Curve("batch", "frames at a time", tuple(points))


def threads_curve(pipeline: TalkingHeadPipeline, seconds: float) -> Curve:
    """Rendering against CPU threads; empty on a GPU."""
    if pipeline.device.type != "cpu":
        return Curve("threads", "CPU threads", ())
    available = torch.get_num_threads()
    counts = sorted({2**k for k in range(available.bit_length()) if 2**k <= available} | {available})
    points = []
    try:
        for count in counts:
            torch.set_num_threads(count)
            points.append(_render_point(pipeline, count, pipeline.batch_size, seconds))
    finally:
        torch.set_num_threads(available)
    return Curve("threads", "CPU threads", tuple(points))


def resolution_curve(pipeline: TalkingHeadPipeline, seconds: float) -> Curve:
    """Rendering by random networks with one level less, as many, and one level more than the preset's."""
    config = pipeline.models.renderer.config
    points = []
    for sized in (_half_size(config), config, _double_size(config)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            renderer = Renderer(sized).eval().requires_grad_(False).to(pipeline.device, pipeline.dtype)
        with torch.inference_mode():
            square = to_tensor(sample_picture(sized.input_size)[None], next(renderer.parameters()))
            source = renderer.encode_source(square)
            motion = source.motion
            timing = time_call(lambda r=renderer, m=motion, s=source: r.render(m, s), pipeline.device, seconds)
        points.append(Point(sized.output_size, 1000 * timing.median))
    return Curve("resolution", "side of the picture, pixels", tuple(points))


CURVES: dict[str, Callable[[TalkingHeadPipeline, float], Curve]] = {
    "steps": steps_curve,
    "batch": batch_curve,
    "threads": threads_curve,
    "resolution": resolution_curve,
    "length": length_curve,
}


def measure_curves(
    pipeline: TalkingHeadPipeline,
    names: Sequence[str],
    seconds: float,
    budget: float,
    progress: Callable[[str], None],
) -> Iterator[Curve]:
    """The named curves out of ``CURVES``.

    Args:
        seconds: how long each point of a stage is repeated.
        budget: longest run for one point of "length", seconds.
    """
    for name in names:
        progress(f"curve: {name}")
        yield CURVES[name](pipeline, budget if name == "length" else seconds)


def _render_point(pipeline: TalkingHeadPipeline, x: float, batch: int, seconds: float) -> Point:
    renderer = pipeline.models.renderer
    features = pipeline.encode_source(sample_picture(), crop=None).features
    motion = features.motion.expand(batch, -1).contiguous()
    with torch.inference_mode(), PeakMemory(pipeline.device) as memory:
        timing = time_call(lambda: renderer.render(motion, features), pipeline.device, seconds)
    return Point(x, 1000 * timing.median / batch, memory.host, memory.device)


def _half_size(config: RendererConfig) -> RendererConfig:
    return replace(
        config,
        input_size=config.input_size // 2,
        output_size=config.output_size // 2,
        channels=config.channels[:-1],
        synthesis_attention=config.synthesis_attention[:-1],
    )


def _double_size(config: RendererConfig) -> RendererConfig:
    return replace(
        config,
        input_size=config.input_size * 2,
        output_size=config.output_size * 2,
        channels=(*config.channels, config.channels[-1]),
        synthesis_attention=(*config.synthesis_attention, config.synthesis_attention[-1]),
    )
