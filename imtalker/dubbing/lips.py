"""Speech -> the motion asked of the mouth."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, SamplingOptions
from imtalker.dubbing.mouth_space import with_sides_of
from imtalker.dubbing.references import References
from imtalker.generator.motion_parts import combine
from imtalker.pipeline.talking_head import TalkingHeadPipeline


class SpokenWindow(NamedTuple):
    """Some consecutive frames of speech at 25 a second."""

    motion: Tensor  # (n, 32) float32 on the CPU; only its lips are used
    features: Tensor  # (n, C) the same, what the audio encoder heard


def speech_motion(
    pipeline: TalkingHeadPipeline, waveform: np.ndarray, references: References, sampling: SamplingOptions | None
) -> Iterator[SpokenWindow]:
    """Windows of motion at 25 frames per second for speech ``(N,)`` at 16 kHz.

    The head is left to the generator: that of the clip went with other words, and asked for it the lips come no nearer
    to the truth.
    """
    heard = torch.zeros(0, pipeline.models.generator.config.feature_dim)

    def listening() -> Iterator[Tensor]:
        nonlocal heard
        for piece in pipeline.models.audio_encoder.encode_stream(waveform):
            heard = torch.cat([heard, piece[0].float().cpu()])
            yield piece

    start = torch.from_numpy(references.motion)[None].to(pipeline.device)
    windows = pipeline.models.generator.generate(listening(), start, None, sampling or pipeline.preset.sampling)
    for window in windows:
        count = window.shape[1]
        yield SpokenWindow(window[0].float().cpu(), heard[:count])
        heard = heard[count:]


def onto_clip(mouth: Tensor, clip: Tensor) -> Tensor:
    """Motion ``(n, 32)`` to draw: lips and jaw of ``mouth``, head, eyes and brows of the clip's own motion.

    What differs between the sides of the mouth also stays the clip's: speech moves both sides alike, and a turned
    head makes its landmarks look crooked when they are not.
    """
    return with_sides_of(combine(mouth, clip, "lips"), clip)


def resampled(windows: Iterator[Tensor], fps: float, total: int) -> Iterator[Tensor]:
    """Motion ``(32,)`` of ``total`` frames at another rate than the 25 a second of windows ``(1, n, 32)``, from the two
    frames on either side of each; held at the end."""
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
