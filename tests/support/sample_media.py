"""Synthetic sound and video in many formats, made on the spot."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame


def tone(seconds: float = 1.0, rate: int = 16_000, channels: int = 1, hertz: float = 220.0) -> np.ndarray:
    """A sine of amplitude 0.5, float32 (N, channels)."""
    samples = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.repeat(samples[:, None], channels, axis=1).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """16-bit WAV of float samples (N, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def encode_audio(
    path: Path, codec: str, seconds: float = 1.0, rate: int = 48_000, layout: str = "stereo", fmt: str = "fltp"
) -> Path:
    """A tone in any codec the container's suffix allows."""
    with av.open(str(path), "w") as container:
        options = {"strict": "-2"} | ({"b": "64000"} if codec.startswith("wma") else {})
        stream = container.add_stream(codec, rate=rate, layout=layout, format=fmt, options=options)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(tone(seconds, rate).T), format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=fmt, layout=layout, rate=rate)
        for part in resampler.resample(frame) + resampler.resample(None):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def counting_frame(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A frame whose grey level says its number, up to 60; its upper left quarter is red."""
    frame = np.full((height, width, 3), min(255, 10 + 4 * index), np.uint8)
    frame[: height // 2, : width // 2] = (200, 20, 20)
    return frame


def read_count(frame: np.ndarray) -> int:
    """The number in a counting frame."""
    return round((float(np.median(frame[-10:, -10:])) - 10) / 4)


def write_video(
    path: Path,
    codec: str = "libx264",
    frames: int = 25,
    fps: int = 25,
    times: list[int] | None = None,
    pix_fmt: str = "yuv420p",
    sound: bool = False,
    picture=counting_frame,
    rotation: int = 0,
) -> Path:
    """Counting frames in any codec; ``times`` in milliseconds makes the rate variable."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        first = picture(0)
        stream.height, stream.width, stream.pix_fmt = first.shape[0], first.shape[1], pix_fmt
        if codec in ("libx264", "libx265"):
            stream.options = {"preset": "ultrafast", "crf": "12"} | (
                {"x265-params": "log-level=none"} if "5" in codec else {}
            )
        if codec == "libsvtav1":
            stream.options = {"preset": "12", "crf": "20"}
        base = Fraction(1, 1000) if times else Fraction(1, fps)
        if times:
            stream.codec_context.time_base = base
        audio = container.add_stream("aac", rate=48_000, layout="mono") if sound else None
        for index in range(frames):
            frame = VideoFrame.from_ndarray(picture(index), format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = times[index] if times else index, base
            if rotation:
                frame.rotation = rotation
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            samples = AudioFrame.from_ndarray(
                np.ascontiguousarray(tone(frames / fps, 48_000).T), format="fltp", layout="mono"
            )
            samples.sample_rate = 48_000
            container.mux(audio.encode(samples))
            container.mux(audio.encode(None))
    return path


def decode_video(path: Path) -> tuple[list[np.ndarray], dict]:
    """All frames, and durations in seconds of both streams, codec names and metadata."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        facts = {
            "video": float(video.duration * video.time_base),
            "codec": video.codec_context.name,
            "pix_fmt": video.codec_context.pix_fmt,
            "metadata": dict(container.metadata),
        }
        if container.streams.audio:
            audio = container.streams.audio[0]
            facts |= {"audio": float(audio.duration * audio.time_base), "audio_rate": audio.rate}
            facts |= {"channels": audio.channels, "audio_codec": audio.codec_context.name}
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return frames, facts
