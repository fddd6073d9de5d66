"""From what the synthesis network says about a frame to the frame: moved source pixels, drawn ones, teeth.

The network works at one resolution, but most of a frame is source pixels, and those are as sharp as the portrait:
coordinates, gate and drawn pixels are enlarged, source pixels are sampled at the resolution that is asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.renderer.eyes import EyePlacement
from imtalker.renderer.motion_transfer import remap, resample_coordinates, resize_coordinates, runs_on_cpu
from imtalker.renderer.mouth_interior import MouthPlacement
from imtalker.renderer.source import SourceFeatures, sharpen

DRAWN_SHARPENING = 0.5  # of drawn pixels that are enlarged, see ``sharpen``: beside source pixels they look soft


@dataclass(frozen=True)
class Layers:
    """A rendered batch before it is composed, at the network's own resolution, single precision."""

    drawn: Tensor  # (B, 3, h, w) in [0, 1], pixels that the network invents
    gate: Tensor  # (B, 1, h, w) share of moved source pixels in the frame
    coordinates: Tensor  # (B, h, w, 2) where in the source's square they come from, see Guide
    opening: Tensor | None = None  # (B, 1, h, w) share of teeth that may be seen between the lips
    light: Tensor | None = None  # (B, 3, h, w) on them
    mouth: MouthPlacement | None = None  # of the mouth's inside, where it is painted
    eyes: EyePlacement | None = None  # of the eyes, where they are painted
    person: Tensor | None = None  # (B, 1, h, w) share of the person in the frame, where there is a backdrop
    plate: Tensor | None = None  # (B, 1, 1, 1) share of its plate behind the person; the rest is the portrait

    def enlarged(self, size: int) -> "Layers":
        """The same at ``size x size`` pixels; what is drawn is sharpened and enlarged by cubic interpolation, the rest
        by linear."""
        if self.drawn.shape[-1] == size:
            return self
        return Layers(
            F.interpolate(
                sharpen(self.drawn, DRAWN_SHARPENING), (size, size), mode="bicubic", align_corners=False
            ).clamp(0, 1),
            _linear(self.gate, size),
            resize_coordinates(self.coordinates, size),
            None if self.opening is None else _linear(self.opening, size),
            None if self.light is None else _linear(self.light, size),
            self.mouth,
            self.eyes,
            None if self.person is None else _linear(self.person, size),
            self.plate,
        )


def _linear(x: Tensor, size: int) -> Tensor:
    return F.interpolate(x, (size, size), mode="bilinear", align_corners=False)


def move_pixels(source: SourceFeatures, coordinates: Tensor) -> Tensor:
    """Source pixels ``(B, 3, h, w)`` at the coordinates ``(B, h, w, 2)`` of the square."""
    picture = source.picture
    assert picture is not None
    if not (len(picture) == 1 and runs_on_cpu(picture, coordinates)):
        return resample_coordinates(picture, coordinates / source.reach)
    half = picture.shape[-1] / 2
    pixels = (coordinates * (half / source.reach) + (half - 0.5)).numpy()
    image = picture[0].permute(1, 2, 0).contiguous().numpy()
    return torch.from_numpy(np.stack([remap(image, one) for one in pixels])).permute(0, 3, 1, 2)


def compose(layers: Layers, source: SourceFeatures, teeth: Tensor | None, size: int) -> tuple[Tensor, Tensor]:
    """Frames and the moved source pixels in them, ``(B, 3, size, size)`` each.

    ``teeth (B, 4, size, size)``: colour times opacity, and opacity. Light on teeth may go beyond 1.
    """
    layers = layers.enlarged(size)
    moved = move_pixels(source, layers.coordinates)
    drawn = layers.drawn
    if teeth is not None and layers.opening is not None and layers.light is not None:
        drawn = drawn * (1 - layers.opening * teeth[:, 3:]) + layers.opening * layers.light * teeth[:, :3]
    frame = layers.gate * moved + (1 - layers.gate) * drawn
    for painted, left, top in painted_parts(layers, source, size):
        area = frame[..., top : top + painted.shape[2], left : left + painted.shape[3]]
        area.copy_(painted[:, :3] + (1 - painted[:, 3:]) * area)
    if layers.person is not None and layers.plate is not None and source.backdrop is not None:
        square, plate = (resized(x, size) for x in (source.backdrop.square, source.backdrop.plate))
        frame = layers.person * frame + (1 - layers.person) * torch.lerp(square, plate, layers.plate)
    return frame, moved


def resized(picture: Tensor, size: int) -> Tensor:
    """A picture ``(1, 3, S, S)`` at ``size`` pixels, S at least."""
    return picture if picture.shape[-1] == size else F.interpolate(picture, (size, size), mode="area")


def painted_parts(layers: Layers, source: SourceFeatures, size: int) -> Iterator[tuple[Tensor, int, int]]:
    """What is laid over the frames last: colour times opacity, and opacity, ``(B, 4, h, w)``, and its left and top
    pixel."""
    if source.mouth is not None and layers.mouth is not None:
        yield source.mouth.paint(layers.mouth, size)
    if source.eyes is not None and layers.eyes is not None and source.picture is not None:
        yield from source.eyes.paint(layers.eyes, size, source.picture, source.reach)
