"""Opening audio and video files with FFmpeg (PyAV): one place for the allow-list and for readable errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from imtalker.errors import InputError
from imtalker.media.folders import expanded

logger = logging.getLogger(__name__)

# Playlists (hls, concat, dash, ...) are left out on purpose: they make FFmpeg open further files.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,gif,wav,w64,aiff,mp3,aac,ac3,eac3,"
    "ogg,flac,amr,caf,asf,au,h264,hevc,ivf,av1,wv,tta"
)
MIN_RATE, MAX_RATE = 1000, 768_000  # Hz of sound; a damaged header may claim any, and resampling it takes minutes
MAX_BAD_PACKETS = 100  # damaged packets skipped before a file is given up

DecodeError = (FFmpegError, ValueError, EOFError)


def existing_file(path: str | Path, what: str) -> Path:
    """The path itself if it names a readable, non-empty file.

    Raises:
        InputError: it does not exist, is not a file, is empty, or may not be read.
    """
    try:
        path = expanded(path)
        exists, is_file = path.exists(), path.is_file()
        size = path.stat().st_size if is_file else 0
        if is_file:
            path.open("rb").close()
    except OSError as error:
        raise InputError(f"{what} {path} cannot be read ({error.strerror}); check its permissions") from error
    except ValueError as error:  # a null character in the path
        raise InputError(f"{what} {str(path)!r} is not a valid path ({error}); check the path") from error
    if not exists:
        raise InputError(f"{what} {path} does not exist; check the path")
    if not is_file:
        raise InputError(f"{what} {path} is not a file; give the path of one file")
    if size == 0:
        raise InputError(f"{what} {path} is empty (0 bytes); export or record it again")
    return path


@contextmanager
def open_media(path: str | Path, what: str) -> Iterator[InputContainer]:
    """Open a media file for reading; ``what`` names it in messages ("audio file", "video file").

    Raises:
        InputError: missing, unreadable, empty, or no audio or video FFmpeg knows.
    """
    path = existing_file(path, what)
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(f"file:{path.resolve()}", mode="r", options=options, metadata_errors="ignore")
    except DecodeError as error:
        raise InputError(
            f"{what} {path} is damaged or not audio or video ({_reason(error)}); convert it to MP4 or WAV and try again"
        ) from error
    with container:
        yield container


def decode(container: InputContainer, stream: AudioStream | VideoStream, path: str | Path) -> Iterator:
    """Decoded frames of one stream; damaged packets are skipped with one warning."""
    bad = 0
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except DecodeError as error:
                bad += 1
                if bad == 1:
                    logger.warning("%s: a damaged part is skipped (%s)", path, _reason(error))
                if bad > MAX_BAD_PACKETS:
                    raise InputError(f"{path} is too damaged to read ({_reason(error)}); export it again") from error
    except FFmpegError as error:  # the container ends in the middle of a packet: keep what was there
        logger.warning("%s: ends early (%s)", path, _reason(error))


@dataclass(frozen=True)
class SoundTrack:
    """A sound track that can be decoded."""

    index: int  # of the stream in its file
    start: float  # seconds, time of the first sound


def sound_track(path: str | Path, what: str = "audio file") -> SoundTrack | None:
    """The sound track to use: the first that can be decoded, those flagged as default first; None if there is none.

    Phones write tracks nobody can decode beside a usable one, and films carry several languages.

    Raises:
        InputError: missing, unreadable, or not audio or video.
    """
    tried = 0
    while True:
        with open_media(path, what) as container:  # anew for each: what was demuxed for one track is lost for the next
            tracks = [
                (not stream.disposition & Disposition.default, stream.index) for stream in container.streams.audio
            ]
            if tried == len(tracks):
                return None
            index = sorted(tracks)[tried][1]
            frame = _first_sound(container, index)
        if frame is not None:
            return SoundTrack(index, frame.time or 0.0)
        tried += 1


def usable_sound(path: str | Path) -> SoundTrack:
    """As ``sound_track``, for a file that is there for its sound.

    Raises:
        InputError: also where there is no sound track, or none that can be decoded.
    """
    track = sound_track(path)
    if track is not None:
        return track
    with open_media(path, "audio file") as container:
        count = len(container.streams.audio)
    if count:
        raise InputError(f"no sound track of audio file {path} can be decoded; convert it to WAV or MP3")
    raise InputError(f"audio file {path} has no sound track; give a file with speech")


def _first_sound(container: InputContainer, index: int) -> AudioFrame | None:
    stream = container.streams[index]
    if not isinstance(stream, AudioStream) or stream.codec_context is None:  # a codec FFmpeg does not know
        return None
    bad = 0
    try:
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    is_sound = isinstance(frame, AudioFrame) and MIN_RATE <= frame.sample_rate <= MAX_RATE
                    return frame if is_sound else None
            except DecodeError:
                bad += 1
                if bad > MAX_BAD_PACKETS:
                    return None
    except FFmpegError:
        return None
    return None


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
