"""Pieces of a video that play in the browser while the rest is still being rendered."""

import logging
import shutil
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import gradio.audio_stream_encoder
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.demo.settings import SEGMENT_SECONDS

logger = logging.getLogger(__name__)

# Gradio waits 5 ms for the next bit of encoded sound. Where drawing keeps every core busy, most of a piece's sound then
# comes with the piece after it, and the player, which needs both, stands still until that arrives.
gradio.audio_stream_encoder.STEADY_WAIT = 0.1

SAMPLES_PER_FRAME = SAMPLE_RATE // FRAME_RATE


@cache
def can_stream() -> bool:
    """Whether Gradio can join pieces here; it needs ffmpeg and ffprobe. Says once in the log if not."""
    missing = [tool for tool in ("ffmpeg", "ffprobe") if shutil.which(tool) is None]
    if missing:
        logger.warning("%s not found: videos are shown when they are finished", " and ".join(missing))
    return not missing


class Segments:
    """Collects frames and writes a piece whenever about two seconds are there.

    Each piece begins with a key frame, has no reordered frames, and carries exactly its own sound: as PCM, from
    which Gradio makes one continuous AAC stream, or as AAC, so that it plays on its own (but clicks at borders).

    Args:
        folder: where the pieces go; the caller removes it.
        waveform: sound of the whole clip, float32 (N,) at 16 kHz; None: pieces are silent.
        total: frames of the whole clip, so that the last piece is not a splinter.
        standalone: AAC instead of PCM.
    """

    def __init__(self, folder: Path, waveform: np.ndarray | None, total: int, standalone: bool = False):
        self._standalone = standalone
        self._folder = folder
        self._waveform = waveform
        self._total = total
        self._length = round(SEGMENT_SECONDS * FRAME_RATE)
        self._frames: list[np.ndarray] = []
        self._start = 0
        self._count = 0

    def add(self, frames: np.ndarray) -> list[Path]:
        """Take frames, uint8 RGB ``(n, H, W, 3)``; the pieces that became complete."""
        done = []
        for frame in frames:
            self._frames.append(frame)
            left = self._total - self._start - len(self._frames)
            if len(self._frames) >= self._length and left >= self._length // 2:
                done.append(self._write())
        return done

    def finish(self) -> list[Path]:
        """The piece with whatever is left."""
        return [self._write()] if self._frames else []

    def _write(self) -> Path:
        path = self._folder / f"piece-{self._count:04d}.mp4"
        write_segment(path, self._frames, self._sound(len(self._frames)), self._standalone)
        self._start += len(self._frames)
        self._count += 1
        self._frames = []
        return path

    def _sound(self, frames: int) -> np.ndarray | None:
        if self._waveform is None:
            return None
        first = self._start * SAMPLES_PER_FRAME
        part = self._waveform[first : first + frames * SAMPLES_PER_FRAME]
        return np.pad(part, (0, frames * SAMPLES_PER_FRAME - len(part)))


def write_segment(path: Path, frames: list[np.ndarray], sound: np.ndarray | None, standalone: bool = False) -> None:
    """One piece: H.264 without B-frames, with AAC in an MP4, or with 16-bit PCM.

    PCM needs a QuickTime file; it carries the name Gradio expects.

    Args:
        frames: uint8 RGB ``(H, W, 3)`` each; an odd last row or column is dropped.
        sound: float32 (N,) at 16 kHz.
    """
    height, width = (length // 2 * 2 for length in frames[0].shape[:2])
    codec, sample = ("aac", "fltp") if standalone else ("pcm_s16le", "s16")
    with av.open(str(path), "w", format="mp4" if standalone else "mov") as container:
        video = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.max_b_frames = 0
        track = container.add_stream(codec, rate=SAMPLE_RATE, layout="mono") if sound is not None else None
        for index, picture in enumerate(frames):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if track is not None and sound is not None:
            block = _block(sound, sample)
            container.mux(track.encode(block))
            container.mux(track.encode(None))


def _block(sound: np.ndarray, sample: str) -> AudioFrame:
    samples = sound.clip(-1, 1)[None].astype(np.float32)
    if sample == "s16":
        samples = np.rint(samples * 32767).astype(np.int16)
    block = AudioFrame.from_ndarray(samples, format=sample, layout="mono")
    block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    return block
