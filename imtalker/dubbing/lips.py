"""Speech -> the motion asked of the mouth, with the person's own way of articulating."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, SAMPLE_RATE, SamplingOptions
from imtalker.dubbing.mouth_space import lip_gap, scale_mouth, with_sides_of
from imtalker.dubbing.references import References
from imtalker.generator.motion_parts import combine
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.workers import by_one_thread

OWN_RANGE = (0.7, 1.4)  # within which the person's own articulation is followed
LEAST_SECONDS, LEAST_SOUND = 1.0, 0.01  # of the clip's own speech, and its peak, that tell something
LEAST_MOTION = 0.05  # cm, deviation of the lip gap below which somebody does not speak


def speech_motion(
    pipeline: TalkingHeadPipeline, waveform: np.ndarray, references: References, sampling: SamplingOptions | None
) -> Iterator[Tensor]:
    """Motion windows ``(1, n, 32)`` at 25 frames per second for speech ``(N,)`` at 16 kHz; only their lips are used.

    The head is left to the generator: that of the clip went with other words, and asked for it the lips come no nearer
    to the truth.
    """
    features = pipeline.models.audio_encoder.encode_stream(waveform)
    start = torch.from_numpy(references.motion)[None].to(pipeline.device)
    return pipeline.models.generator.generate(features, start, None, sampling or pipeline.preset.sampling)


def own_articulation(
    pipeline: TalkingHeadPipeline,
    waveform: np.ndarray | None,
    motion: np.ndarray,
    references: References,
    sampling: SamplingOptions | None,
) -> float:
    """How much further than the generator the person opens the mouth for the same sound; 1 where that is unknown.

    Args:
        waveform: what the person says, ``(N,)`` at 16 kHz; None: nobody knows.
        motion: ``(n, 32)`` of the clip's frames at moments of that time.
    """
    if waveform is None or len(waveform) < LEAST_SECONDS * SAMPLE_RATE or np.abs(waveform).max() < LEAST_SOUND:
        return 1.0
    seen = lip_gap(torch.from_numpy(motion)).numpy()
    if seen.std() < LEAST_MOTION:
        return 1.0
    windows = by_one_thread(speech_motion(pipeline, waveform, references, sampling))
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
