"""Everything the renderer needs to know about a portrait, computed once."""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

MAGNIFICATION = 2
SHARPENING = 0.4  # of the difference to a blur of one pixel


def _convert(value: Any, device: torch.device | str | None, dtype: torch.dtype | None) -> Any:
    if isinstance(value, Tensor):
        return value.to(device=device, dtype=dtype)
    if isinstance(value, tuple):
        return tuple(_convert(v, device, dtype) for v in value)
    return value


@dataclass(frozen=True)
class SourceFeatures:
    """The state of one portrait (batch size 1), passed to every ``Renderer.render`` call.

    A value, never hidden in a module: several people are served at once.
    """

    identity: Tensor  # (1, identity_dim)
    motion: Tensor  # (1, motion_dim), the portrait's own pose and expression
    keys: tuple[Tensor, ...]  # per coarse level (1, heads, N, d), from the source's motion map
    values: tuple[Tensor, ...]  # per coarse level (1, heads, N, d), from the identity features
    fine: tuple[Tensor, ...]  # per fine level: features (1, C, n, n), or their block means for "block"
    image: Tensor | None = None  # (1, 3, 2S, 2S) magnified source pixels in [0, 1], for the pixel gate

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "SourceFeatures":
        """The same state on another device or in another floating-point type."""
        return replace(self, **{f.name: _convert(getattr(self, f.name), device, dtype) for f in fields(self)})


def magnify(image: Tensor) -> Tensor:
    """Pixels ``(B, 3, S, S)`` in [0, 1] -> ``(B, 3, 2S, 2S)``, ready to be resampled linearly anywhere.

    Linear resampling at sub-pixel positions takes about a seventh of the gradient energy, drawing beside it as much
    again. Starting from twice the resolution (cubic) saves half of the first, slight sharpening makes up for the rest;
    neither costs anything per frame.
    """
    image = image.float()
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=image.device) / 16
    kernel = torch.outer(taps, taps).expand(image.shape[1], 1, 5, 5)
    blurred = F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), kernel, groups=image.shape[1])
    sharpened = image + SHARPENING * (image - blurred)
    return F.interpolate(sharpened, scale_factor=MAGNIFICATION, mode="bicubic", align_corners=False).clamp(0, 1)
