"""Each stage of the pipeline on its own, and the whole."""

import copy
import math
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from imtalker.bench.stopwatch import PeakMemory, Timing, count_flops, time_call, time_calls
from imtalker.config import FRAME_RATE, SAMPLE_RATE, SamplingOptions
from imtalker.errors import InputError
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.rendering import to_tensor
from imtalker.pipeline.talking_head import Portrait, TalkingHeadPipeline
from imtalker.pipeline.timing import Timings
from imtalker.renderer import Painter, Renderer, to_frames
from imtalker.renderer.fuse import fuse
from imtalker.renderer.reference import ReferenceRenderer

AUDIO_SECONDS = 4.0  # of sound that the stages work on
_WINDOW_STEPS = 4  # evaluations of the network that are timed together


@dataclass(frozen=True)
class StageTiming:
    """One row of the table."""

    name: str
    unit: str  # what one call works on
    timing: Timing
    flops: int | None = None  # of one call
    per_frame: float | None = None  # milliseconds a video frame; None: once per portrait or only for driving clips


@dataclass(frozen=True)
class ReferenceRatio:
    """The renderer's fast path against the straightforward one, measured in turns."""

    fast: Timing | None
    reference: Timing | None
    largest_difference: float  # of the frames, in 0..1
    reason: str = ""  # why there is no ratio
    fast_memory: int | None = None  # bytes that a frame takes beside weights and source features
    reference_memory: int | None = None

    @property
    def ratio(self) -> float:
        """How many times faster; NaN without a reference."""
        return math.nan if self.fast is None or self.reference is None else self.reference.median / self.fast.median


@dataclass(frozen=True)
class EndToEnd:
    """A whole run, from files to a file."""

    seconds_of_video: float
    first_frame: float
    frames_per_second: float
    stages: dict[str, float]
    host_memory: int | None
    device_memory: int | None

    @property
    def times_real_time(self) -> float:
        return self.frames_per_second / FRAME_RATE


def sample_picture(size: int = 720) -> np.ndarray:
    """A smooth random picture, uint8 (size,size,3): stages take as long on it as on a portrait."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 12, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    return to_frames(image)[0]


def sample_speech(seconds: float) -> np.ndarray:
    """Noise with syllables four times a second, float32 (N,) at 16 kHz."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(size=len(time))
    return (0.1 * noise * (1 + np.sin(2 * np.pi * 4 * time))).astype(np.float32)


