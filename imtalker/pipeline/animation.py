"""A run of the pipeline: an iterator of finished frames that knows its length, recipe and timings."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, MOTION_DIM
from imtalker.media.remark import Remark
from imtalker.media.sound_blocks import AudioTrack
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.motion_clip import MotionClip
from imtalker.pipeline.timing import Timings


@dataclass(frozen=True)
class FrameChunk:
    """Finished frames, in order, on the CPU."""

    frames: np.ndarray  # uint8 RGB (n, H, W, 3)
    start: int  # index of the first one in the clip
    total: int  # frames of the whole clip
    fps: Fraction | int = FRAME_RATE


@dataclass
class Animation(Iterator[FrameChunk]):
    """Iterate over it for ``FrameChunk``s; nothing is computed before that. ``close`` ends it early."""

    chunks: Iterator[FrameChunk]
    total: int  # frames
    size: tuple[int, int]  # height, width of the frames
    recipe: dict
    timings: Timings
    audio: AudioTrack | None = field(default=None, repr=False)  # sound of the finished video, at its own quality
    audio_offset: float = 0.0  # seconds by which that starts after the first frame
    early_remarks: tuple[Remark, ...] = ()  # on what went in, for people
    late_remarks: list[Remark] = field(default_factory=list)  # what is noticed on the way, so far
    windows: list[Tensor] = field(default_factory=list, repr=False)  # motion so far, (1, n, 32) each
    fps: Fraction | int = FRAME_RATE

    def __iter__(self) -> "Animation":
        return self

    def __next__(self) -> FrameChunk:
        chunk = next(self.chunks)
        self.timings.count(len(chunk.frames))
        return chunk

    def frames(self) -> Iterator[np.ndarray]:
        """The same, one frame ``(H, W, 3)`` at a time."""
        for chunk in self:
            yield from chunk.frames

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What people should know, as far as it is known; all of it once the iteration has ended."""
        return (*self.early_remarks, *self.late_remarks)

    def close(self) -> None:
        """Stop computing and release what the run holds."""
        close = getattr(self.chunks, "close", None)
        if close is not None:
            close()

    @property
    def motion(self) -> MotionClip:
        """The motion rendered so far, with the recipe; all of it once the iteration has ended."""
        windows = self.windows or [torch.zeros(1, 0, MOTION_DIM)]
        return MotionClip(torch.cat(windows, dim=1)[0], self.recipe)


def write_chunks(
    chunks: Iterable[FrameChunk], writers: Sequence[VideoWriter], timings: Timings | None = None
) -> Generator[FrameChunk]:
    """The same chunks; each writer appends their frames as they pass.

    The files are finished when the chunks end, and discarded if an error comes or the iteration is given up.

    Raises:
        OutputError: a file cannot be written.
    """
    timings = timings or Timings()
    try:
        for chunk in chunks:
            with timings.measure("encoding"):
                for writer in writers:
                    writer.write(chunk.frames)
            yield chunk
        with timings.measure("encoding"):
            for writer in writers:
                writer.close()
    finally:
        for writer in writers:
            writer.abort()  # does nothing to a finished file
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def save_video(
    chunks: Iterable[FrameChunk],
    path: str | Path,
    audio: AudioTrack | None = None,
    recipe: dict | None = None,
    audio_offset: float = 0.0,
    timings: Timings | None = None,
    also: Sequence[VideoWriter] = (),
    fps: Fraction | int | None = None,
) -> Path:
    """Write an animation as MP4 (H.264 + AAC), complete or not at all; returns the path.

    ``audio`` (a path, or ``(sample_rate, samples)``), ``recipe``, ``fps`` and ``timings`` (where the time spent
    on encoding is noted) default to the animation's own. ``also``: further videos of the same frames.

    Raises:
        OutputError: the file cannot be written.
        InputError: whatever the run itself raises. Without any chunk nothing is written.
    """
    if isinstance(chunks, Animation):
        timings = timings or chunks.timings
        audio, audio_offset = (chunks.audio, chunks.audio_offset) if audio is None else (audio, audio_offset)
        recipe = chunks.recipe if recipe is None else recipe
        fps = chunks.fps if fps is None else fps
    timings = timings or Timings()
    writer = VideoWriter(path, None, fps or FRAME_RATE, audio, audio_offset, recipe)
    for _ in write_chunks(chunks, (writer, *also), timings):
        pass
    timings.finish()
    return Path(path)
