"""How far the sound of a recording is off its picture, so that it can be taken out before lips are compared.

Published clips are often cut with sound a few frames early or late; the field measures a recording's offset over its
whole length and corrects it first (Chung and Zisserman 2016, "Out of time"; the preparation of VoxCeleb and Wav2Lip).
Three cues are searched together: the mouth's opening against the openness of the phonemes heard, closed lips at
p, b, m, and the mouth's width against rounded and spread phonemes. On five speeches all three find the same offset
within three frames; the loudness of the sound finds others and is left out.
"""

from dataclasses import dataclass

import numpy as np

from imtalker.config import SAMPLE_RATE
from imtalker.evaluate.lip_sync import MAX_OFFSET, correlation, known_without_trend, peak_shift, without_trend
from imtalker.evaluate.phonemes import PhonemeTrack

MIN_CONFIDENCE = 0.33  # of mouths with foreign sound, 8 s each, one in twenty reaches it
_PEAK_WIDTH = 0.16  # seconds round the best offset that belong to its own peak
_PULSE = 0.04  # seconds, width of a closure


@dataclass(frozen=True)
class AvOffset:
    """When the picture comes, against its sound."""

    seconds: float  # to be taken out; positive: the picture comes after the sound; 0 where it cannot be told
    found: float  # seconds, where the cues agree best, trusted or not; range +-MAX_OFFSET; NaN: nothing to go by
    confidence: float  # best score minus the best outside its peak; 0..6, higher is better

    @property
    def trusted(self) -> bool:
        """Whether the cues agree clearly better there than anywhere else."""
        return self.confidence >= MIN_CONFIDENCE


UNKNOWN = AvOffset(0.0, float("nan"), 0.0)


def av_offset(opening: np.ndarray, width: np.ndarray, cues: PhonemeTrack, fps: float) -> AvOffset:
    """Offset of a recording from its mouth and what its sound asks of it.

    Give as much of the recording as there is: 8 s mostly tell it, 4 s often. Less than two seconds of face or a sound
    without speech tell nothing: ``UNKNOWN``.

    Args:
        opening, width: (T,) of the mouth in each frame, any unit; NaN where unknown.
        cues: what the sound asks of the lips.
        fps: frames per second.
    """
    known = np.isfinite(opening) & np.isfinite(width)
    if known.sum() < 2 * fps or not len(cues.openness):
        return UNKNOWN
    times = (np.arange(len(opening)) + 0.5) / fps
    moves, widens = (known_without_trend(curve, known, fps) for curve in (opening, width))
    step = 0.5 / fps
    offsets = np.arange(-int(MAX_OFFSET / step), int(MAX_OFFSET / step) + 1) * step
    curve = np.array([_agreement(moves, widens, cues, times - offset, known, fps) for offset in offsets])
    if not np.any(curve):
        return UNKNOWN
    best = int(curve.argmax())
    others = curve[np.abs(offsets - offsets[best]) > _PEAK_WIDTH]
    confidence = float(curve[best] - others.max())
    found = float(offsets[best] + step * peak_shift(curve, best))
    return AvOffset(found if confidence >= MIN_CONFIDENCE else 0.0, found, confidence)


def shift_sound(waveform: np.ndarray, seconds: float) -> np.ndarray:
    """The sound (N,) at 16 kHz delayed by ``seconds`` (before its time where negative), as long as it was.

    Silence fills the gap. Delaying by the offset of a recording puts its sound in step with its picture.
    """
    samples = round(seconds * SAMPLE_RATE)
    out = np.zeros_like(waveform)
    if samples >= 0:
        out[samples:] = waveform[: max(0, len(waveform) - samples)]
    else:
        out[: max(0, len(waveform) + samples)] = waveform[-samples:]
    return out


def _agreement(
    opening: np.ndarray, width: np.ndarray, cues: PhonemeTrack, times: np.ndarray, known: np.ndarray, fps: float
) -> float:
    """Sum of the correlations of the three cues, -3..3."""

    def agree(seen: np.ndarray, asked: np.ndarray) -> float:
        return correlation(seen[known], without_trend(asked, fps)[known])

    score = agree(opening, cues.openness_at(times)) + agree(width, cues.spread_at(times))
    if len(cues.closures):
        score -= agree(opening, np.exp(-0.5 * ((times[:, None] - cues.closures) / _PULSE) ** 2).sum(1))
    return score
