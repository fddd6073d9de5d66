"""Augmentation of log mel spectra: other voices, rooms, microphones, lines and noises. The timing is kept.

What ``augmentation`` does to a waveform costs a training step more than the network does; on spectra it is nearly
free. Spectra are (T, bands) log magnitudes, T at 100 Hz, as ``generator.spectral_encoder.log_mel`` makes them.
"""

import numpy as np
from scipy.signal import lfilter

from imtalker.generator.spectral_encoder import FLOOR, HIGHEST, LOWEST

SILENT = float(np.log(FLOOR))
_RATE = 100  # spectra a second


def at(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Rows of ``values (T, C)`` at fractional ``positions (N,)``, the outermost repeated; (N, C) float32."""
    inside = np.clip(positions, 0, len(values) - 1)
    low = np.minimum(inside.astype(int), max(len(values) - 2, 0))
    weight = (inside - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(values) - 1)
    return values[low].astype(np.float32) * (1 - weight) + values[high].astype(np.float32) * weight


def power(mel: np.ndarray) -> float:
    """Mean power of the sound, up to a factor: bands count by their width."""
    bands = mel.shape[1]
    mels = np.linspace(np.log10(1 + LOWEST / 700), np.log10(1 + HIGHEST / 700), bands + 2)
    hertz = 10**mels
    width = hertz[2:] - hertz[:-2]
    return float((np.exp(2 * mel) @ (width / width.sum())).mean())


def add(mel: np.ndarray, other: np.ndarray, decibels: float) -> np.ndarray:
    """``mel`` with ``other (T, bands)`` beneath it, ``decibels`` weaker."""
    gain = 0.5 * np.log(power(mel) / (power(other) + 1e-9) + 1e-9) - decibels * np.log(10) / 20
    return np.logaddexp(2 * mel, 2 * (other + gain)) / 2


def _curve(knots: np.ndarray, length: int) -> np.ndarray:
    return np.interp(np.linspace(0, len(knots) - 1, length), np.arange(len(knots)), knots)


def noise(length: int, bands: int, rng: np.random.Generator) -> np.ndarray:
    """(T, bands) of noise with a random smooth spectrum, its level slowly varying."""
    spectrum = _curve(rng.normal(0, 0.5, 9) - rng.uniform(0, 1.5) * np.linspace(0, 1, 9), bands)
    level = _curve(rng.normal(0, 0.3, 2 + length // (_RATE // 2)), length)
    return spectrum + level[:, None] + rng.normal(0, 0.25, (length, bands))


def _warp_formants(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The formants of a shorter or longer vocal tract, after VTLP (Jaitly and Hinton 2013)."""
    bands = mel.shape[1]
    places = np.arange(bands) * np.exp(rng.uniform(-0.18, 0.18)) + rng.uniform(-0.5, 0.5)
    return at(np.ascontiguousarray(mel.T), places).T


def _shape_spectrum(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth random frequency response: microphones, and to some degree voices."""
    knots = rng.normal(0, rng.uniform(0, 0.5), 9) + rng.normal(0, 0.4) * np.linspace(-1, 1, 9)
    return mel + _curve(knots, mel.shape[1])


def _room(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Reverberation: power that decays exponentially."""
    keep = np.exp(-1 / (_RATE * rng.uniform(0.02, 0.12)))
    energy = np.exp(2 * mel)
    tail = np.asarray(lfilter([1 - keep], [1, -keep], energy, axis=0))
    return np.log(energy + rng.uniform(0.05, 0.6) * tail) / 2


def _telephone(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nothing below about 300 Hz nor above 3 to 4 kHz."""
    bands = mel.shape[1]
    out = mel.copy()
    out[:, : int(bands * rng.uniform(0.05, 0.12))] = SILENT
    out[:, int(bands * rng.uniform(0.66, 0.78)) :] = SILENT
    return out


def mask(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to two spans of time and two of frequency taken out, as in SpecAugment (Park et al. 2019)."""
    out, mean = mel.copy(), mel.mean()
    length, bands = mel.shape
    for _ in range(int(rng.integers(3))):
        start = int(rng.integers(length))
        out[start : start + int(rng.integers(2, 14))] = mean
    for _ in range(int(rng.integers(3))):
        start = int(rng.integers(bands))
        out[:, start : start + int(rng.integers(2, max(3, bands // 7)))] = mean
    return out


def augment_spectra(
    mel: np.ndarray, rng: np.random.Generator, beneath: np.ndarray | None = None, strength: float = 1.0
) -> np.ndarray:
    """A random chain of the effects above, (T, bands) -> (T, bands) float32.

    Args:
        beneath: (T, bands) another sound below this one; by default often a noise.
        strength: scales how often each effect is used: 0 none, 1 as in training.
    """
    before, out = power(mel), mel
    for chance, effect in ((0.6, _warp_formants), (0.9, _shape_spectrum), (0.35, _room)):
        if rng.random() < chance * strength:
            out = effect(out, rng)
    if beneath is None and rng.random() < 0.5 * strength:
        out = add(out, noise(len(mel), mel.shape[1], rng), rng.uniform(2, 34))
    elif beneath is not None:
        out = add(out, beneath, rng.uniform(3, 25))
    if rng.random() < 0.1 * strength:
        out = _telephone(out, rng)
    # What reaches the network has unit variance, its disturbance included.
    out = np.maximum(out - 0.5 * np.log(power(out) / before + 1e-9) + strength * rng.normal(0, 0.15), SILENT)
    if rng.random() < 0.7 * strength:
        out = mask(out, rng)
    return out.astype(np.float32)
