"""Motion latents -> finished uint8 frames, one after the other: ``Renderer.render`` in the form that runs.

On the CPU the last step, source pixels moved and mixed with drawn ones at the full resolution, is done by OpenCV on
bytes: about a quarter of the time that the same takes as tensors, and equal to rounding. Elsewhere, and for networks
that draw every pixel, frames come from ``Renderer.render``.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.media.planes import over, times
from imtalker.renderer.compose import DRAWN_SHARPENING, Layers, painted_parts, resized
from imtalker.renderer.motion_transfer import remap
from imtalker.renderer.renderer import Renderer
from imtalker.renderer.source import BLUR_TAPS, SourceFeatures

_TAPS = np.array(BLUR_TAPS, np.float32)


def to_frames(pictures: Tensor) -> np.ndarray:
    """``(n, 3, H, W)`` in [0, 1] -> uint8 RGB ``(n, H, W, 3)`` on the CPU."""
    scaled = pictures.float().mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy()


class Painter:
    """Callable: motion latents ``(n, motion_dim)`` -> uint8 RGB frames ``(n, size, size, 3)`` of one portrait.

    Args:
        size: one of ``RendererConfig.sizes``, pixels; None: the network's own.

    Raises:
        InputError: another size.
    """

    def __init__(self, renderer: Renderer, source: SourceFeatures, size: int | None = None) -> None:
        self.renderer = renderer
        self.source = source
        self.size = renderer.check_size(size)
        on_cpu = source.picture is not None and source.picture.device.type == "cpu"
        self._picture = to_frames(source.picture)[0] if on_cpu and source.picture is not None else None
        self._behind: tuple[np.ndarray, ...] = ()  # the portrait, and the same without the person
        if on_cpu and source.backdrop is not None:
            pictures = source.backdrop.square, source.backdrop.plate
            self._behind = tuple(to_frames(resized(picture, self.size))[0] for picture in pictures)

    @torch.inference_mode()
    def __call__(self, motion: Tensor) -> np.ndarray:
        if self._picture is None:
            return to_frames(self.renderer.render(motion, self.source, self.size))
        layers, placement = self.renderer.layers(motion, self.source)
        # Everything small is painted for all frames together: by itself it would mostly wait to be called.
        parts = [_Painted.of(*part) for part in painted_parts(layers, self.source, self.size)]
        teeth = None
        if placement is not None and self.renderer.teeth is not None:
            teeth = _Painted.of(*self.renderer.teeth.visible(placement, self.size))
        frames = np.empty((len(motion), self.size, self.size, 3), np.uint8)
        for i, frame in enumerate(frames):
            self._paint(_one(layers, i), teeth and teeth.of_frame(i), [part.of_frame(i) for part in parts], frame)
        return frames

    def _paint(self, layers: Layers, teeth: "_Painted | None", parts: "list[_Painted]", frame: np.ndarray) -> None:
        """Compose one frame, see ``compose``."""
        drawn = self._drawn(layers.drawn)
        if teeth is not None and layers.opening is not None and layers.light is not None:
            self._lay_teeth(drawn, layers.opening, layers.light, teeth)
        gate = self._enlarged(layers.gate)
        cv2.blendLinear(self._moved(layers.coordinates), _bytes(drawn), gate, 1 - gate, frame)
        for part in parts:
            seen = frame[part.area].astype(np.float32)
            frame[part.area] = np.rint(over(seen, 255 * part.colour, part.opacity))
        if layers.person is not None and layers.plate is not None and self._behind:
            person, share = self._enlarged(layers.person), layers.plate.item()
            behind = cv2.addWeighted(self._behind[0], 1 - share, self._behind[1], share, 0)
            cv2.blendLinear(frame, behind, person, 1 - person, frame)

    def _drawn(self, layer: Tensor) -> np.ndarray:
        """Drawn pixels, float ``(size, size, 3)``, see ``Layers.enlarged``."""
        drawn = _channels_last(layer)
        if len(drawn) == self.size:
            return drawn
        blurred = cv2.sepFilter2D(drawn, -1, _TAPS, _TAPS, borderType=cv2.BORDER_REPLICATE)
        sharp = cv2.addWeighted(drawn, 1 + DRAWN_SHARPENING, blurred, -DRAWN_SHARPENING, 0)
        return _resize(sharp, self.size, cv2.INTER_CUBIC).clip(0, 1)

    def _moved(self, coordinates: Tensor) -> np.ndarray:
        """Source pixels at the coordinates, uint8 ``(size, size, 3)``."""
        assert self._picture is not None
        half = len(self._picture) / 2
        pixels = coordinates[0].float().numpy() * np.float32(half / self.source.reach) + np.float32(half - 0.5)
        return remap(self._picture, _resize(pixels, self.size, cv2.INTER_LINEAR))

    def _lay_teeth(self, drawn: np.ndarray, opening: Tensor, light: Tensor, teeth: "_Painted") -> None:
        """Teeth into the drawn pixels, float ``(size, size, 3)``, in place."""
        seen, lit = self._enlarged(opening)[..., 0][teeth.area], self._enlarged(light)[teeth.area]
        drawn[teeth.area] = over(drawn[teeth.area], times(lit * teeth.colour, seen), seen * teeth.opacity)

    def _enlarged(self, layer: Tensor, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
        return _resize(_channels_last(layer), self.size, interpolation)


@dataclass(frozen=True, eq=False)
class _Painted:
    """Something painted in a part of n frames, or of one: then without the first axis."""

    colour: np.ndarray  # (n, h, w, 3) float32 in 0..1, times opacity
    opacity: np.ndarray  # (n, h, w)
    area: tuple[slice, slice]  # of the frames

    @classmethod
    def of(cls, painted: Tensor, left: int, top: int) -> "_Painted":
        """``painted (n, 4, h, w)``."""
        colour, opacity = (np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy()) for x in painted.split((3, 1), 1))
        return cls(colour, opacity[..., 0], np.s_[top : top + colour.shape[1], left : left + colour.shape[2]])

    def of_frame(self, i: int) -> "_Painted":
        return replace(self, colour=self.colour[i], opacity=self.opacity[i])


def _one(layers: Layers, i: int) -> Layers:
    parts: dict[str, Any] = {field.name: getattr(layers, field.name) for field in fields(layers)}
    return replace(layers, **{name: part[i : i + 1] for name, part in parts.items() if part is not None})


def _channels_last(layer: Tensor) -> np.ndarray:
    """``(1, C, h, w) -> (h, w, C)``, contiguous."""
    return np.ascontiguousarray(layer[0].permute(1, 2, 0).numpy())


def _resize(x: np.ndarray, size: int, interpolation: int) -> np.ndarray:
    """``(h, w, C) -> (size, size, C)``."""
    resized = x if x.shape[0] == size else cv2.resize(x, (size, size), interpolation=interpolation)
    return resized.reshape(size, size, -1)


def _bytes(picture: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(picture.clip(0, 1), alpha=255)