def write_speech(path: Path, seconds: float) -> None:
    """The same as a 16-bit WAV file, written second by second."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for done in range(int(np.ceil(seconds))):
            piece = sample_speech(min(1.0, seconds - done))
            file.writeframes((piece.clip(-1, 1) * 32767).astype("<i2").tobytes())


def time_stages(pipeline: TalkingHeadPipeline, seconds: float) -> list[StageTiming]:
    """All stages. ``seconds``: how long each is repeated."""
    device, batch, models = pipeline.device, pipeline.batch_size, pipeline.models
    renderer, config = models.renderer, models.renderer.config
    for network in (renderer, models.generator, models.audio_encoder):
        network.requires_grad_(False)  # the counter of operations hooks into gradients otherwise
    picture = sample_picture()
    portrait = pipeline.encode_source(picture, crop=None)
    square = to_tensor(sample_picture(config.input_size)[None], next(renderer.parameters()))
    speech = sample_speech(AUDIO_SECONDS)
    frames = round(AUDIO_SECONDS * FRAME_RATE)
    motion = portrait.features.motion.expand(batch, -1).contiguous()
    painters = [Painter(renderer, portrait.features, size) for size in config.sizes]
    result = painters[-1](motion)
    options = replace(models.preset.sampling, num_steps=_WINDOW_STEPS)
    window = models.generator.config.window_frames

    @torch.inference_mode()
    def encode_audio() -> torch.Tensor:
        return torch.cat(list(models.audio_encoder.encode_stream(speech, frames)), 1)

    features = encode_audio()[:, :window]
    reference = portrait.features.motion.float()

    def generate() -> None:
        for _ in models.generator.generate(features, reference, options=options):
            pass

    def write_video() -> None:
        with tempfile.TemporaryDirectory() as folder:
            size = (result.shape[1], result.shape[2])
            with VideoWriter(Path(folder) / "bench.mp4", size, FRAME_RATE) as writer:
                for _ in range(-(-FRAME_RATE // len(result))):
                    writer.write(result)

    written = len(result) * -(-FRAME_RATE // len(result))
    render = torch.inference_mode()(lambda: renderer.render(motion, portrait.features))
    rows = [
        ("face detection and crop", "portrait", lambda: pipeline.framing.detector.detect(picture), None, False),
        ("source encoding", "portrait", torch.inference_mode()(lambda: renderer.encode_source(square)), None, True),
        ("audio encoding", f"{AUDIO_SECONDS:g} s of sound", encode_audio, frames, True),
        ("motion generation", f"{window} frames, {_WINDOW_STEPS} evaluations", generate, None, True),
        ("rendering", f"{batch} frames", render, batch, True),
        *((f"finished frames of {p.size} px", f"{batch} frames", lambda p=p: p(motion), None, False) for p in painters),
        (
            "motion encoding",
            "driving frame",
            torch.inference_mode()(lambda: renderer.encode_motion(square)),
            None,
            True,
        ),
        ("video encoding", f"{written} frames", write_video, written, False),
    ]
    timings = []
    for name, unit, call, count, counted in rows:
        timing = time_call(call, device, seconds)
        per_frame = None if count is None else 1000 * timing.median / count
        if name == "motion generation":
            per_step = timing.median / _WINDOW_STEPS
            per_frame = 1000 * per_step * models.preset.sampling.num_steps / window
        timings.append(StageTiming(name, unit, timing, count_flops(call) if counted else None, per_frame))
    return timings


def compare_with_reference(pipeline: TalkingHeadPipeline, seconds: float) -> ReferenceRatio:
    """Time the fast path and the reference path of the renderer on one random network of the same shape."""
    config = pipeline.models.renderer.config
    device, dtype = pipeline.device, pipeline.dtype
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        renderer = Renderer(config).eval().requires_grad_(False).to(device, dtype)
    try:
        reference = ReferenceRenderer(renderer)
    except InputError as error:
        return ReferenceRatio(None, None, math.nan, str(error))
    with torch.inference_mode():
        square = to_tensor(sample_picture(config.input_size)[None], next(renderer.parameters()))
        motion = torch.randn(1, config.motion_dim, generator=torch.Generator().manual_seed(1)).to(device, dtype)
        slow_source = reference.encode_source(square)
        renderer = fuse(copy.deepcopy(renderer))
        fast_source = renderer.encode_source(square)
        fast, fast_memory = _memory_of(lambda: renderer.render(motion, fast_source), device)
        slow, slow_memory = _memory_of(lambda: reference.render(motion, slow_source), device)
        timings = time_calls(
            [lambda: renderer.render(motion, fast_source), lambda: reference.render(motion, slow_source)],
            device,
            seconds,
        )
    difference = float((slow - fast).abs().max())
    return ReferenceRatio(timings[0], timings[1], difference, "", fast_memory, slow_memory)


def _memory_of(draw: Callable[[], torch.Tensor], device: torch.device) -> tuple[torch.Tensor, int | None]:
    """A frame, and what drawing it adds to the memory in use: the median of three calls after one."""
    frame, growths = draw(), []
    for _ in range(3):
        with PeakMemory(device) as memory:
            draw()
        growths.append(memory.growth)
    return frame, None if None in growths else sorted(growths)[1]


def time_compiled(pipeline: TalkingHeadPipeline, seconds: float) -> tuple[Timing, Timing]:
    """Rendering as it is and compiled by ``torch.compile``, measured in turns; compiling takes minutes."""
    renderer = pipeline.models.renderer
    features = pipeline.encode_source(sample_picture(), crop=None).features
    motion = features.motion.expand(pipeline.batch_size, -1).contiguous()
    compiled = torch.compile(renderer.render)
    with torch.inference_mode():
        calls = [lambda: renderer.render(motion, features), lambda: compiled(motion, features)]
        eager, fast = time_calls(calls, pipeline.device, seconds, warmup=3)
    return eager, fast


def run_end_to_end(pipeline: TalkingHeadPipeline, seconds: float, options: SamplingOptions | None = None) -> EndToEnd:
    """One run of the pipeline from a sound file into a video file with that sound, and its peak memory."""
    portrait: Portrait = pipeline.encode_source(sample_picture(), crop=None)
    timings = Timings()
    with tempfile.TemporaryDirectory() as folder:
        speech = Path(folder) / "bench.wav"
        write_speech(speech, seconds)
        with PeakMemory(pipeline.device) as memory:
            animation = pipeline.animate_from_audio(portrait, speech, options=options, timings=timings)
            with VideoWriter(Path(folder) / "bench.mp4", animation.size, FRAME_RATE, animation.audio) as writer:
                for chunk in animation:
                    with timings.measure("video_encoding"):
                        writer.write(chunk.frames)
            timings.finish()
    return EndToEnd(
        seconds,
        timings.first_frame or math.nan,
        timings.fps,
        dict(timings.stages),
        memory.host,
        memory.device,
    )
