"""Driving clips: any common video file -> upright uint8 RGB frames at a constant rate, streamed."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from imtalker.config import FRAME_RATE
from imtalker.errors import InputError
from imtalker.media.container import decode, open_media, sound_track
from imtalker.media.frame_conversion import FrameConverter
from imtalker.media.hdr import needs_conversion
from imtalker.media.timeline import RESTART, Timeline

logger = logging.getLogger(__name__)

MAX_SECONDS = 3600.0
MIN_RATE, MAX_RATE = 1, 240  # frames per second a file may claim; anything else is taken for a mistake


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself."""

    width: int  # upright, with square pixels
    height: int
    duration: float | None  # seconds; None: the file does not say
    rate: float | None  # average frames per second
    codec: str
    has_audio: bool  # there is a sound track that can be decoded
    audio_offset: float  # seconds by which the sound starts after the first picture
    has_unusable_audio: bool = False  # there are sound tracks, but none can be decoded
    is_hdr: bool = False  # or of wide colours: its pictures are converted to those of a screen


def probe_video(path: str | Path) -> VideoInfo:
    """Read a clip's properties; no more than the first frames are decoded.

    Raises:
        InputError: missing, damaged, or no video stream in it.
    """
    with open_media(path, "video file") as container:
        stream = video_stream(container, path)
        frame = next((f for f in decode(container, stream, path)), None)
        if frame is None:
            raise InputError(f"video file {path} holds no picture that can be decoded; export it again")
        duration = _seconds(stream.duration, stream.time_base)
        if duration is None:
            duration = _seconds(container.duration, Fraction(1, av.time_base))
        converter = FrameConverter(stream, path)
        height, width = converter(frame).shape[:2]
        is_hdr = needs_conversion(frame)
        tracks = len(container.streams.audio)
        rate = float(stream.average_rate) if stream.average_rate else None
        codec = stream.codec_context.name
    sound = sound_track(path, "video file") if tracks else None
    offset = 0.0 if sound is None else sound.start - (frame.time or 0.0)
    if tracks and sound is None:
        logger.warning("%s: its sound cannot be decoded and is left out", path)
    unusable = bool(tracks) and sound is None
    return VideoInfo(width, height, duration, rate, codec, sound is not None, offset, unusable, is_hdr)


def read_frames(path: str | Path, fps: float = FRAME_RATE, max_seconds: float = MAX_SECONDS) -> Iterator[np.ndarray]:
    """Stream a clip's frames, uint8 RGB ``(H, W, 3)``, resampled by their timestamps to ``fps``.

    A source frame belongs to the output frame nearest to its timestamp (FFmpeg's ``fps`` filter): gaps repeat the last
    frame, surplus frames are dropped, so the result lasts as long as the clip. See ``FrameConverter`` for what is done
    to each picture, and ``Timeline`` for frames without a usable timestamp.

    Raises:
        InputError: missing, damaged, no video stream, a side over 8192 pixels, over ``max_seconds`` long.
    """
    with open_media(path, "video file") as container:
        stream = video_stream(container, path)
        convert = FrameConverter(stream, path)
        for frame, count in _shown_frames(container, stream, path, fps, max_seconds):
            picture = convert(frame)
            for _ in range(count):
                yield picture


def read_frames_from(path: str | Path, fps: float, first: int, seek: bool) -> Iterator[np.ndarray]:
    """The same frames as ``read_frames``, beginning with number ``first``.

    Args:
        seek: jump to the nearest point where decoding can begin, instead of decoding all frames before; needs a file
            with ``reliable_times``.
    """
    with open_media(path, "video file") as container:
        stream = video_stream(container, path)
        convert = FrameConverter(stream, path)
        origin: float | None = None
        if seek and first > 0:
            frame = next((f for f in decode(container, stream, path)), None)
            beginning = None if frame is None else frame.time
            if frame is not None and beginning is not None and stream.time_base is not None:
                convert(frame)  # the first frame of the clip decides the size of all
                origin = float(beginning)
                container.seek(int((origin + (first - 1) / fps) / stream.time_base), stream=stream)
        at: int | None = None if origin is not None else 0
        for frame, count in _shown_frames(container, stream, path, fps, MAX_SECONDS, origin):
            if at is None:
                at = 0 if origin is None or frame.time is None else max(0, _slot(frame.time - origin, fps))
            repeats = min(count, at + count - first)
            at += count
            if repeats > 0:
                picture = convert(frame)
                for _ in range(repeats):
                    yield picture


