"""The sound of a finished video: any file or samples, in AAC-sized blocks, silence where it has ended."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from imtalker.errors import InputError
from imtalker.media.audio import MAX_SECONDS, array_frames, timed_samples
from imtalker.media.container import decode, open_media, usable_sound

AUDIO_BLOCK = 1024  # samples in one AAC frame

Sound = str | Path | tuple[int, np.ndarray]


@dataclass(frozen=True)
class SoundMix:
    """Two sounds at once."""

    main: Sound
    under: str | Path  # a file; played once
    level: float  # of ``under``, 0..1
    offset: float = 0.0  # seconds by which ``under`` starts after ``main``; negative: its beginning is left out


AudioTrack = Sound | SoundMix


class SoundBlocks:
    """A sound track as AAC-sized blocks at its own quality, read only as far as the pictures have come.

    Args:
        audio: path of a file with sound, ``(rate, samples (N,) or (N, C))``, or two at once.
        offset: seconds by which the sound starts after the first picture; negative: its beginning is left out.

    Raises:
        InputError: there is no sound that can be decoded, or it starts more than an hour before or after.
    """

    def __init__(self, audio: AudioTrack, offset: float):
        if not abs(offset) <= MAX_SECONDS:  # nor NaN
            raise InputError(f"the sound starts {offset!r:.20} s after the first picture; give up to {MAX_SECONDS:g} s")
        self._resources = ExitStack()
        try:
            samples = self._samples_of(audio)
        except BaseException:
            self._resources.close()
            raise
        self._samples = self._pieces(samples)
        self._buffer = np.zeros((self._channels, max(0, round(offset * self.rate))), np.float32)
        self._skip = max(0, round(-offset * self.rate))
        self._done = 0

    def _samples_of(self, audio: AudioTrack) -> Iterator[np.ndarray]:
        if isinstance(audio, SoundMix):
            return self._mixed(audio)
        if isinstance(audio, tuple):
            rate, samples = audio
            frames = array_frames(rate, samples)
            channels = 2 if np.ndim(samples) == 2 and np.shape(samples)[1] == 2 else 1
        else:
            track = usable_sound(audio)
            container = self._resources.enter_context(open_media(audio, "audio file"))
            stream = cast(AudioStream, container.streams[track.index])
            rate, channels = stream.rate or 48_000, stream.channels
            frames = decode(container, stream, audio)
        self.rate = 44_100 if rate % 11_025 == 0 else 48_000
        self.layout = "mono" if channels == 1 else "stereo"
        self._channels = min(channels, 2)
        return timed_samples(frames, self.layout, self.rate)

    def _mixed(self, mix: SoundMix) -> Iterator[np.ndarray]:
        main, under = SoundBlocks(mix.main, 0.0), SoundBlocks(mix.under, mix.offset)
        for source in (main, under):
            self._resources.enter_context(source)
        self.rate = main.rate
        self.layout = "stereo" if "stereo" in (main.layout, under.layout) else "mono"
        self._channels = 2 if self.layout == "stereo" else 1
        low, high = (timed_samples(_endless(source), self.layout, self.rate) for source in (under, main))
        return _sum(high, low, mix.level)

    def _pieces(self, pieces: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for piece in pieces:
            samples = np.nan_to_num(piece).clip(-1.0, 1.0)  # a 5.1 downmix may exceed 1
            skipped = min(self._skip, samples.shape[1])
            self._skip -= skipped
            yield samples[:, skipped:]

    def blocks(self, end: int) -> Iterator[AudioFrame]:
        """Audio frames up to sample ``end``, silence once the source has ended."""
        while self._done < end:
            size = min(AUDIO_BLOCK, end - self._done)
            frame = AudioFrame.from_ndarray(self._take(size), format="fltp", layout=self.layout)
            frame.sample_rate, frame.pts, frame.time_base = self.rate, self._done, Fraction(1, self.rate)
            self._done += size
            yield frame

    def _take(self, size: int) -> np.ndarray:
        parts, have = [self._buffer], self._buffer.shape[1]
        while have < size:
            part = next(self._samples, None)
            if part is None:
                part = np.zeros((self._channels, size - have), np.float32)
            parts.append(part)
            have += part.shape[1]
        joined = np.concatenate(parts, axis=1)
        self._buffer = joined[:, size:]
        return np.ascontiguousarray(joined[:, :size])

    def __enter__(self) -> "SoundBlocks":
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()


def _endless(source: SoundBlocks) -> Iterator[AudioFrame]:
    """All blocks of a source, then silence without end."""
    for second in count(1):
        yield from source.blocks(second * source.rate)


def _sum(main: Iterator[np.ndarray], under: Iterator[np.ndarray], level: float) -> Iterator[np.ndarray]:
    a, b = next(main), next(under)
    while True:
        length = min(a.shape[1], b.shape[1])
        yield a[:, :length] + level * b[:, :length]
        a, b = a[:, length:], b[:, length:]
        a = a if a.shape[1] else next(main)
        b = b if b.shape[1] else next(under)
