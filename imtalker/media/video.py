"""Driving clips: any common video file -> upright uint8 RGB frames at a constant rate, streamed."""

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
from imtalker.media.container import decode, open_media

MAX_SECONDS = 3600.0
MAX_SIDE = 8192  # pixels
KEYFRAMES_ONLY_SECONDS = 30.0  # longer clips are sampled at their key frames


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a video file says."""

    width: int  # upright, pixels
    height: int
    duration: float | None  # seconds; None: the file does not say
    rate: float | None  # average frames per second
    codec: str
    has_audio: bool
    audio_offset: float  # seconds by which the sound starts after the first picture


def probe_video(path: str | Path) -> VideoInfo:
    """Read a clip's properties without decoding more than its first frame.

    Raises:
        InputError: missing, damaged, or no video stream in it.
    """
    with open_media(path, "video file") as container:
        stream = _video_stream(container, path)
        frame = next((f for f in decode(container, stream, path)), None)
        if frame is None:
            raise InputError(f"video file {path} holds no picture that can be decoded; export it again")
        duration = _seconds(stream.duration, stream.time_base)
        if duration is None:
            duration = _seconds(container.duration, Fraction(1, av.time_base))
        width, height = frame.width, frame.height
        if (frame.rotation // 90) % 2:
            width, height = height, width
        audio = container.streams.audio[0] if container.streams.audio else None
        offset = 0.0
        if audio is not None:
            audio_start = _seconds(audio.start_time, audio.time_base)
            offset = (audio_start or 0.0) - (frame.time or 0.0)
        rate = float(stream.average_rate) if stream.average_rate else None
        return VideoInfo(width, height, duration, rate, stream.codec_context.name, audio is not None, offset)


def read_frames(path: str | Path, fps: int = FRAME_RATE, max_seconds: float = MAX_SECONDS) -> Iterator[np.ndarray]:
    """Stream a clip's frames, uint8 RGB ``(H, W, 3)``, resampled by their timestamps to ``fps``.

    A source frame belongs to the output frame nearest to its timestamp (FFmpeg's ``fps`` filter): gaps
    repeat the last frame, surplus frames are dropped, so the result lasts as long as the clip. The rotation
    a phone notes in the file is applied.

    Raises:
        InputError: missing, damaged, no video stream, a side over 8192 pixels, over ``max_seconds`` long.
    """
    with open_media(path, "video file") as container:
        stream = _video_stream(container, path)
        start: float | None = None
        held: VideoFrame | None = None  # the frame on screen, converted only when it is needed
        picture: np.ndarray | None = None
        emitted, end = 0, 0.0
        spacing = 1.0 / float(stream.average_rate) if stream.average_rate else 1.0 / fps
        for frame in decode(container, stream, path):
            time = frame.time if frame.time is not None else end + (start or 0.0)
            start = time if start is None else start
            slot = _slot(time - start, fps)
            if held is not None:
                while emitted < slot:
                    picture = to_rgb(held, path) if picture is None else picture
                    yield picture
                    emitted += 1
                    if emitted > max_seconds * fps:
                        raise InputError(
                            f"video file {path} is longer than the limit of {max_seconds:g} s; cut it first"
                        )
            if slot >= emitted or held is None:
                held, picture = frame, None
            length = float(frame.duration * frame.time_base) if frame.duration else spacing
            end = max(end, time - start + length)
        if held is None:
            raise InputError(f"video file {path} holds no picture that can be decoded; export it again")
        picture = to_rgb(held, path) if picture is None else picture
        for _ in range(max(_slot(end, fps), emitted + 1) - emitted):
            yield picture


def count_frames(path: str | Path, fps: int = FRAME_RATE) -> int:
    """How many frames ``read_frames`` will give, from the timestamps alone (nothing is decoded)."""
    with open_media(path, "video file") as container:
        stream = _video_stream(container, path)
        spacing = 1.0 / float(stream.average_rate) if stream.average_rate else 1.0 / fps
        start, last, end = math.inf, 0.0, 0.0
        for packet in container.demux(stream):
            if packet.pts is None or packet.time_base is None or packet.is_discard:
                continue
            time = float(packet.pts * packet.time_base)
            start, last = min(start, time), max(last, time)
            end = max(end, time + (float(packet.duration * packet.time_base) if packet.duration else spacing))
    return max(_slot(end - start, fps), _slot(last - start, fps) + 1) if math.isfinite(start) else 0


def sample_frames(path: str | Path, every: int = 5, limit: int = 200) -> Iterator[np.ndarray]:
    """Some frames of a clip to find the face in: every n-th one, or key frames if the clip is long."""
    duration = probe_video(path).duration
    with open_media(path, "video file") as container:
        stream = _video_stream(container, path)
        if duration is not None and duration > KEYFRAMES_ONLY_SECONDS:
            stream.codec_context.skip_frame = "NONKEY"
            every = max(1, int(duration / 10 / limit))  # about one key frame in ten seconds
        taken = 0
        for index, frame in enumerate(decode(container, stream, path)):
            if index % every == 0:
                yield to_rgb(frame, path)
                taken += 1
            if taken >= limit:
                return


def to_rgb(frame: VideoFrame, path: str | Path) -> np.ndarray:
    """A decoded frame as upright uint8 RGB ``(H, W, 3)``."""
    width, height = frame.width, frame.height
    if max(width, height) > MAX_SIDE:
        raise InputError(f"video file {path} has {width}x{height} pixels; the limit is {MAX_SIDE}")
    picture = frame.to_ndarray(format="rgb24")
    turns = (frame.rotation // 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def _video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    stream = next((s for s in container.streams.video if not _is_cover(s)), None)
    if stream is None:
        raise InputError(f"video file {path} has no video stream; give a clip with pictures")
    stream.thread_type = "AUTO"
    return stream


def _is_cover(stream: VideoStream) -> bool:
    """A still cover picture of an audio file counts as no video."""
    return bool(stream.disposition & Disposition.attached_pic)


def _slot(seconds: float, fps: int) -> int:
    """The output frame nearest to a time; halves go up (Python's round would send them to the even one)."""
    return math.floor(seconds * fps + 0.5 + 1e-6)


def _seconds(ticks: int | None, time_base: Fraction | None) -> float | None:
    return None if ticks is None or time_base is None else float(ticks * time_base)
