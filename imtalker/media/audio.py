"""Speech: any common audio file or the sound track of a video -> float32 mono at 16 kHz."""

import logging
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.media.container import MAX_RATE, MIN_RATE, decode, open_media, usable_sound
from imtalker.media.timeline import Timeline

logger = logging.getLogger(__name__)

MIN_SECONDS = 0.2  # five video frames: less holds no syllable
MAX_SECONDS = 3600.0
JITTER = 0.04  # seconds that timestamps may disagree with the number of samples before silence is put in
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
        if source.ndim != 1 or source.dtype.kind != "f":
            raise InputError(
                f"audio samples have shape {source.shape} and type {source.dtype}; "
                f"pass floats (N,) at {SAMPLE_RATE} Hz, or (sample_rate, samples)"
            )
        return _checked(source.astype(np.float32), "the audio", max_seconds)
    if isinstance(source, tuple):
        waveform = _gathered(array_frames(*source), "the audio", max_seconds)
        return _checked(waveform, "the audio", max_seconds)
    return _checked(_decode_file(source, max_seconds), f"audio file {source}", max_seconds)


def load_clip_sound(path: str | Path, offset: float, seconds: float | None = None) -> np.ndarray | None:
    """The sound of a clip as ``load_waveform`` gives it, moved to begin with the first picture.

    Args:
        offset: seconds by which the sound starts after the first picture (``VideoInfo.audio_offset``).
        seconds: no more than that of its beginning is read; None: all.

    Returns:
        ``(N,)``; None where there is nothing to hear: silence is no reason to refuse a clip.
    """
    try:
        waveform = _checked(_decode_file(path, MAX_SECONDS, seconds), f"audio file {path}", MAX_SECONDS)
    except InputError as error:
        logger.info("%s has no usable sound: %s", path, error)
        return None
    shift = round(offset * SAMPLE_RATE)
    waveform = np.pad(waveform, (shift, 0)) if shift > 0 else waveform[-shift:]
    return waveform if seconds is None else waveform[: round(seconds * SAMPLE_RATE)]


def timed_samples(frames: Iterable[AudioFrame], layout: str, rate: int) -> Iterator[np.ndarray]:
    """Decoded audio in one layout and rate, each sound at its own time after the first: float32 ``(C, n)`` pieces.

    Where the timestamps leave a gap (dropped packets, a muted microphone, DTX) there is silence, where they overlap the
    later sound is cut; the source may change its own rate and layout midway. Jitter below ``JITTER`` is not touched.

    Args:
        layout: "mono" or "stereo".
        rate: of the samples given, Hz.
    """
    channels = 1 if layout == "mono" else 2
    resampler, setup = None, None
    timeline = Timeline()
    start = anchor = fed = 0.0  # seconds: of the first sound, of the last alignment, of sound taken since that
    done = surplus = 0  # samples given, and samples to leave out because their time has passed
    for index, frame in enumerate(_mixable(frames, layout, rate)):
        length = frame.samples / frame.sample_rate
        begin = timeline.place(frame.time, length)
        start = begin if index == 0 else start
        frame_setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        aligned = abs(begin - anchor - fed) <= JITTER
        if resampler is None or frame_setup != setup or not aligned:
            for piece in _converted(resampler, None):
                done += piece.shape[1]
                yield piece
            resampler, setup = AudioResampler("fltp", layout, rate, options={"rematrix_maxval": "1.0"}), frame_setup
        if not aligned or index == 0:
            anchor, fed = begin, 0.0
            missing = round((begin - start) * rate) - done
            surplus = max(0, -missing)
            for first in range(0, missing, rate):
                silence = np.zeros((channels, min(rate, missing - first)), np.float32)
                done += silence.shape[1]
                yield silence
        fed += length
        for piece in _converted(resampler, frame):
            kept = piece[:, surplus:]
            surplus -= piece.shape[1] - kept.shape[1]
            done += kept.shape[1]
            yield kept
    yield from _converted(resampler, None)


def _mixable(frames: Iterable[AudioFrame], layout: str, rate: int) -> Iterator[AudioFrame]:
    """The frames; those whose channels FFmpeg cannot mix, as no layout names them (9 of an ambisonic microphone, 32
    of a mixing desk), as the mean of all channels."""
    can_mix: dict[tuple[str, str, int], bool] = {}
    for frame in frames:
        if not MIN_RATE <= frame.sample_rate <= MAX_RATE:  # not at the start, where the track would not be taken
            raise InputError(f"the sound changes to {frame.sample_rate} Hz midway; export it again")
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if setup not in can_mix:
            can_mix[setup] = _can_mix(frame, layout, rate)
        yield frame if can_mix[setup] else _mean(frame, layout)


