"""How well generated motion fits speech with known phoneme times: lips, closures, silence, steadiness."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, MOTION_DIM, SamplingOptions
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.generator.speech_encoder import SpeechEncoder
from imtalker.train.motion.control_tracks import puppet_controls
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.speech.corpus import Utterance
from imtalker.train.speech.phonemes import SILENCE, Segment
from imtalker.train.speech.visemes import BREATH, HOLD, LIP_CLOSING, LONG_PAUSE, mouth_track

CLOSED_GAP = 0.1  # cm between the lips that still look closed: about one pixel at 256x256
_MAX_LAG = 5  # frames


@dataclass(frozen=True, eq=False)
class Speech:
    """Audio features (1, T, C) and the phonemes spoken."""

    features: Tensor
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, utterance: Utterance, encoder: SpeechEncoder) -> "Speech":
        """Features of the clean utterance."""
        with torch.inference_mode():
            return cls(encoder.encode(utterance.waveform), utterance.segments)


def generate(
    generator: MotionGenerator, speech: Speech, options: SamplingOptions, reference: Tensor | None = None
) -> np.ndarray:
    """Motion (T, 32) for speech; from a neutral frontal portrait unless ``reference (1, 32)`` is given."""
    start = torch.zeros(1, MOTION_DIM) if reference is None else reference
    device = next(generator.parameters()).device
    pieces = list(generator.generate(speech.features.to(device), start.to(device), None, options))
    return torch.cat(pieces, 1)[0].cpu().numpy()


def lag_correlation(found: np.ndarray, asked: np.ndarray) -> tuple[float, int]:
    """Highest correlation of two curves (T,) and its lag in frames; positive: ``found`` is late."""
    scores = {}
    for lag in range(-_MAX_LAG, _MAX_LAG + 1):
        a = found[max(0, lag) : len(found) + min(0, lag)]
        b = asked[max(0, -lag) : len(asked) - max(0, lag)]
        scores[lag] = float(np.corrcoef(a, b)[0, 1])
    best = max(scores, key=lambda lag: scores[lag])
    return scores[best], best


def closures(gap: np.ndarray, segments: Sequence[Segment]) -> tuple[int, int]:
    """(closed, asked): m, b, p during which the opening (T,) cm falls below ``CLOSED_GAP``."""
    closed = asked = 0
    time = (np.arange(len(gap)) + 0.5) / FRAME_RATE
    for segment in segments:
        if segment.phoneme in LIP_CLOSING:
            near = (time > segment.start - 0.045) & (time < segment.end + 0.03)
            if near.any():
                asked += 1
                closed += int(gap[near].min() < CLOSED_GAP)
    return closed, asked


def false_closures(gap: np.ndarray, segments: Sequence[Segment]) -> np.ndarray:
    """(n,) bool: in frames of speech that are 80 ms or more from m, b, p, whether the lips are closed."""
    time = (np.arange(len(gap)) + 0.5) / FRAME_RATE
    asked = np.ones(len(gap), bool)
    for segment in segments:
        if segment.phoneme in LIP_CLOSING:
            asked &= (time <= segment.start - 0.085) | (time >= segment.end + 0.07)
        elif segment.phoneme == SILENCE:
            asked &= (time <= segment.start) | (time >= segment.end)
    return gap[asked] < CLOSED_GAP


def silence_gap(gap: np.ndarray, segments: Sequence[Segment]) -> np.ndarray:
    """Openings (n,) cm in silences while lips rest closed."""
    time = (np.arange(len(gap)) + 0.5) / FRAME_RATE
    quiet = np.zeros(len(gap), bool)
    for segment in segments:
        if segment.phoneme == SILENCE and segment.duration > LONG_PAUSE:
            quiet |= (time > segment.start + HOLD + 0.1) & (time < segment.end - BREATH - 0.1)
    return gap[quiet]


def jitter(track: np.ndarray) -> float:
    """Mean absolute second difference of a track (T,) or (T, n), in its unit per frame squared."""
    return float(np.abs(np.diff(track, n=2, axis=0)).mean())


def score_generator(
    generator: MotionGenerator, speeches: Sequence[Speech], space: MotionSpace, options: SamplingOptions
) -> dict[str, float]:
    """Scores over clips, each generated once: see the functions above; tracks count the truth's own values."""
    if not speeches:
        return {}
    gaps, truths, pauses, poses = [], [], [], []
    closed = asked = 0
    for speech in speeches:
        motion = generate(generator, speech, options)
        gap = space.mouth_gap(motion)
        track = mouth_track(speech.segments, len(motion))
        gaps.append(gap)
        truths.append(space.mouth_gap(space.encode(puppet_controls(track))))
        pauses.append(silence_gap(gap, speech.segments))
        poses.append(motion[:, :3] * 10)
        c, a = closures(gap, speech.segments)
        closed, asked = closed + c, asked + a
    gap, truth = np.concatenate(gaps), np.concatenate(truths)
    correlation, lag = lag_correlation(gap, truth)
    quiet = np.concatenate(pauses)
    return {
        "gap_correlation": correlation,
        "gap_lag": float(lag),
        "gap_amplitude": float(gap.std() / truth.std()),
        "closures": closed / max(1, asked),
        "silence_gap": float(quiet.mean()) if len(quiet) else 0.0,
        "gap_jitter_ratio": jitter(gap) / jitter(truth),
        "pose_jitter_degrees": float(np.mean([jitter(p) for p in poses])),
        "pose_deviation_degrees": float(np.mean([p.std(0).mean() for p in poses])),
    }
