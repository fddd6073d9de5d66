"""Post-processing of rendered frames, one stage for all ways of running: paste-back, visible AI label."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypedDict

import cv2
import numpy as np

from imtalker.errors import InputError
from imtalker.media.crop import CropBox, Placement, crop_and_resize
from imtalker.media.labels import AI_LABEL, Label
from imtalker.media.paste_back import PasteBack
from imtalker.media.video import read_frames
from imtalker.pipeline.animation import FrameChunk
from imtalker.pipeline.inputs import DrivingClip, SourceImage
from imtalker.pipeline.timing import Timings

CHUNK_BYTES = 64_000_000  # of whole pictures in one chunk
MAX_SIDE = 1920  # longer side of a finished picture unless asked otherwise, pixels
SIDE_LIMITS = (128, 4096)  # what may be asked for
MAX_BLOCKS = 36_864  # of 16x16 pixels in a picture of H.264 level 5.1, which phones and browsers still decode


@dataclass(frozen=True)
class FinishOptions:
    """What is made of rendered squares."""

    paste_back: bool = False  # whole pictures instead of the square
    label: bool = False  # write "AI-generated" into a corner
    max_side: int = MAX_SIDE  # longer side of a whole picture at most, 128..4096 pixels
    bare: bool = False  # nothing at all: for a caller that finishes them itself, perhaps in another process


class Finishing(TypedDict, total=False):
    """``FinishOptions`` as keyword arguments."""

    paste_back: bool
    label: bool
    max_side: int
    bare: bool


class Finisher:
    """Rendered squares -> finished frames, over any iterator of chunks.

    A square that was levelled (``box.angle``) is turned back into the upright square it was cut from.

    Args:
        source: the portrait.
        side: of the rendered squares, pixels.
        timings: where the time is noted.

    Raises:
        InputError: ``options.max_side`` is out of range.
    """

    def __init__(
        self,
        source: SourceImage,
        side: int,
        options: FinishOptions = FinishOptions(),
        timings: Timings | None = None,
    ):
        image, box = source.image, source.box
        self.size: tuple[int, int] = (side, side)  # height, width of the finished frames
        self.recipe: dict[str, Any] = {} if options.bare else _recipe(options)
        self._paste: PasteBack | None = None
        bare = options.bare
        options = FinishOptions() if bare else options
        if options.paste_back:
            self.size = finished_size((image.shape[0], image.shape[1]), options.max_side)
            self._paste = PasteBack(*_scaled(image, box, self.size))
        elif box.angle and not bare:
            around = Placement(side / 2, side / 2, side, box.angle)
            self._paste = PasteBack(crop_and_resize(image, box.upright, side), around)
        self._label = Label(AI_LABEL, self.size[0], "lower right") if options.label else None
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
        whole: whole pictures; else the squares the networks see, the portrait's not levelled, as the result is not.
    """
    if clip is not None:
        return read_frames(clip.path) if whole else clip.squares(size[0])
    if whole:  # scaled here, once: a photograph may have forty times the pixels of a frame
        return repeat(_scaled(source.image, source.box, size)[0])
    return repeat(crop_and_resize(source.image, source.box.upright, size[0]))


def _recipe(options: FinishOptions) -> dict[str, Any]:
    about: dict[str, Any] = {"paste_back": options.paste_back, "label": options.label}
    return about | {"max_side": options.max_side} if options.paste_back else about


def finished_size(size: tuple[int, int], max_side: int = MAX_SIDE) -> tuple[int, int]:
    """(height, width) of a finished whole picture: even, within ``max_side`` and within what level 5.1 can hold.

    Raises:
        InputError: ``max_side`` is out of range.
    """
    if not SIDE_LIMITS[0] <= max_side <= SIDE_LIMITS[1]:
        raise InputError(
            f"the longer side asked for is {max_side}; give {SIDE_LIMITS[0]} to {SIDE_LIMITS[1]} pixels, "
            f"or leave it at {MAX_SIDE}"
        )
    height, width = size
    scale = min(1.0, max_side / max(size), (MAX_BLOCKS * 256 / (height * width)) ** 0.5)
    if scale == 1.0:
        return max(2, height // 2 * 2), max(2, width // 2 * 2)
    return max(2, int(height * scale + 0.5) // 2 * 2), max(2, int(width * scale + 0.5) // 2 * 2)


def _scaled(image: np.ndarray, box: CropBox, size: tuple[int, int]) -> tuple[np.ndarray, Placement]:
    """The picture at its finished size, and where the square lies in it."""
    height, width = image.shape[:2]
    if height - size[0] <= 1 and width - size[1] <= 1:  # an odd last row or column is left out
        return np.ascontiguousarray(image[: size[0], : size[1]]), box.placement
    canvas = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return canvas, box.placement.seen_from(0, 0, size[1] / width, size[0] / height)
