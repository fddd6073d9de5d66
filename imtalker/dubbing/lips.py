"""Speech -> the motion asked of the mouth, with the clip's head as control."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, SamplingOptions
from imtalker.dubbing.mouth_space import with_sides_of
from imtalker.dubbing.references import References
from imtalker.generator.controls import MotionControls
from imtalker.generator.head_transfer import head_controls
from imtalker.generator.motion_parts import combine
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings


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
