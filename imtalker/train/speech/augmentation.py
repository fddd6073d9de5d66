"""Augmentation of speech at 16 kHz: other voices, rooms, microphones and lines. The timing is kept."""

import numpy as np
from scipy import fft
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from imtalker.config import SAMPLE_RATE


def _shape_spectrum(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth random frequency response: microphones, and to some degree vocal tracts."""
    size = int(fft.next_fast_len(len(x), real=True) or len(x))
    spectrum = np.asarray(fft.rfft(x, size))
    knots = np.linspace(0, 1, 9)
    gains = rng.normal(0, rng.uniform(0, 5), len(knots))  # dB
    gains += rng.normal(0, 4) * np.linspace(-1, 1, len(knots))
    response = np.interp(np.sqrt(np.linspace(0, 1, len(spectrum))), knots, gains)
    response = 10 ** (response.astype(np.float32) / 20)
    return np.asarray(fft.irfft(spectrum * response, size))[: len(x)]


def _warp_formants(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale the frequency axis of short-time spectra: the formants of a shorter or longer vocal tract.

    The pitch shifts with them, the timing stays.
    """
    size, hop = 512, 256
    factor = float(np.exp(rng.uniform(-0.18, 0.18)))
    window = np.sin(np.pi * (np.arange(size, dtype=np.float32) + 0.5) / size).astype(np.float32)
    padded = np.pad(x, (size, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * window
    # Phases count from the middle of the window, else neighbouring bins have opposite signs.
    middle = ((-1.0) ** np.arange(size // 2 + 1)).astype(np.float32)
    spectra = np.asarray(fft.rfft(frames, axis=1)) * middle
    source = np.arange(spectra.shape[1]) / factor
    low = np.clip(source.astype(int), 0, spectra.shape[1] - 2)
    weight = np.clip(source - low, 0, 1).astype(np.float32)
    warped = spectra[:, low] * (1 - weight) + spectra[:, low + 1] * weight
    warped[:, source >= spectra.shape[1] - 1] = 0
    # Phases must advance with the scaled frequency: one rotation per hop and bin.
    advance = 2 * np.pi * hop / size * (np.arange(spectra.shape[1]) - source)
    turns = np.exp(1j * advance * np.arange(len(warped))[:, None]).astype(np.complex64)
    pieces = np.asarray(fft.irfft(warped * turns * middle, size, axis=1)) * window
    out = np.zeros(len(padded) + size, np.float32)
    for offset in range(size // hop):
        part = pieces[offset :: size // hop].reshape(-1)
        out[offset * hop : offset * hop + len(part)] += part
    return out[size : size + len(x)]


def _room(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exponentially decaying noise as an impulse response, with the direct sound first."""
    decay = rng.uniform(0.05, 0.5)  # s, to -60 dB
    length = int(decay * SAMPLE_RATE)
    tail = rng.standard_normal(length, np.float32) * (10 ** (-3 * np.arange(length) / length)).astype(np.float32)
    tail[: int(rng.uniform(0.001, 0.008) * SAMPLE_RATE)] = 0
    tail *= rng.uniform(0.1, 0.9) / (np.sqrt((tail**2).sum()) + 1e-9)
    tail[0] = 1
    return fftconvolve(x, tail)[: len(x)]


def _colored_noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """(N,) noise of unit power with a slope between white and brown, its level slowly varying."""
    size = int(fft.next_fast_len(length, real=True) or length)
    spectrum = np.asarray(fft.rfft(rng.standard_normal(size, np.float32)))
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 30).astype(np.float32)
    noise = np.asarray(fft.irfft(spectrum * frequency ** np.float32(-rng.uniform(0, 1)), size))[:length]
    noise /= noise.std() + 1e-9
    knots = np.arange(0, length + SAMPLE_RATE, SAMPLE_RATE // 2)
    levels = np.interp(np.arange(length), knots, np.exp(rng.normal(0, 0.3, len(knots))))
    return noise * levels.astype(np.float32)


def _telephone(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    band = (rng.uniform(150, 350), rng.uniform(3000, 3900))
    return np.asarray(sosfilt(butter(3, band, "bandpass", fs=SAMPLE_RATE, output="sos"), x), np.float32)


def _quantise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mu-law with few levels: the noise of a poor codec."""
    mu = 255.0
    peak = np.abs(x).max() + 1e-9
    levels = rng.uniform(20, 120)
    packed = np.sign(x) * np.log1p(mu * np.abs(x) / peak) / np.log1p(mu)
    packed = np.round(packed * levels) / levels
    return np.sign(packed) * np.expm1(np.abs(packed) * np.log1p(mu)) / mu * peak


def augment(waveform: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """A random chain of the effects above, (N,) float32 -> (N,) float32; the timing is kept.

    ``strength`` scales how often each effect is used: 0 none, 1 as in training.
    """
    x = waveform.astype(np.float32)
    x = x / (np.sqrt((x**2).mean()) + 1e-6) * 0.1
    chances = [
        (0.5, _warp_formants),
        (0.7, _shape_spectrum),
        (0.4, _room),
        (0.12, _telephone),
        (0.12, _quantise),
    ]
    for chance, effect in chances:
        if rng.random() < chance * strength:
            x = effect(x, rng)
    if rng.random() < 0.7 * strength:
        level = np.sqrt((x**2).mean()) * 10 ** (-rng.uniform(5, 40) / 20)
        x = x + level * _colored_noise(len(x), rng)
    if rng.random() < 0.1 * strength:
        limit = np.abs(x).max() * rng.uniform(0.3, 0.9)
        x = np.clip(x, -limit, limit)
    if rng.random() < 0.3 * strength:
        x = lfilter([1, -rng.uniform(0, 0.95)], [1], x)
    return (np.asarray(x) * 10 ** rng.uniform(-1, 0.5)).astype(np.float32)
