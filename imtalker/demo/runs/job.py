"""What every run of the app is to those who play it, whatever it makes."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from imtalker.media.remark import Remark
from imtalker.media.video_writer import AudioTrack, VideoWriter
from imtalker.pipeline.animation import Animation, FrameChunk
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings


@dataclass(frozen=True)
class Looked:
    """How much has been done before anything is drawn."""

    done: int  # frames of the clip, or parts of the adapting
    total: int
    adapting: bool = False  # to the clip, after it has been looked at


class Finishing(Protocol):
    """What makes finished pictures of rendered ones."""

    size: tuple[int, int]  # height, width of the finished pictures
    recipe: dict[str, Any]  # what it adds to the recipe

    def finish(self, chunks: Iterable[FrameChunk]) -> Iterator[FrameChunk]:
        """Finished chunks."""
        ...


class Job(Protocol):
    """One run, read and checked. Values on the CPU only, so that it can be handed to a GPU process."""

    @property
    def names(self) -> tuple[str | None, str | None]:
        """File names that the result is named after."""
        ...

    @property
    def total(self) -> int:
        """Frames."""
        ...

    @property
    def fps(self) -> Fraction:
        """Frames per second of the result."""
        ...

    @property
    def gpu_seconds(self) -> float:
        """How long a GPU is needed, once it holds the weights."""
        ...

    @property
    def waveform(self) -> np.ndarray | None:
        """``(N,)`` at 16 kHz: what is heard with the live view."""
        ...

    @property
    def sound(self) -> AudioTrack | None:
        """Of the finished video, at its own quality."""
        ...

    @property
    def sound_offset(self) -> float:
        """Seconds by which it starts after the first frame."""
        ...

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """On what went in, for people; further ones come with the run."""
        ...

    def start(self, pipeline: TalkingHeadPipeline, timings: Timings) -> Generator[Looked, None, Animation]:
        """Begin; runs where the GPU is."""
        ...

    def finisher(self, size: tuple[int, int], timings: Timings) -> Finishing:
        """For pictures of that (height, width) as they are rendered."""
        ...

    def beside(self, path: Path, size: tuple[int, int], **video: Any) -> VideoWriter:
        """Writes a second video with what went in on the left; ``video``: sound and recipe, see ``VideoWriter``."""
        ...
