"""Speech: any common audio file or the sound track of a video -> float32 mono at 16 kHz."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.media.container import decode, open_media

MIN_SECONDS = 0.2  # five video frames: less holds no syllable
MAX_SECONDS = 3600.0
SILENCE = 1e-4  # peak, -80 dB: below it nothing was recorded

Audio = str | Path | np.ndarray | tuple[int, np.ndarray]


def load_waveform(source: Audio, max_seconds: float = MAX_SECONDS) -> np.ndarray:
    """Load speech as float32 mono ``(N,)`` in -1..1 at 16 kHz.

    Args:
        source: path of an audio or video file; samples ``(N,)`` that are float -1..1 at 16 kHz already; or
            ``(sample_rate, samples)`` with samples ``(N,)`` or ``(N, channels)``, integer or float.
        max_seconds: longer speech is refused.

    Raises:
        InputError: missing, damaged, no sound track, shorter than 0.2 s, too long, silent, not finite.
    """
    if isinstance(source, np.ndarray):
        waveform, name = _as_float(source), "the audio"
        if waveform.ndim != 1:
            raise InputError(
                f"audio samples have shape {source.shape}; pass (N,) at {SAMPLE_RATE} Hz or (rate, samples)"
            )
    elif isinstance(source, tuple):
        waveform, name = _resample_array(*source), "the audio"
    else:
        waveform, name = _decode_file(source, max_seconds), f"audio file {source}"
    return _checked(waveform, name, max_seconds)


def resample(frames: Iterable[AudioFrame], layout: str, rate: int, format: str = "flt") -> Iterator[AudioFrame]:
    """Convert decoded audio to one layout, rate and sample format; the source may change its own midway."""
    resampler, setup = None, None
    for frame in frames:
        frame_setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or frame_setup != setup:
            if resampler is not None:
                yield from resampler.resample(None)
            resampler, setup = AudioResampler(format, layout, rate), frame_setup
        frame.pts = None  # gaps in the timestamps are not filled: the samples simply follow each other
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _decode_file(path: str | Path, max_seconds: float) -> np.ndarray:
    with open_media(path, "audio file") as container:
        if not container.streams.audio:
            raise InputError(f"audio file {path} has no sound track; give a file with speech")
        parts, count = [], 0
        for frame in resample(decode(container, container.streams.audio[0], path), "mono", SAMPLE_RATE):
            parts.append(frame.to_ndarray().reshape(-1))
            count += frame.samples
            if count > (max_seconds + 1) * SAMPLE_RATE:
                raise InputError(
                    f"audio file {path} is longer than {max_seconds:g} s, the longest allowed; cut it first"
                )
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _resample_array(rate: int, samples: np.ndarray) -> np.ndarray:
    samples = _as_float(np.asarray(samples))
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if samples.ndim != 1 or not 1000 <= int(rate) <= 768_000:
        raise InputError(
            f"audio has shape {samples.shape} at {rate} Hz; pass (sample_rate, samples (N,) or (N, channels))"
        )
    if int(rate) == SAMPLE_RATE or not len(samples):
        return samples
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
    frame.sample_rate = int(rate)
    return np.concatenate([part.to_ndarray().reshape(-1) for part in resample([frame], "mono", SAMPLE_RATE)])


def _as_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind in "iu":
        info = np.iinfo(samples.dtype)
        half = (info.max - info.min + 1) / 2
        return ((samples - (info.min + half)) / half).astype(np.float32)
    if samples.dtype.kind != "f":
        raise InputError(f"audio samples have type {samples.dtype}; pass integers or floats")
    return samples.astype(np.float32)


def _checked(waveform: np.ndarray, name: str, max_seconds: float) -> np.ndarray:
    seconds = len(waveform) / SAMPLE_RATE
    if not np.isfinite(waveform).all():
        raise InputError(f"{name} has samples that are not finite numbers; export it again as 16-bit WAV")
    if seconds < MIN_SECONDS:
        raise InputError(f"{name} is {seconds:.2f} s long; at least {MIN_SECONDS} s of speech are needed")
    if seconds > max_seconds:
        raise InputError(f"{name} is {seconds:.1f} s long; the limit is {max_seconds:g} s, cut it first")
    if np.abs(waveform).max() < SILENCE:
        raise InputError(f"{name} is silent ({seconds:.1f} s without a sound); check the recording")
    return np.clip(waveform, -1.0, 1.0)  # a 5.1 downmix may exceed 1
