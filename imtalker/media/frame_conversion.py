"""Decoded video frames -> upright RGB with square pixels, all of one size, in the colours of a screen (BT.709)."""

from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from imtalker.errors import InputError
from imtalker.media.hdr import ScreenColours, needs_conversion

MAX_SIDE = 8192  # pixels
MAX_STRETCH = 10.0  # of one pixel; beyond, the file's aspect ratio is taken for a mistake
UNSPECIFIED = (0, 2, 3)  # H.273 code points that name no colour matrix
HD_WIDTH, HD_HEIGHT = 1280, 576  # an untagged picture at least this wide, or higher, is BT.709, as players guess


class FrameConverter:
    """Callable: a decoded frame -> upright uint8 RGB ``(H, W, 3)``, always of the first frame's size.

    Pixels that are not square are made square by enlarging the shorter way, the rotation a phone notes in the file is
    applied, HDR and wide colours become those of a screen, and a frame of another size (browser recordings change it
    midway) is scaled to the first one's, with black bars where its shape differs.

    Args:
        stream: the frames' stream.
        path: named in messages.
        longest_side: give smaller pictures than the clip's, for finding faces; None: full size.
    """

    def __init__(self, stream: VideoStream, path: str | Path, longest_side: int | None = None):
        self._path = path
        self._longest_side = longest_side
        self._stretch = _pixel_stretch(stream)
        self._colours: tuple[tuple[int, int], ScreenColours] | None = None
        self.source_size: tuple[int, int] | None = None  # (height, width), upright, square pixels, of the first frame
        self.size: tuple[int, int] | None = None  # (height, width) of what is given

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Convert one frame.

        Raises:
            InputError: a side over 8192 pixels.
        """
        turns = (frame.rotation // 90) % 4
        height, width = self._square_size(frame)
        upright = (width, height) if turns % 2 else (height, width)
        if self.size is None:
            self.source_size = upright
            scale = 1.0 if self._longest_side is None else min(1.0, self._longest_side / max(upright))
            self.size = (max(1, round(upright[0] * scale)), max(1, round(upright[1] * scale)))
        fitted = fit_inside(upright, self.size)
        height, width = (fitted[1], fitted[0]) if turns % 2 else fitted
        picture = self._to_rgb(frame, height, width)
        picture = np.rot90(picture, turns) if turns else picture
        if fitted != self.size:
            picture = _letterboxed(picture, self.size)
        return np.ascontiguousarray(picture)

    def _to_rgb(self, frame: VideoFrame, height: int, width: int) -> np.ndarray:
        if not needs_conversion(frame):
            return to_rgb(frame, height, width)
        kind = (int(frame.color_trc), int(frame.color_primaries))
        if self._colours is None or self._colours[0] != kind:
            self._colours = (kind, ScreenColours(*kind))
        return self._colours[1](frame, height, width)

    def _square_size(self, frame: VideoFrame) -> tuple[int, int]:
        width, height = frame.width, frame.height
        if max(width, height) > MAX_SIDE:
            raise InputError(f"video file {self._path} has {width}x{height} pixels; the limit is {MAX_SIDE}")
        if self._stretch > 1:
            width = round(width * self._stretch)
        elif self._stretch < 1:
            height = round(height / self._stretch)
        scale = min(1.0, MAX_SIDE / max(width, height))
        return max(1, round(height * scale)), max(1, round(width * scale))


def to_rgb(frame: VideoFrame, height: int, width: int) -> np.ndarray:
    """A frame scaled to a size as uint8 RGB, by its own colour matrix; BT.709 or BT.601 by size where it names none."""
    options: dict = {"src_color_range": int(frame.color_range)}
    if int(frame.colorspace) in UNSPECIFIED and not frame.format.is_rgb:
        large = frame.width >= HD_WIDTH or frame.height > HD_HEIGHT
        options["src_colorspace"] = Colorspace.ITU709 if large else Colorspace.ITU601
    if (height, width) != (frame.height, frame.width):
        options |= {"height": height, "width": width, "interpolation": "AREA" if height < frame.height else "BICUBIC"}
    return frame.to_ndarray(format="rgb24", **options)


def fit_inside(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The largest (height, width) of the shape of ``size`` inside ``target``; a pixel of rounding is filled up."""
    scale = min(target[0] / size[0], target[1] / size[1])
    fitted = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    close = abs(fitted[0] - target[0]) <= 1 and abs(fitted[1] - target[1]) <= 1
    return target if close else fitted


def _letterboxed(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - picture.shape[0]) // 2, (size[1] - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def _pixel_stretch(stream: VideoStream) -> float:
    """Width of a pixel over its height."""
    ratio = stream.sample_aspect_ratio
    stretch = float(ratio) if ratio else 1.0
    return stretch if 1 / MAX_STRETCH <= stretch <= MAX_STRETCH else 1.0