def read_every(path: str | Path, fps: float, step: int) -> Iterator[tuple[int, np.ndarray]]:
    """Every ``step``-th of the frames of ``read_frames`` and its number; the others are decoded, but not converted.

    Raises:
        InputError: as ``read_frames``.
    """
    with open_media(path, "video file") as container:
        stream = video_stream(container, path)
        convert = FrameConverter(stream, path)
        at = 0
        for frame, count in _shown_frames(container, stream, path, fps, MAX_SECONDS):
            numbers = range(-(-at // step) * step, at + count, step)
            at += count
            if not numbers and at > count:  # the first frame of the clip decides the size of all
                continue
            picture = convert(frame)
            for number in numbers:
                yield number, picture


def reliable_times(path: str | Path, fps: float = FRAME_RATE) -> bool:
    """Whether every frame of a clip carries its own time, and time only runs forwards.

    Raises:
        InputError: missing, damaged, no video stream.
    """
    with open_media(path, "video file") as container:
        return _span(container, video_stream(container, path), fps) is not None


def native_rate(path: str | Path) -> Fraction:
    """Frames per second of a clip, exactly (30000/1001 is one of them); of a variable rate its usual one.

    Raises:
        InputError: missing, damaged, no video stream.
    """
    with open_media(path, "video file") as container:
        stream = video_stream(container, path)
        candidates = (stream.guessed_rate, stream.average_rate, stream.base_rate)
    known = [Fraction(rate) for rate in candidates if rate]
    usable = [rate for rate in known if MIN_RATE <= rate <= MAX_RATE]
    return usable[0].limit_denominator(1001) if usable else Fraction(FRAME_RATE)


def count_frames(path: str | Path, fps: float = FRAME_RATE, max_seconds: float = MAX_SECONDS) -> int:
    """How many frames ``read_frames`` will give.

    From the timestamps alone where they can be relied on; a file without them is decoded.

    Raises:
        InputError: as ``read_frames``; also where the clip is longer than ``max_seconds``.
    """
    with open_media(path, "video file") as container:
        span = _span(container, video_stream(container, path), fps)
    if span is not None:
        _check_length(span, fps, max_seconds, path)
        return span
    with open_media(path, "video file") as container:
        stream = video_stream(container, path)
        return sum(count for _, count in _shown_frames(container, stream, path, fps, max_seconds))


def sample_frames(path: str | Path, every: int = 5, limit: int = 200) -> Iterator[np.ndarray]:
    """Every n-th frame of a clip, at most ``limit``."""
    with open_media(path, "video file") as container:
        stream = video_stream(container, path)
        convert = FrameConverter(stream, path)
        for index, frame in enumerate(decode(container, stream, path)):
            if index // every >= limit:
                return
            if index % every == 0:
                yield convert(frame)


def timed_frames(
    container: InputContainer, stream: VideoStream, path: str | Path
) -> Iterator[tuple[VideoFrame, float]]:
    """Each decoded frame of a clip and its time, seconds from the first one."""
    timeline, start = Timeline(), None
    for frame in decode(container, stream, path):
        time = timeline.place(frame.time, _length(frame, stream, FRAME_RATE))
        start = time if start is None else start
        yield frame, time - start


def video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    """The pictures of a clip, decoded with several threads.

    Raises:
        InputError: there are none, or only a cover.
    """
    stream = next((s for s in container.streams.video if not _is_cover(s)), None)
    if stream is None:
        raise InputError(f"video file {path} has no video stream; give a clip with pictures")
    stream.thread_type = "AUTO"
    return stream


def _shown_frames(
    container: InputContainer,
    stream: VideoStream,
    path: str | Path,
    fps: float,
    max_seconds: float,
    origin: float | None = None,
) -> Iterator[tuple[VideoFrame, int]]:
    """Decoded frames that are shown, each with the number of output frames it stands for.

    ``origin`` is the time of the clip's first frame where decoding begins later than that.
    """
    timeline = Timeline()
    start = origin
    held: VideoFrame | None = None  # the frame on screen
    emitted = 0
    for frame in decode(container, stream, path):
        time = timeline.place(frame.time, _length(frame, stream, fps))
        start = time if start is None else start
        slot = _slot(time - start, fps)
        if held is None and origin is not None:
            emitted = max(0, slot)
        if held is not None and slot > emitted:
            _check_length(slot, fps, max_seconds, path)
            yield held, slot - emitted
            emitted = slot
        if slot >= emitted or held is None:
            held = frame
    if held is None or start is None:
        raise InputError(f"video file {path} holds no picture that can be decoded; export it again")
    total = max(_slot(timeline.end - start, fps), emitted + 1)
    _check_length(total - 1, fps, max_seconds, path)
    yield held, total - emitted


def _check_length(frames: int, fps: float, max_seconds: float, path: str | Path) -> None:
    if frames > max_seconds * fps:
        raise InputError(f"video file {path} is longer than the limit of {max_seconds:g} s; cut it first")


def _span(container: InputContainer, stream: VideoStream, fps: float) -> int | None:
    """Output frames by the packets' timestamps; None where these cannot be relied on."""
    start, last, end = math.inf, 0.0, 0.0
    reached = -math.inf  # in decoding order
    seen: set[int] = set()
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:
            continue
        if packet.pts is None or packet.time_base is None or packet.pts in seen:
            return None
        seen.add(packet.pts)
        time = float(packet.pts * packet.time_base)
        if time < reached - RESTART:
            return None
        reached = max(reached, time)
        start, last = min(start, time), max(last, time)
        length = float(packet.duration * packet.time_base) if packet.duration else _spacing(stream, fps)
        end = max(end, time + length)
    return max(_slot(end - start, fps), _slot(last - start, fps) + 1) if math.isfinite(start) else 0


def _length(frame: VideoFrame, stream: VideoStream, fps: float) -> float:
    """Seconds a frame is shown."""
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else _spacing(stream, fps)


def _spacing(stream: VideoStream, fps: float) -> float:
    return 1.0 / float(stream.average_rate) if stream.average_rate else 1.0 / fps


def _is_cover(stream: VideoStream) -> bool:
    """A still cover picture of an audio file counts as no video."""
    return bool(stream.disposition & Disposition.attached_pic)


def _slot(seconds: float, fps: float) -> int:
    """The output frame nearest to a time; halves go up (Python's round would send them to the even one)."""
    return math.floor(seconds * fps + 0.5 + 1e-6)


def _seconds(ticks: int | None, time_base: Fraction | None) -> float | None:
    return None if ticks is None or time_base is None else float(ticks * time_base)
