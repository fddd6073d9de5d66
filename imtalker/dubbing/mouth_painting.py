"""The inside of a mouth laid over what an engine has drawn: teeth, tongue and cavity of the clip's person.

Where it lies follows from landmarks; the teeth are the person's own where a frame of the clip shows them. See
``MouthInterior``.
"""

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import SQUARE_CM, pixels_per_cm, square_to_image
from imtalker.dubbing.rest_frames import OpenFrame
from imtalker.dubbing.softness import edge_blur
from imtalker.dubbing.source_frame import SourceFrame
from imtalker.faces.denture import Denture
from imtalker.faces.mesh import LIPS
from imtalker.faces.motion_reading import SQUARE, MotionBasis
from imtalker.media.planes import over
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.mouth_interior import MouthInterior, MouthPlacement, denture_of

PAINTED_BLUR = 0.025  # cm, deviation of the blur that painted edges have of themselves
LEAST_BLUR = 0.3  # pixels of the square, below which nothing is softened
LOOKED_AT = 4  # rest frames that tell how soft a clip is


class RestGeometry(FaceGeometry):
    """Landmarks of a rest frame as they differ from its own, however exactly its head has been read."""

    def place(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """See ``FaceGeometry.place``."""
        places, weights = super().place(motion)
        return self.landmarks + places - super().place(self.motion[None])[0], weights

    def carry(self, points: Tensor, motion: Tensor) -> Tensor:
        """See ``FaceGeometry.carry``; where the lips are seen in the frame itself, they are."""
        lips = list(LIPS)
        seen = super().carry(self.head[None, lips], self.motion[None])[0]
        return super().carry(points, motion) + (self.landmarks[lips] - seen).mean(0)


@dataclass(frozen=True, eq=False)
class PaintedMouth:
    """The mouth of the person in one rest frame."""

    geometry: FaceGeometry  # a ``RestGeometry``
    interior: MouthInterior
    blur: float  # pixels of the square, deviation by which what is painted is softened to be as soft as the clip

    def place(self, motion: Tensor, lower: np.ndarray) -> MouthPlacement:
        """For motions ``(n, 32)`` and landmarks of the lower face as drawn, ``(n, K, 2)`` cm of the square."""
        landmarks, _ = self.geometry.place(motion)
        drawn = torch.from_numpy(lower.astype(np.float32)).to(landmarks) * (2 / SQUARE_CM)
        chosen, lips = torch.from_numpy(mouth_space().landmarks.astype(np.int64)), list(LIPS)
        off = landmarks[:, lips]
        landmarks[:, chosen] = drawn
        shift = (landmarks[:, lips] - off).mean(1)  # teeth lie behind the lips, wherever these are drawn
        return self.interior.place(motion, landmarks, self.geometry).shifted(shift)


def blur_to_add(rest: tuple[SourceFrame, ...]) -> float:
    """Deviation in pixels of the square that makes what is painted as soft as some rest frames are."""
    soft = np.median([edge_blur(frame.picture) / pixels_per_cm(frame.to_picture) for frame in rest[:LOOKED_AT]])
    return float(np.sqrt(max(soft**2 - PAINTED_BLUR**2, 0.0)) * SQUARE / SQUARE_CM)


class MouthPainter:
    """Knows the mouths of a clip's rest frames.

    Args:
        basis: how landmarks follow from the motion.
        device: where mouths are painted.
    """

    def __init__(self, basis: MotionBasis, device: torch.device | str = "cpu"):
        self._basis, self._device = basis, device
        self._known: WeakKeyDictionary[SourceFrame, PaintedMouth] = WeakKeyDictionary()
        self._blur: WeakKeyDictionary[References, float] = WeakKeyDictionary()
        self._teeth: WeakKeyDictionary[OpenFrame, Denture] = WeakKeyDictionary()

    def mouth(self, references: References, source: int) -> PaintedMouth:
        """That of one of the rest frames."""
        rest = references.rest[source]
        if rest not in self._known:
            geometry = RestGeometry.of(rest.points, references.rest_motion[source], self._basis)
            teeth = self._denture(references, rest, geometry)
            interior = MouthInterior.of(teeth, rest.points, geometry, self._basis)
            if references not in self._blur:
                self._blur[references] = blur_to_add(references.rest)
            blur = self._blur[references]
            self._known[rest] = PaintedMouth(geometry.to(self._device), interior.to(self._device), blur)
        return self._known[rest]

    def _denture(self, references: References, rest: SourceFrame, geometry: FaceGeometry) -> Denture:
        """The person's own teeth where a frame of the clip shows them."""
        shown = references.open
        if shown is None:
            square = cv2.resize(rest.square, (SQUARE, SQUARE), interpolation=cv2.INTER_CUBIC)
            return denture_of(square, rest.points, geometry, self._basis)
        if shown not in self._teeth:
            geometry = RestGeometry.of(shown.points, references.open_motion, self._basis)
            self._teeth[shown] = denture_of(shown.square, shown.points, geometry, self._basis)
        return self._teeth[shown]


@dataclass(frozen=True, eq=False)
class PaintedInside:
    """The inside of the mouths of n frames, part of a registered square of 512 pixels."""

    pixels: np.ndarray  # (n, h, w, 4) float32: colour times opacity, and opacity, 0..1
    left: int
    top: int

    @classmethod
    def of(cls, mouth: PaintedMouth, placement: MouthPlacement) -> "PaintedInside":
        """Paint."""
        painted, left, top = mouth.interior.paint(placement, SQUARE)
        rim = math.ceil(3 * mouth.blur) + 1
        painted = torch.nn.functional.pad(painted.permute(0, 2, 3, 1), (0, 0, rim, rim, rim, rim)).cpu().numpy()
        if mouth.blur > LEAST_BLUR:
            painted = np.stack([cv2.GaussianBlur(picture, (0, 0), mouth.blur) for picture in painted])
        return cls(painted, left - rim, top - rim)

    def lay_over(
        self,
        row: int,
        patch: np.ndarray,
        painted: np.ndarray,
        to_image: np.ndarray,
        corner: tuple[int, int],
        share: float = 1.0,
    ) -> None:
        """Lay one frame's mouth over a patch ``(h, w, 3)`` float32, 0..255, in place.

        Args:
            painted: ``(h, w, 1)`` what has been painted so far, to which this is added.
            to_image: registration of the frame, see ``Registration``.
            corner: left and top pixel of the patch in the picture.
            share: how much of it is seen.
        """
        place = square_to_image(to_image, SQUARE)
        place[:, 2] += place[:, :2] @ [self.left, self.top] - corner
        height, width = self.pixels.shape[1:3]
        seen = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ place[:, :2].T + place[:, 2]
        limit = np.array(patch.shape[1::-1])
        left, top = np.floor(seen.min(0)).astype(int).clip(0, limit).tolist()
        right, bottom = np.ceil(seen.max(0)).astype(int).clip(0, limit).tolist()
        if left >= right or top >= bottom:
            return
        place[:, 2] -= [left, top]
        there = share * cv2.warpAffine(self.pixels[row], place, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
        area = patch[top:bottom, left:right]
        area[:] = over(area, 255 * there[..., :3], there[..., 3])
        painted[top:bottom, left:right] += there[..., 3:]
