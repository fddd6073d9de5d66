"""Do the lips match the sound: offset, correlation and confidence, and whether lips close where they must.

None of these numbers is comparable with the Sync-C and Sync-D of the paper, which need SyncNet.
"""

from dataclasses import dataclass

import numpy as np

from imtalker.evaluate.phonemes import PhonemeTrack

MAX_OFFSET = 0.6  # seconds searched on both sides
CLOSED_LIPS = 0.15  # cm on an average face; landmarks of closed lips mostly stay below
# Share of the widest opening; beards and shadows leave a gap between the landmarks of closed lips.
CLOSED_SHARE = 0.2
_TREND_SECONDS = 1.0  # slower changes of the opening (a smile, a change of pose) are not speech


@dataclass(frozen=True)
class LipSync:
    """How the opening of the mouth follows the openness that the sound asks for."""

    offset: float  # seconds; positive: the picture comes after the sound; range +-MAX_OFFSET
    correlation: float  # at that offset, -1..1; higher is better; good recordings reach 0.3 to 0.7
    correlation_as_is: float  # at offset 0
    confidence: float  # correlation at the best offset minus its median over all; 0..2, higher is better
    offsets: np.ndarray  # (K,) seconds, the offsets tried
    curve: np.ndarray  # (K,) correlation at each


def lip_sync(opening: np.ndarray, cues: PhonemeTrack, fps: float) -> LipSync | None:
    """Correlate the mouth's opening with the openness of the phonemes at all offsets up to ``MAX_OFFSET``.

    Args:
        opening: (T,) opening of the mouth per frame, any unit; NaN where unknown.
        cues: what the sound asks for.
        fps: frames per second.

    Returns:
        None where nothing can be said: fewer than a second of frames with a face, no speech, or a mouth that
        never moves.
    """
    known = np.isfinite(opening)
    if known.sum() < fps:
        return None
    times = (np.arange(len(opening)) + 0.5) / fps
    moving = known_without_trend(opening, known, fps)
    step = 0.5 / fps
    offsets = np.arange(-int(MAX_OFFSET / step), int(MAX_OFFSET / step) + 1) * step
    curve = np.zeros(len(offsets))
    for index, offset in enumerate(offsets):
        asked = without_trend(cues.openness_at(times - offset), fps) if len(cues.openness) else np.zeros(len(times))
        curve[index] = correlation(moving[known], asked[known])
    if not np.any(curve):
        return None
    best = int(curve.argmax())
    return LipSync(
        float(offsets[best] + step * peak_shift(curve, best)),
        float(curve[best]),
        float(curve[len(curve) // 2]),
        float(curve[best] - np.median(curve)),
        offsets,
        curve,
    )


def closure_rate(opening: np.ndarray, cues: PhonemeTrack, fps: float, reach: float = 0.08) -> float | None:
    """Share of the sound's p, b, m at which the lips are seen closed: 0..1, higher is better.

    A closure counts when in a frame within ``reach`` seconds of its middle the mouth is narrower than
    ``CLOSED_LIPS``, or than a fifth of its widest opening (95th percentile). None when the sound has no
    such phonemes or no face is seen at any.

    Source: bilabial closure as a test of lip sync, e.g. Agarwal et al. 2020.
    """
    times = (np.arange(len(opening)) + 0.5) / fps
    narrowest = []
    for moment in cues.closures:
        near = opening[np.abs(times - moment) <= reach]
        near = near[np.isfinite(near)]
        if len(near):
            narrowest.append(near.min())
    if not narrowest:
        return None
    closed = max(CLOSED_LIPS, CLOSED_SHARE * float(np.nanpercentile(opening, 95)))
    return float((np.array(narrowest) < closed).mean())


def known_without_trend(curve: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
    """``without_trend``, once what is not ``known`` (T,) has been filled in by straight lines."""
    return without_trend(np.interp(np.arange(len(curve)), np.flatnonzero(known), curve[known]), fps)


def without_trend(curve: np.ndarray, fps: float) -> np.ndarray:
    reach = max(1, int(_TREND_SECONDS * fps / 2))
    kernel = np.hanning(2 * reach + 3)[1:-1]
    padded = np.pad(curve, reach, mode="reflect" if len(curve) > reach else "edge")
    return curve - np.convolve(padded, kernel / kernel.sum(), mode="valid")


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 1e-9 else 0.0


def peak_shift(curve: np.ndarray, best: int) -> float:
    """Where a parabola through the maximum and its neighbours peaks, in steps from the maximum
    (-0.5..0.5).
    """
    if best in (0, len(curve) - 1):
        return 0.0
    left, top, right = curve[best - 1 : best + 2]
    bend = left - 2 * top + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0
