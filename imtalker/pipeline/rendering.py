"""Frames <-> tensors in batches: what the renderer is asked for, piece by piece, so that memory stays flat."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.pipeline.animation import FrameChunk
from imtalker.pipeline.finishing import Finishing
from imtalker.pipeline.timing import Timings
from imtalker.renderer import Painter, Renderer
from imtalker.renderer.source import MARGIN


def suitable_batch(device: torch.device, output_size: int) -> int:
    """Frames to render at a time: enough to keep the device busy, few enough to bound the memory."""
    if device.type == "cuda":
        return 16
    return 4 if output_size <= 256 else 1


def to_tensor(squares: np.ndarray, like: Tensor) -> Tensor:
    """uint8 ``(n, S, S, 3)`` -> ``(n, 3, S, S)`` in [0, 1], on the device and of the type of ``like``."""
    return torch.from_numpy(squares).to(like.device).permute(0, 3, 1, 2).to(like.dtype).div(255)


def wide_picture(image: np.ndarray, box: CropBox, size: int, like: Tensor) -> tuple[Tensor, float]:
    """What ``Renderer.encode_source`` takes for ``wide``: the square at ``size`` pixels and more of the whole picture
    round it, ``(1, 3, W, W)``; beyond the whole picture's border it is mirrored."""
    margin = round(MARGIN * box.side)
    outer = CropBox(box.left - margin, box.top - margin, box.side + 2 * margin)
    reach = outer.side / box.side
    return to_tensor(crop_and_resize(image, outer, round(size * reach), mirror=True)[None], like), reach


def render_chunks(
    painter: Painter,
    windows: Iterator[Tensor],
    total: int,
    batch: int,
    finish: Finishing,
    timings: Timings,
) -> Iterator[FrameChunk]:
    """Finished frames for motion windows ``(1, n, 32)``, at most ``batch`` in a chunk."""
    start = 0
    batch = min(batch, finish.max_frames)
    for window in windows:
        for motion in window[0].to(painter.source.motion).split(batch):
            with timings.measure("rendering"):
                frames = painter(motion)
            frames = finish(frames)
            yield FrameChunk(frames, start, max(total, start + len(frames)))
            start += len(frames)


@torch.no_grad()
def encode_frames(
    renderer: Renderer, frames: Iterator[np.ndarray], box: CropBox, batch: int, timings: Timings
) -> Iterator[Tensor]:
    """Motion windows ``(1, n, 32)``, n up to ``batch``, of the square ``box`` in whole frames ``(H, W, 3)``."""
    like = next(renderer.parameters())
    size = renderer.config.input_size
    squares = timings.iterate("decoding", (crop_and_resize(frame, box, size) for frame in frames))
    while group := list(islice(squares, batch)):
        with timings.measure("motion_encoding"):
            motion = renderer.encode_motion(to_tensor(np.stack(group), like))
        yield motion[None]


def up_to(windows: Iterator[Tensor], frames: int) -> Iterator[Tensor]:
    """Windows until ``frames`` frames are there; the rest is not computed."""
    count = 0
    for window in windows:
        yield window
        count += window.shape[1]
        if count >= frames:
            return


def remembered(windows: Iterator[Tensor], kept: list[Tensor]) -> Iterator[Tensor]:
    """The same windows; copies on the CPU are appended to ``kept``."""
    for window in windows:
        kept.append(window.detach().to("cpu", torch.float32))
        yield window
