"""Everything the renderer needs to know about a portrait, computed once."""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.renderer.backdrop import Backdrop
from imtalker.renderer.eyes import Eyes
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.mouth_interior import MouthInterior
from imtalker.renderer.portrait_part import PortraitPart

MARGIN = 0.125  # of the square's side, kept beyond each border for heads that move away from it
MAGNIFICATION = 2
SHARPENING = 0.4  # of the difference to a blur of one pixel
BLUR_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def _convert(value: Any, device: torch.device | str | None, dtype: torch.dtype | None) -> Any:
    if isinstance(value, Tensor | PortraitPart):
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
    picture: Tensor | None = None  # (1, 3, P, P) source pixels in [0, 1] for the pixel gate, magnified
    reach: float = 1.0  # side of the picture in sides of the square, whose middle it is
    geometry: FaceGeometry | None = None  # landmarks to which coordinates are held, where motions name them
    mouth: MouthInterior | None = None  # what is seen between the lips, with a geometry
    eyes: Eyes | None = None  # lids and what is behind them, with a geometry
    backdrop: Backdrop | None = None  # what the person stands before, with a geometry

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "SourceFeatures":
        """The same state on another device or in another floating-point type."""
        return replace(self, **{f.name: _convert(getattr(self, f.name), device, dtype) for f in fields(self)})


def widen(image: Tensor) -> tuple[Tensor, float]:
    """The square and its edge repeated in a margin round it, ``(B, 3, S, S) -> (B, 3, W, W)``, and W / S.

    Mirrored margins were tried: a head that comes down pulls the mirror image of its own crown into the picture.
    """
    margin = round(MARGIN * image.shape[-1])
    return F.pad(image, (margin,) * 4, mode="replicate"), 1 + 2 * margin / image.shape[-1]


def sharpen(image: Tensor, amount: float) -> Tensor:
    """Pixels ``(B, C, h, w)`` and ``amount`` of their difference to a blur of one pixel."""
    taps = torch.tensor(BLUR_TAPS, device=image.device)
    kernel = torch.outer(taps, taps).expand(image.shape[1], 1, 5, 5)
    blurred = F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), kernel, groups=image.shape[1])
    return image + amount * (image - blurred)


def magnify(image: Tensor) -> Tensor:
    """Pixels ``(B, 3, W, W)`` in [0, 1] -> ``(B, 3, 2W, 2W)``, ready to be resampled linearly anywhere.

    Linear resampling at sub-pixel positions takes about a seventh of the gradient energy, drawing beside it as much
    again. Starting from twice the resolution (cubic) saves half of the first, slight sharpening makes up for the rest;
    neither costs anything per frame.
    """
    sharpened = sharpen(image.float(), SHARPENING)
    return F.interpolate(sharpened, scale_factor=MAGNIFICATION, mode="bicubic", align_corners=False).clamp(0, 1)
