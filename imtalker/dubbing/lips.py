"""Speech -> the motion asked of the mouth, with the clip's head as control and the person's own way of articulating."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, SAMPLE_RATE, SamplingOptions
from imtalker.dubbing.mouth_space import lip_gap, scale_mouth, with_sides_of
from imtalker.dubbing.references import References
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from imtalker.generator.head_transfer import head_controls
from imtalker.generator.motion_parts import combine
from imtalker.media.audio import load_waveform
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings

logger = logging.getLogger(__name__)

OWN_RANGE = (0.7, 1.4)  # within which the person's own articulation is followed
LISTEN_SECONDS = 12.0  # of the clip's own speech that tell how far the person opens the mouth
LEAST_MOTION = 0.05  # cm, deviation of the lip gap below which somebody does not speak


def speech_motion(
    pipeline: TalkingHeadPipeline,
    waveform: np.ndarray,
    references: References,
    head: np.ndarray | None,
    sampling: SamplingOptions | None,
    timings: Timings,
) -> Iterator[Tensor]:
    """Motion windows ``(1, n, 32)`` at 25 frames per second for speech ``(N,)`` at 16 kHz.

    Args:
        head: motion ``(T, 32)`` of the clip at 25 frames per second, whose head is followed; None: a free head.
    """
    controls: MotionControls | None = None
    if head is not None:
        controls = head_controls(torch.from_numpy(head), len(head))
    features = timings.iterate("audio_encoding", pipeline.models.audio_encoder.encode_stream(waveform))
    start = torch.from_numpy(references.motion)[None].to(pipeline.device)
    windows = pipeline.models.generator.generate(features, start, controls, sampling or pipeline.preset.sampling)
    return timings.iterate("motion_generation", windows)


def own_articulation(
    pipeline: TalkingHeadPipeline,
    video: str | Path,
    motion: np.ndarray,
    fps: float,
    references: References,
    sampling: SamplingOptions | None,
) -> float:
    """How much further than the generator the person opens the mouth for the same sound; 1 where that is unknown.

    Args:
        motion: ``(T, 32)`` of the clip's frames.
        fps: of these.
    """
    try:
        waveform = load_waveform(video)
    except InputError as error:
        logger.info("articulation is left as generated (%s)", error)
        return 1.0
    seconds = min(LISTEN_SECONDS, len(motion) / fps, len(waveform) / SAMPLE_RATE)
    waveform = waveform[: int(seconds * SAMPLE_RATE)]
    seen = lip_gap(torch.from_numpy(motion[: max(1, int(seconds * fps))])).numpy()
    if seconds < 1.0 or seen.std() < LEAST_MOTION or np.abs(waveform).max() < 0.01:
        return 1.0
    windows = speech_motion(pipeline, waveform, references, None, sampling, Timings())
    generated = torch.cat([lip_gap(window[0].float().cpu()) for window in windows]).numpy()
    if generated.std() < LEAST_MOTION:
        return 1.0
    return round(float(np.clip(seen.std() / generated.std(), *OWN_RANGE)), 3)  # as it can be written down


def articulated(windows: Iterator[Tensor], references: References, factor: float) -> Iterator[Tensor]:
    """Windows whose mouth moves ``factor`` times as far from the neutral frame's closed lips; closures stay closed."""
    about = torch.from_numpy(references.motion)
    for window in windows:
        window = window.float().cpu()
        yield window if factor == 1 else scale_mouth(window, about, factor)


def onto_clip(mouth: Tensor, clip: Tensor) -> Tensor:
    """Motion ``(n, 32)`` to draw: lips and jaw of ``mouth``, head, eyes and brows of the clip's own motion.

    What differs between the sides of the mouth also stays the clip's: speech moves both sides alike, and a turned
    head makes its landmarks look crooked when they are not.
    """
    return with_sides_of(combine(mouth, clip, "lips"), clip)


def resampled(windows: Iterator[Tensor], fps: float, total: int) -> Iterator[Tensor]:
    """Motion ``(32,)`` of ``total`` frames at another rate, between those of the 25 a second; held at the end."""
    frames = (frame for window in windows for frame in window[0])
    before = next(frames)
    after = next(frames, before)
    at = 0  # place of ``before``
    for index in range(total):
        position = index * FRAME_RATE / fps
        while position >= at + 1:
            before, after = after, next(frames, after)
            at += 1
        yield torch.lerp(before, after, position - at)
