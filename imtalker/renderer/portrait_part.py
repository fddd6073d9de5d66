"""What the parts of a portrait's state that follow from landmarks have in common."""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from imtalker.faces.motion_reading import LOG_SCALE_UNIT, MEAN_SCALE, SQUARE

HALF_PIXEL = 0.5  # from the corner of a pixel, where the squares of pictures are counted from, to its middle


@dataclass(frozen=True, eq=False)
class PortraitPart:
    """Tensors in single precision, whatever the networks compute in: half of it is too coarse for coordinates."""

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """The same on another device; the precision stays."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def single(array: np.ndarray | np.floating) -> Tensor:
    """An array as a tensor in single precision."""
    return torch.from_numpy(np.asarray(array, np.float32, order="C"))


def face_unit(motion: Tensor) -> Tensor:
    """Half sides of the square in a centimetre of the face, ``(B,)``, under motions ``(B, 32)``."""
    return MEAN_SCALE * (motion[:, 5] * LOG_SCALE_UNIT).exp() / (SQUARE / 2)
