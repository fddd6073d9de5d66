"""Batched encoding and rendering of frames; memory does not grow with the clip."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.pipeline.animation import FrameChunk
from imtalker.pipeline.inputs import DrivingClip
from imtalker.pipeline.timing import Timings
from imtalker.pipeline.workers import Workers
from imtalker.renderer import Painter, Renderer
from imtalker.renderer.source import MARGIN

EASE_FRAMES = 6  # in which a held pose is left for the driver's


def default_batch_size(device: torch.device, output_size: int) -> int:
    """Frames to render at a time: enough to keep the device busy, few enough to bound the memory."""
    if device.type == "cuda":
        return 16
    return 4 if output_size <= 256 else 1


def to_tensor(squares: np.ndarray, like: Tensor) -> Tensor:
    """uint8 ``(n, S, S, 3)`` -> ``(n, 3, S, S)`` in [0, 1], on the device and of the type of ``like``."""
    return torch.from_numpy(squares).to(like.device).permute(0, 3, 1, 2).to(like.dtype).div(255)


def wide_picture(image: np.ndarray, box: CropBox, size: int, like: Tensor) -> tuple[Tensor, float]:
    """What ``Renderer.encode_source`` takes for ``wide``: the square at ``size`` pixels and more of the whole picture
    round it, ``(1, 3, W, W)``; beyond the whole picture's border its edge is repeated."""
    margin = round(MARGIN * box.side)
    outer = CropBox(box.left - margin, box.top - margin, box.side + 2 * margin, box.angle)
    reach = outer.side / box.side
    return to_tensor(crop_and_resize(image, outer, round(size * reach))[None], like), reach


def render_chunks(
    painter: Painter,
    windows: Iterator[Tensor],
    total: int,
    batch: int,
    timings: Timings,
    workers: Workers,
) -> Iterator[FrameChunk]:
    """Rendered squares for motion windows ``(1, n, 32)``, at most ``batch`` in a chunk.

    With workers, "rendering" in the timings is the time that is waited for them: they draw while frames are encoded.
    """
    batches = (motion for window in windows for motion in window[0].to(painter.source.motion).split(batch))
    start = 0
    for frames in timings.iterate("rendering", workers.map(painter, batches)):
        yield FrameChunk(frames, start, max(total, start + len(frames)))
        start += len(frames)


@torch.no_grad()
def encode_clip(renderer: Renderer, clip: DrivingClip, batch: int, timings: Timings) -> Iterator[Tensor]:
    """Motion windows ``(1, n, 32)`` of a driving clip.

    Frames without a face are not read for motion, see ``PoseHold``.
    """
    like = next(renderer.parameters())
    size = renderer.config.input_size

    def cut() -> Iterator[tuple[np.ndarray, bool]]:
        for index, square in enumerate(clip.squares(size)):
            yield square, clip.framing.sees_face(index)

    def encode(squares: list[np.ndarray]) -> Tensor:
        with timings.measure("motion_encoding"):
            return renderer.encode_motion(to_tensor(np.stack(squares), like))

    squares = timings.iterate("decoding", cut())
    hold = PoseHold()
    latest: np.ndarray | None = None
    while group := list(islice(squares, batch)):
        latest = group[-1][0]
        seen = [square for square, has_face in group if has_face]
        motion = hold(encode(seen) if seen else None, [has_face for _, has_face in group])
        if motion is not None:
            yield motion[None]
    if hold.waiting and latest is not None:  # the face was there only between two frames
        motion = hold(encode([latest]), [True])
        assert motion is not None
        yield motion[None, 1:]


class PoseHold:
    """Motion for frames in which the face is not seen: the pose before is held, and left gently when it comes back.

    Before the face is seen for the first time its first pose is held.
    """

    def __init__(self) -> None:
        self.waiting = 0  # frames before the first face, whose motion is not known yet
        self._last: Tensor | None = None  # (32,)
        self._left: Tensor | None = None  # the held pose, while it is being left
        self._hidden = False
        self._step = 0

    def __call__(self, motion: Tensor | None, seen: list[bool]) -> Tensor | None:
        """Motion ``(m, 32)`` of the frames that show the face -> of all ``(n, 32)``, or None while there is none."""
        given = iter(motion if motion is not None else ())
        poses: list[Tensor] = []
        for has_face in seen:
            if has_face:
                poses += self._show(next(given))
            elif self._last is None:
                self.waiting += 1
            else:
                self._hidden = True
                poses.append(self._last)
        return torch.stack(poses) if poses else None

    def _show(self, pose: Tensor) -> list[Tensor]:
        before, self.waiting = self.waiting, 0
        if self._hidden:
            self._left, self._step, self._hidden = self._last, 0, False
        if self._left is not None:
            self._step += 1
            pose = torch.lerp(self._left, pose, self._step / EASE_FRAMES)
            if self._step == EASE_FRAMES:
                self._left = None
        self._last = pose
        return [pose] * (before + 1)


def take(windows: Iterator[Tensor], frames: int) -> Iterator[Tensor]:
    """Windows until ``frames`` frames are there; the rest is not computed."""
    count = 0
    for window in windows:
        yield window
        count += window.shape[1]
        if count >= frames:
            return


def record(windows: Iterator[Tensor], kept: list[Tensor]) -> Iterator[Tensor]:
    """The same windows; copies on the CPU are appended to ``kept``."""
    for window in windows:
        kept.append(window.detach().to("cpu", torch.float32))
        yield window