def _can_mix(frame: AudioFrame, layout: str, rate: int) -> bool:
    """Tried with a frame like the given one, which FFmpeg would change."""
    try:
        probe = AudioFrame(format=frame.format.name, layout=frame.layout.name, samples=frame.samples)
        probe.sample_rate = frame.sample_rate
        AudioResampler("fltp", layout, rate).resample(probe)
    except (FFmpegError, ValueError):
        return False
    return True


def _mean(frame: AudioFrame, layout: str) -> AudioFrame:
    """All channels as one, as loud in each channel of ``layout``."""
    samples = frame.to_ndarray()
    if frame.format.is_packed:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    mean = np.repeat(_as_float(samples).mean(axis=0, keepdims=True), 1 if layout == "mono" else 2, axis=0)
    mixed = AudioFrame.from_ndarray(mean, format="fltp", layout=layout)
    mixed.sample_rate, mixed.pts, mixed.time_base = frame.sample_rate, frame.pts, frame.time_base
    return mixed


def _converted(resampler: AudioResampler | None, frame: AudioFrame | None) -> Iterator[np.ndarray]:
    if resampler is None:
        return
    if frame is not None:
        frame.pts = None  # time is kept by the caller; the resampler's own would fill gaps twice
    for part in resampler.resample(frame):
        yield part.to_ndarray()


def array_frames(rate: int, samples: np.ndarray) -> Iterator[AudioFrame]:
    """Samples ``(N,)`` or ``(N, channels)``, integer or float -1..1, as audio frames of one second.

    Raises:
        InputError: another shape, type or an impossible rate.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(
            f"audio has shape {samples.shape} at {rate} Hz; pass (sample_rate, samples (N,) or (N, channels))"
        )
    if samples.dtype.kind not in "iuf":
        raise InputError(f"audio samples have type {samples.dtype}; pass integers or floats")
    return _array_frames(int(rate), samples)


def _array_frames(rate: int, samples: np.ndarray) -> Iterator[AudioFrame]:
    for start in range(0, len(samples), rate):
        piece = _as_float(samples[start : start + rate])
        if piece.ndim == 2 and piece.shape[1] > 2:
            piece = piece.mean(axis=1)
        planes = np.ascontiguousarray(np.atleast_2d(piece.T))
        frame = AudioFrame.from_ndarray(planes, format="fltp", layout="mono" if len(planes) == 1 else "stereo")
        frame.sample_rate = rate
        yield frame


def _decode_file(path: str | Path, max_seconds: float, seconds: float | None = None) -> np.ndarray:
    """All of a file's sound, or ``seconds`` of its beginning."""
    track = usable_sound(path)
    with open_media(path, "audio file") as container:
        frames = decode(container, container.streams[track.index], path)  # pyright: ignore[reportArgumentType]
        if seconds is not None:
            frames = takewhile(lambda frame: frame.time is None or frame.time < track.start + seconds, frames)
        return _gathered(frames, f"audio file {path}", max_seconds)


def _gathered(frames: Iterable[AudioFrame], name: str, max_seconds: float) -> np.ndarray:
    samples = bytearray()  # grows in place: long speech is never held twice
    for piece in timed_samples(frames, "mono", SAMPLE_RATE):
        samples += piece.tobytes()
        if len(samples) > (max_seconds + 1) * SAMPLE_RATE * 4:
            raise InputError(f"{name} is longer than the limit of {max_seconds:g} s; cut it first")
    return np.frombuffer(samples, np.float32)


def _as_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    info = np.iinfo(samples.dtype)
    half = (info.max - info.min + 1) / 2
    return ((samples - (info.min + half)) / half).astype(np.float32)


def _checked(waveform: np.ndarray, name: str, max_seconds: float) -> np.ndarray:
    seconds = len(waveform) / SAMPLE_RATE
    low, high = (waveform.min(), waveform.max()) if len(waveform) else (0.0, 0.0)
    if not np.isfinite([low, high]).all():  # a NaN anywhere is both the smallest and the largest
        raise InputError(f"{name} has samples that are not finite numbers; export it again as 16-bit WAV")
    if seconds < MIN_SECONDS:
        raise InputError(f"{name} is {seconds:.2f} s long; at least {MIN_SECONDS} s of speech are needed")
    if seconds > max_seconds:
        raise InputError(f"{name} is {seconds:.1f} s long; the limit is {max_seconds:g} s, cut it first")
    if max(-low, high) < SILENCE:
        raise InputError(f"{name} is silent ({seconds:.1f} s without a sound); check the recording")
    return np.clip(waveform, -1.0, 1.0) if max(-low, high) > 1 else waveform  # a 5.1 downmix may exceed 1
