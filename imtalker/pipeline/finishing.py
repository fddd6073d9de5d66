"""Post-processing of rendered frames, one stage for all ways of running: paste-back, visible AI label."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

import numpy as np

from imtalker.media.crop import crop_and_resize
from imtalker.media.labels import AI_LABEL, Label
from imtalker.media.paste_back import PasteBack
from imtalker.media.video import read_frames
from imtalker.pipeline.animation import FrameChunk
from imtalker.pipeline.inputs import DrivingClip, SourceImage
from imtalker.pipeline.timing import Timings

CHUNK_BYTES = 64_000_000  # of whole pictures in one chunk


class Finisher:
    """Rendered squares -> finished frames, over any iterator of chunks.

    Args:
        source: the portrait.
        side: of the rendered squares, pixels.
        paste_back: give whole pictures.
        label: write "AI-generated" into a corner.
        timings: where the time is noted.
    """

    def __init__(
        self,
        source: SourceImage,
        side: int,
        paste_back: bool = False,
        label: bool = False,
        timings: Timings | None = None,
    ):
        height, width = source.image.shape[:2]
        self.size: tuple[int, int] = (height, width) if paste_back else (side, side)  # of the finished frames
        self.recipe: dict[str, Any] = {"paste_back": paste_back, "label": label}
        self._paste = PasteBack(source.image, source.box) if paste_back else None
        self._label = Label(AI_LABEL, self.size[0], "lower right") if label else None
        self._timings = timings or Timings()
        self._max_frames = max(1, CHUNK_BYTES // (3 * self.size[0] * self.size[1]))

    def finish(self, chunks: Iterable[FrameChunk]) -> Iterator[FrameChunk]:
        """Chunks of squares -> chunks of finished frames, smaller where pictures are large, to bound the memory."""
        for chunk in chunks:
            for first in range(0, len(chunk.frames), self._max_frames):
                frames = chunk.frames[first : first + self._max_frames]
                if self._paste is not None:
                    with self._timings.measure("paste_back"):
                        frames = self._paste(frames)
                if self._label is not None:
                    for frame in frames:
                        self._label.stamp(frame)
                yield FrameChunk(frames, chunk.start + first, chunk.total, chunk.fps)


def input_pictures(
    source: SourceImage, clip: DrivingClip | None, size: tuple[int, int], whole: bool
) -> Iterator[np.ndarray]:
    """What a run was made from, to be shown beside its frames: the driving clip's pictures, else the portrait.

    Args:
        size: (height, width) of the finished frames.
        whole: whole pictures; else the squares the networks see.
    """
    if clip is not None:
        return read_frames(clip.path) if whole else clip.squares(size[0])
    return repeat(source.image if whole else crop_and_resize(source.image, source.box, size[0]))
