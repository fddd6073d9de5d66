"""Finishing of synthetic speech: one sample rate, even loudness, nothing that clicks; and writing it."""

import wave
from math import gcd
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from imtalker.config import SAMPLE_RATE
from imtalker.train.speech.phonemes import Segment
from imtalker.train.speech.voices import speak

TARGET_RMS = 0.09  # of the voiced part, full scale 1: about -21 dBFS
PEAK_LIMIT = 0.89  # about -1 dBFS
FADE = 0.02  # seconds
EDGE_SILENCE = 0.12  # seconds kept before and after the speech


def finished_speech(
    text: str, voice: str, speed: float = 1.0, silence: float = EDGE_SILENCE, rate: int = SAMPLE_RATE
) -> tuple[np.ndarray, list[Segment]]:
    """Speech (N,) at ``rate``, trimmed and levelled, and its phonemes with times in the trimmed sound.

    ``voice`` is "engine:name" (imtalker.train.speech.voices). Raises InputError where the engine is missing.
    """
    raw, spoken_at, segments = speak(text, voice, speed)
    factor = gcd(spoken_at, rate)
    waveform = resample_poly(raw, rate // factor, spoken_at // factor).astype(np.float32)
    first, last = _loud_span(waveform, rate)
    edge = int(silence * rate)
    before, after = max(0, edge - first), max(0, last + edge - len(waveform))
    waveform = np.pad(waveform, (before, after))
    start = first + before - edge
    waveform = master(waveform[start : last + before + edge], rate)
    shift, end = (before - start) / rate, len(waveform) / rate
    moved = [Segment(s.phoneme, max(0.0, s.start + shift), min(end, s.end + shift)) for s in segments]
    return waveform, [s for s in moved if s.end > s.start]


def master(waveform: np.ndarray, rate: int = SAMPLE_RATE) -> np.ndarray:
    """Same length, no DC, even loudness, no clipped sample, and a fade at both ends."""
    out = waveform - waveform.mean()
    size = rate // 50
    energy = np.convolve(out**2, np.ones(size) / size, mode="same")
    voiced = out[energy > 0.02 * energy.max()]
    out = out * (TARGET_RMS / (np.sqrt(np.mean(voiced**2)) + 1e-9))
    out = out * min(1.0, PEAK_LIMIT / (np.abs(out).max() + 1e-9))
    fade = min(int(FADE * rate), len(out) // 2)
    ramp = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, fade))
    out[:fade] *= ramp
    out[len(out) - fade :] *= ramp[::-1]
    return out.astype(np.float32)


def _loud_span(waveform: np.ndarray, rate: int) -> tuple[int, int]:
    """First and last sample that is not silence."""
    size = rate // 100
    level = np.sqrt(np.convolve(waveform**2, np.ones(size) / size, mode="same"))
    loud = np.nonzero(level > 0.01 * level.max())[0]
    return int(loud[0]), int(loud[-1])


def write_wave(path: Path, waveform: np.ndarray, rate: int = SAMPLE_RATE) -> None:
    """Write float (N,) in [-1, 1] as 16-bit mono."""
    samples = np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
