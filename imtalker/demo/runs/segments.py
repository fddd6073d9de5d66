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

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.demo.settings import SEGMENT_SECONDS
from imtalker.media.screen_colours import tag, to_yuv420

logger = logging.getLogger(__name__)

# Gradio waits 5 ms for the next bit of encoded sound. Where drawing keeps every core busy, most of a piece's sound then
# comes with the piece after it, and the player, which needs both, stands still until that arrives.
gradio.audio_stream_encoder.STEADY_WAIT = 0.1


@cache
def can_stream() -> bool:
    """Whether Gradio can join pieces here; it needs ffmpeg and ffprobe. Says once in the log if not."""
    missing = [tool for tool in ("ffmpeg", "ffprobe") if shutil.which(tool) is None]
    if missing:
        logger.warning("%s not found: videos are shown when they are finished", " and ".join(missing))
    return not missing


class Segments:
    """Writes frames into pieces of about two seconds, frame by frame, so that none is kept.

    Each piece begins with a key frame, has no reordered frames, has the colours of the finished video, and carries
    exactly its own sound: as PCM, from which Gradio makes one continuous AAC stream, or as AAC, so that it plays on
    its own (but clicks at borders).

    Args:
        folder: where the pieces go, made if need be; the caller removes it.
        waveform: sound of the whole clip, float32 (N,) at 16 kHz; None: pieces are silent.
        total: frames of the whole clip, so that the last piece is not too short to play.
        standalone: AAC instead of PCM.
        fps: frames per second.
    """

    def __init__(
        self,
        folder: Path,
        waveform: np.ndarray | None,
        total: int,
        standalone: bool = False,
        fps: Fraction | int = FRAME_RATE,
    ):
        folder.mkdir(exist_ok=True)
        self._standalone = standalone
        self._folder = folder
        self._waveform = waveform
        self._total = total
        self._fps = Fraction(fps)
        self._length = round(SEGMENT_SECONDS * fps)
        self._piece: _Piece | None = None
        self._start = 0
        self._count = 0

    def add(self, frames: np.ndarray) -> list[Path]:
        """Take frames, uint8 RGB ``(n, H, W, 3)``; the pieces that became complete."""
        done = []
        for frame in frames:
            if self._piece is None:
                path = self._folder / f"piece-{self._count:04d}.mp4"
                self._piece = _Piece(path, frame.shape[:2], self._waveform is not None, self._standalone, self._fps)
            self._piece.write(frame)
            left = self._total - self._start - self._piece.frames
            if self._piece.frames >= self._length and left >= self._length // 2:
                done += self.finish()
        return done

    def finish(self) -> list[Path]:
        """The piece with whatever is left."""
        piece, self._piece = self._piece, None
        if piece is None:
            return []
        piece.finish(self._sound(piece.frames))
        self._start += piece.frames
        self._count += 1
        return [piece.path]

    def close(self) -> None:
        """Leave the piece under way as it is."""
        if self._piece is not None:
            self._piece.close()

    def _sound(self, frames: int) -> np.ndarray | None:
        if self._waveform is None:
            return None
        first, end = (round(frame * SAMPLE_RATE / self._fps) for frame in (self._start, self._start + frames))
        part = self._waveform[first:end]
        return np.pad(part, (0, end - first - len(part)))


class _Piece:
    """One file: H.264 without B-frames, with AAC in an MP4, or with 16-bit PCM.

    PCM needs a QuickTime file; it carries the name Gradio expects. An odd last row or column is dropped.
    """

    def __init__(self, path: Path, size: tuple[int, int], has_sound: bool, standalone: bool, fps: Fraction):
        self.path = path
        self.frames = 0
        self._fps = fps
        self._height, self._width = size[0] // 2 * 2, size[1] // 2 * 2
        self._sample = "fltp" if standalone else "s16"
        self._container = av.open(str(path), "w", format="mp4" if standalone else "mov")
        options = {"crf": "20", "preset": "veryfast"}
        self._video = self._container.add_stream("libx264", rate=fps, options=options)
        self._video.width, self._video.height, self._video.pix_fmt = self._width, self._height, "yuv420p"
        self._video.codec_context.max_b_frames = 0
        tag(self._video.codec_context)
        codec = "aac" if standalone else "pcm_s16le"
        self._track = self._container.add_stream(codec, rate=SAMPLE_RATE, layout="mono") if has_sound else None

    def write(self, picture: np.ndarray) -> None:
        """Append a frame, uint8 RGB ``(H, W, 3)``."""
        frame = to_yuv420(picture[: self._height, : self._width])
        frame.pts, frame.time_base = self.frames, 1 / self._fps
        self._container.mux(self._video.encode(frame))
        self.frames += 1

    def finish(self, sound: np.ndarray | None) -> None:
        """Complete the file; ``sound`` is float32 (N,) at 16 kHz."""
        self._container.mux(self._video.encode(None))
        if self._track is not None and sound is not None:
            self._container.mux(self._track.encode(_block(sound, self._sample)))
            self._container.mux(self._track.encode(None))
        self.close()

    def close(self) -> None:
        self._container.close()


def _block(sound: np.ndarray, sample: str) -> AudioFrame:
    samples = sound.clip(-1, 1)[None].astype(np.float32)
    if sample == "s16":
        samples = np.rint(samples * 32767).astype(np.int16)
    block = AudioFrame.from_ndarray(samples, format=sample, layout="mono")
    block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    return block
