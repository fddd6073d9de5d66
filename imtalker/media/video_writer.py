"""The finished video: H.264 + AAC in an MP4 that appears complete or not at all."""

import json
import logging
import os
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import OutputContainer

from imtalker.config import FRAME_RATE
from imtalker.media.atomic import checked_target, hidden_sibling, write_error
from imtalker.media.screen_colours import tag, to_yuv420
from imtalker.media.sound_blocks import AudioTrack, SoundBlocks

logger = logging.getLogger(__name__)

SUFFIXES = (".mp4",)
AI_NOTICE = "AI-generated video (imtalker)"  # the disclosure in the file's comment tag, before the recipe
# Without macroblock-tree rate control: x264's makes another file of the same frames each time at some sizes.
X264_OPTIONS = {"crf": "18", "preset": "veryfast", "x264-params": "mbtree=0"}
AUDIO_BIT_RATE = 192_000


class VideoWriter:
    """Write frames as H.264 (yuv420p, BT.709, crf 18) and a sound track as AAC, index first ("faststart").

    The sound is read piece by piece as the pictures advance, so memory does not grow, and a video that is
    closed early has sound and pictures of the same length; sound that ends early is filled with silence.

    A context manager: leaving it normally finishes the file under its name, an exception removes it.

    Args:
        path: ``.mp4`` file; replaced if it exists.
        size: (height, width) of the frames; an odd last row or column is dropped (4:2:0 needs even sides).
            None: that of the first frame written.
        fps: frames per second; 30000/1001 and the like are kept exactly.
        audio: path of a file with sound, kept at its own quality, or ``(rate, samples (N,) or (N, C))``.
        audio_offset: seconds by which the sound starts after the first picture.
        recipe: JSON-able facts stored in the comment tag behind the notice that the video is AI-generated.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
        InputError: ``audio`` has no sound.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int] | None = None,
        fps: Fraction | int = FRAME_RATE,
        audio: AudioTrack | None = None,
        audio_offset: float = 0.0,
        recipe: dict | None = None,
    ):
        self.path = checked_target(path, SUFFIXES)
        self.frames = 0
        self.fps = Fraction(fps)
        self.recipe = recipe or {}
        self._hidden = hidden_sibling(self.path)
        self._resources = ExitStack()
        self._container: OutputContainer | None = None  # opened as soon as the size is known
        try:
            self._sound = self._resources.enter_context(SoundBlocks(audio, audio_offset)) if audio is not None else None
            if size is not None:
                self._container = self._open(size)
        except BaseException:
            self._discard()
            raise

    def _open(self, size: tuple[int, int]) -> OutputContainer:
        self._height, self._width = size[0] // 2 * 2, size[1] // 2 * 2
        try:
            container = av.open(f"file:{self._hidden}", "w", format="mp4", options={"movflags": "+faststart"})
        except OSError as error:
            raise write_error(self.path, error) from error
        self._resources.callback(_close_quietly, container)
        container.metadata["comment"] = f"{AI_NOTICE} {json.dumps(self.recipe, separators=(',', ':'))}"
        video = container.add_stream("libx264", rate=self.fps, options=X264_OPTIONS)
        video.width, video.height, video.pix_fmt = self._width, self._height, "yuv420p"
        tag(video.codec_context)
        self._video = video
        if self._sound is not None:
            self._audio = container.add_stream("aac", rate=self._sound.rate, layout=self._sound.layout)
            self._audio.bit_rate = AUDIO_BIT_RATE
        return container

    def write(self, frames: np.ndarray) -> None:
        """Append frames, uint8 RGB ``(n, H, W, 3)`` or ``(H, W, 3)``.

        Raises:
            OutputError: the disk is full.
        """
        if frames.ndim == 3:
            frames = frames[None]
        container = self._container = self._container or self._open(frames.shape[1:3])
        try:
            for picture in frames:
                self._write_picture(container, picture)
                if self._sound is not None:
                    self._write_sound(container, self.frames / self.fps)
        except OSError as error:
            raise write_error(self.path, error) from error

    def close(self) -> None:
        """Finish the file and give it its name; with no frame written, leave nothing.

        Raises:
            OutputError: the disk is full.
        """
        if self.frames == 0 or self._container is None:
            self._discard()
            return
        try:
            self._container.mux(self._video.encode(None))
            if self._sound is not None:
                self._container.mux(self._audio.encode(None))
            self._container.close()
            os.replace(self._hidden, self.path)
        except OSError as error:
            raise write_error(self.path, error) from error
        finally:
            self._discard()

    def abort(self) -> None:
        """Leave nothing behind."""
        self._discard()

    def _write_picture(self, container: OutputContainer, picture: np.ndarray) -> None:
        frame = to_yuv420(picture[: self._height, : self._width])
        frame.pts, frame.time_base = self.frames, 1 / self.fps
        container.mux(self._video.encode(frame))
        self.frames += 1

    def _write_sound(self, container: OutputContainer, until: Fraction) -> None:
        assert self._sound is not None
        for block in self._sound.blocks(round(until * self._sound.rate)):
            container.mux(self._audio.encode(block))

    def _discard(self) -> None:
        self._resources.close()
        with suppress(OSError):
            self._hidden.unlink()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()


def _close_quietly(container: OutputContainer) -> None:
    with suppress(OSError):
        container.close()
