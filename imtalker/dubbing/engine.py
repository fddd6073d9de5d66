"""What draws mouths: the interface every engine fills, whatever networks it uses."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from imtalker.dubbing.references import References
from imtalker.dubbing.tracking import FaceTrack


@dataclass(frozen=True, eq=False)
class Patch:
    """A drawn part of one picture, at the picture's own resolution, without a mask."""

    left: int  # pixel of the picture where it begins; it lies inside
    top: int
    pixels: np.ndarray  # (h, w, 3) float32, 0..255
    lower: np.ndarray  # (K, 2) float32 pixels of the picture, landmarks of the lower face as drawn
    painted: np.ndarray | None = None  # (h, w, 1) 0..1, what has been made as sharp as the clip already; None: nothing


class MouthEngine(Protocol):
    """Draws the lower face of frames with other lips."""

    def draw(
        self, frames: list[np.ndarray], landmarks: FaceTrack, motion: Tensor, references: References
    ) -> list[Patch]:
        """Patches for n frames; several threads may ask at once.

        Args:
            frames: n pictures, uint8 RGB ``(H, W, 3)``.
            landmarks: where the face is in each, and what it does there.
            motion: ``(n, 32)`` what it shall do; head, eyes and brows are those of the clip.
            references: other frames of the clip that show the same person.
        """
        ...
