"""Synthetic speech with exact phoneme times (flite), and the loudness and fades every sample clip gets.

flite and its Clustergen voices are free (CMU licence, see README.md); their output may be used without conditions.
"""

import shutil
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError, OutputError

TARGET_RMS = 0.09  # of the voiced part, full scale 1: about -21 dBFS
PEAK_LIMIT = 0.89  # about -1 dBFS
EDGE_SILENCE = 0.12  # seconds kept before and after the speech
FADE = 0.02  # seconds


@dataclass(frozen=True)
class Phone:
    """One phoneme of an utterance: CMU/flite name in lower case, start and end in seconds."""

    name: str
    start: float
    end: float


def synthesize_flite(text: str, voice: str, path: Path, rate: float = 1.0) -> list[Phone]:
    """Speak ``text`` with a flite voice into a 16-bit WAV file; the phonemes with their times come back.

    ``rate`` above 1 is faster. Raises OutputError where flite is missing or fails.
    """
    command = ["flite", "-voice", voice, "--setf", f"duration_stretch={1 / rate}", "-psdur", "-t", text]
    printed = _run([*command, "-o", str(path)])
    phones: list[Phone] = []
    start = 0.0
    for word in printed.split():
        name, end = word.rsplit(":", 1)
        phones.append(Phone(name, start, float(end)))
        start = float(end)
    if not phones:
        raise InputError(f"flite found nothing to say in {text!r}: give at least one word")
    return phones


def synthesize_espeak(text: str, voice: str, path: Path, words_per_minute: int = 150) -> None:
    """Speak ``text`` with espeak-ng into a WAV file (no phoneme times)."""
    _run(["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-w", str(path), text])


def _run(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        raise OutputError(f"{command[0]} is not installed: install the system package {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OutputError(f"{command[0]} failed with status {done.returncode}: {done.stderr.strip()[-200:]}")
    return done.stdout


def read_wav(path: Path) -> tuple[np.ndarray, int]:
    """A 16-bit mono WAV file as float32 (N,) in [-1, 1], and its sample rate in Hz."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.astype(np.float32) / 32768, file.getframerate()


def write_wav(path: Path, waveform: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Write float (N,) in [-1, 1] as 16-bit mono."""
    samples = np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())


def resample(waveform: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """Polyphase resampling of a waveform (N,)."""
    if source_rate == target_rate:
        return waveform
    from scipy.signal import resample_poly

    divisor = int(np.gcd(source_rate, target_rate))
    return resample_poly(waveform, target_rate // divisor, source_rate // divisor).astype(np.float32)


def master(waveform: np.ndarray, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Same length, no DC, even loudness, no clipped sample, and a fade at both ends, so that nothing clicks."""
    out = waveform - waveform.mean()
    size = max(1, sample_rate // 50)
    energy = np.convolve(out**2, np.ones(size) / size, mode="same")
    voiced = out[energy > 0.02 * energy.max()]
    out = out * (TARGET_RMS / (np.sqrt(np.mean(voiced**2)) + 1e-9))
    out = out * min(1.0, PEAK_LIMIT / (np.abs(out).max() + 1e-9))
    fade = min(int(FADE * sample_rate), len(out) // 2)
    ramp = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, fade, dtype=np.float32))
    out[:fade] *= ramp
    out[len(out) - fade :] *= ramp[::-1]
    return out.astype(np.float32)


def trim(waveform: np.ndarray, sample_rate: int = SAMPLE_RATE, silence: float = EDGE_SILENCE) -> np.ndarray:
    """Cut long silence at both ends down to ``silence`` seconds."""
    size = max(1, sample_rate // 100)
    level = np.sqrt(np.convolve(waveform**2, np.ones(size) / size, mode="same"))
    loud = np.nonzero(level > 0.01 * level.max())[0]
    edge = int(silence * sample_rate)
    return waveform[max(0, loud[0] - edge) : loud[-1] + edge]
