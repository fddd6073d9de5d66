"""How a person's mouth follows the sound of speech: fitted to a clip that has the person's own.

What a generator of speech motion knows of all people is corrected by what one person does: ridge regression of opening
and width of the mouth on the generated ones and on the audio encoder's features over a fifth of a second. How far the
sound is to be believed is decided by cross validation within the clip; a few seconds often do not tell, half a minute
mostly does.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from imtalker.config import FRAME_RATE

LAGS = np.array([-2, 0, 2])  # frames round a moment whose features count
REACH = int(np.abs(LAGS).max())
GENERATED = 5.0  # weight of a generated number against one of the features
FOLDS, APART = 5, 0.3  # parts of the clip for cross validation; seconds between what is fitted and what is predicted
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)  # of the ridge, against the mean variance of the inputs over all frames
LEAST_GAIN = 0.03  # of the mean correlation, by which the sound must be better than what is generated
LEAST_FRAMES = 150
# Of what is learned, the rest as generated. With all of it, lips of three people given four other voices each followed
# the phonemes less than generated ones (correlation .43 to .45 instead of .44 to .47), with a half rather more (.47).
TRUST = 0.5
MOST_GAIN = 2.5  # of what is predicted, to move as much as the person does

MAX_OFFSET, OFFSET_STEP, PEAK = 0.48, 0.02, 0.16  # seconds searched on both sides, in steps; half the width of a peak
IN_STEP, CLEARLY = 0.65, 0.35  # sum of both correlations at the best offset, and by how much it stands out


def offset_of(own: np.ndarray, times: np.ndarray, generated: np.ndarray) -> float | None:
    """How many seconds the picture comes after its sound; None where they do not belong together.

    The offset at which the seen mouth goes best with the one generated for the sound. With the sound of somebody else
    none of 54 pairs of clips was taken to belong together, with their own four of five were, all with the offset that
    the phonemes give too.

    Args:
        own: ``(n, 2)`` opening and width as seen.
        times: ``(n,)`` seconds of these, from the sound's start.
        generated: ``(T, 2)`` for the sound, at 25 frames per second.
    """
    if len(own) < 8 or (own.std(0) < 1e-6).any() or (generated.std(0) < 1e-6).any():
        return None
    offsets = np.arange(-round(MAX_OFFSET / OFFSET_STEP), round(MAX_OFFSET / OFFSET_STEP) + 1) * OFFSET_STEP
    curve = np.array([_correlations(own, sampled(generated, times - offset)).sum() for offset in offsets])
    best = int(curve.argmax())
    others = curve[np.abs(offsets - offsets[best]) > PEAK]
    if curve[best] < IN_STEP or curve[best] - others.max() < CLEARLY:
        return None
    return float(offsets[best])


def sampled(track: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Values ``(n, d)`` of a track ``(T, d)``, 25 frames per second, at some moments, seconds; held beyond its ends."""
    place = (times * FRAME_RATE).clip(0, len(track) - 1)
    low = np.floor(place).astype(int).clip(0, max(len(track) - 2, 0))
    share = (place - low)[:, None]
    return (1 - share) * track[low] + share * track[np.minimum(low + 1, len(track) - 1)]


@dataclass(frozen=True, eq=False)
class SpeechFit:
    """Opening and width of a person's mouth from what is generated and heard, in deviations from their means."""

    mean: np.ndarray  # (C,) of the features in the person's own speech
    deviation: np.ndarray  # (C,)
    slope: np.ndarray  # (2,) of the generated numbers themselves
    centre: np.ndarray  # (D,) of the inputs
    weights: np.ndarray  # (D, 2) of the inputs

    def standard(self, generated: np.ndarray, features: np.ndarray) -> np.ndarray:
        """``(n, 2)`` for n + 2 ``REACH`` frames, of which the first and last ``REACH`` are context only.

        Args:
            generated: ``(n + 2 REACH, 2)`` deviations from the mean.
            features: ``(n + 2 REACH, C)``.
        """
        count = len(generated) - 2 * REACH
        given = np.concatenate([GENERATED * generated, (features - self.mean) / self.deviation], 1)
        inputs = np.concatenate([given[REACH + lag : REACH + lag + count] for lag in LAGS], 1)
        return self.slope * generated[REACH : REACH + count] + (inputs - self.centre) @ self.weights


def fit_speech(own: np.ndarray, times: np.ndarray, generated: np.ndarray, features: np.ndarray) -> SpeechFit | None:
    """Fit; None where the sound tells no more than what is generated for it, in parts of the clip left out.

    Args:
        own: ``(n, 2)`` deviations from the mean, of the person's mouth.
        times: ``(n,)`` seconds of these in the sound, offset taken out, evenly spaced.
        generated: ``(T, 2)`` deviations from the mean, at 25 frames per second.
        features: ``(T, C)``.
    """
    if len(own) < LEAST_FRAMES:
        return None
    mean, deviation = features.mean(0), np.maximum(features.std(0), 1e-3)
    given = np.concatenate([GENERATED * generated, (features - mean) / deviation], 1)
    inputs = np.concatenate([sampled(given, times + lag / FRAME_RATE) for lag in LAGS], 1)
    plain = sampled(generated, times)
    gap = max(1, round(APART / max(float(np.median(np.diff(times))), 1e-3)))
    parts = list(_folds(len(own), gap))
    errors, guesses = [], []
    for strength in STRENGTHS:
        guess = np.empty_like(own)
        for fitted, left_out in parts:
            slope, centre, weights = _fit(own[fitted], plain[fitted], inputs[fitted], strength)
            guess[left_out] = slope * plain[left_out] + (inputs[left_out] - centre) @ weights
        errors.append(float(((guess - own) ** 2).sum()))
        guesses.append(guess)
    best = int(np.argmin(errors))
    guess = guesses[best]
    gained = _correlations(own, guess) - _correlations(own, plain)
    if not gained.mean() >= LEAST_GAIN:
        return None
    slope, centre, weights = _fit(own, plain, inputs, STRENGTHS[best])
    learned = TRUST * _gain(own, guess)
    lively = _gain(own, learned * guess + (1 - TRUST) * plain)
    return SpeechFit(mean, deviation, lively * (learned * slope + 1 - TRUST), centre, lively * learned * weights)


def _gain(own: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """``(2,)``, that makes what is predicted move as much as the person does."""
    return (own.std(0) / np.maximum(guess.std(0), 1e-3)).clip(1.0, MOST_GAIN)


def _fit(
    own: np.ndarray, plain: np.ndarray, inputs: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes (2,), centre (D,) and weights (D, 2)."""
    slope = ((own * plain).mean(0) / np.maximum((plain**2).mean(0), 1e-6)).clip(0, 1)
    centre = inputs.mean(0)
    moved = inputs - centre
    ridge = strength * float((moved**2).sum()) / len(moved)
    normal = moved.T @ moved + ridge * np.eye(moved.shape[1])
    return slope, centre, np.linalg.solve(normal, moved.T @ (own - slope * plain))


def _folds(count: int, gap: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit and rows left out, in consecutive parts with a gap between both."""
    rows = np.arange(count)
    edges = np.linspace(0, count, FOLDS + 1).astype(int)
    return [
        (rows[(rows < begin - gap) | (rows >= end + gap)], rows[begin:end]) for begin, end in pairwise(edges.tolist())
    ]


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of columns ``(n, 2)``: ``(2,)``; 0 where one does not move."""
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.maximum(np.sqrt((a**2).sum(0) * (b**2).sum(0)), 1e-9)
