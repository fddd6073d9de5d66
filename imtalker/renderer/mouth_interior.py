"""What is seen between the lips: cavity, tongue and both rows of teeth, laid where the face's geometry says.

A portrait shows at best a part of it, and a network that has to invent it for every frame anew smears it. But an
explicit motion says where the lips' inner lines lie; the upper row of teeth turns with the head, the lower one with the
jaw. So the inside of the mouth is painted as that of the photo puppets of the training, at the resolution of the frame,
and nothing of it is learned.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.faces.denture import Denture, fit_denture
from imtalker.faces.drawn_teeth import PLATE_HALF_CM
from imtalker.faces.mesh import LIP_INNER_UPPER, NUM_FACE
from imtalker.faces.motion_reading import (
    EXPRESSION,
    SQUARE,
    MotionBasis,
    head_points,
    neutral_face,
    read_head,
)
from imtalker.faces.neutral import JAW_ANGLE, JAW_AXIS, JAW_GLIDE, jaw_displacement
from imtalker.renderer.bands import BandFrame, smoothstep
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.lips import LipLines
from imtalker.renderer.portrait_part import HALF_PIXEL, PortraitPart, face_unit, single

CHIN = (152, 148, 377)  # landmarks on the lowest part of the jaw
RIM = 0.006  # half sides of the square, over which the inside appears along the lips
PARTED = 0.08  # cm that a portrait's lips are apart on average, below which nothing of the inside is seen
LIKE = (0.08, 0.3)  # cm: openings that differ by less show the portrait's own inside, by more a painted one
SEALED = 0.12  # cm between the lips of a portrait that are an error of its landmarks: they are closed
CAVITY, TONGUE = (34.0, 13.0, 13.0), (196.0, 98.0, 96.0)
TONGUE_HEIGHT, TONGUE_SIZE = 0.42, (2.15, 0.95)  # cm below the lower teeth's edge, half axes
UPPER_ROW, LOWER_ROW = 0.92, 0.82  # light on them
PURSED, PURSED_SHADE = (0.6, 0.95), 0.45  # width of the mouth against rest: pursed lips let in less light
SMILED = (0.72, 0.88)  # the same: pursed lips stand off the teeth and hide them


@dataclass(frozen=True, eq=False)
class MouthPlacement:
    """Where the mouth is in B frames; the square goes from -1 to 1."""

    lips: LipLines
    rows: Tensor  # (B, 2, 2, 3) affine maps from the square to the plate of each row of teeth, cm
    unit: Tensor  # (B,) half sides of the square in a centimetre of the face

    def __getitem__(self, frames: slice) -> "MouthPlacement":
        return MouthPlacement(self.lips[frames], self.rows[frames], self.unit[frames])

    def shifted(self, by: Tensor) -> "MouthPlacement":
        """The same lips with rows of teeth further by ``(B, 2)``."""
        moved = self.rows[..., 2:] - self.rows[..., :2] @ by[:, None, :, None]
        return replace(self, rows=torch.cat([self.rows[..., :2], moved], -1))


@dataclass(frozen=True, eq=False)
class MouthInterior(PortraitPart):
    """The mouth of one person, closed or not: single precision."""

    plates: Tensor  # (2, 4, h, w) teeth in [0, 1], premultiplied, upper row first
    corners: Tensor  # (2, 3, 3) per row, head frame: middle of its edge, and a centimetre to the right and down of it
    jaw: Tensor  # (23,) expression -> how far the jaw is open, see ``jaw_displacement``
    cavity: Tensor  # (3,) colours in [0, 1]
    tongue: Tensor  # (3,)
    width: Tensor  # () cm between the corners of the mouth at rest
    inner: Tensor  # (1, 2, P, 2) the portrait's lips, see ``LipLines``
    outer: Tensor  # (1, 2, P, 2)
    gap: Tensor  # (P,) what they are apart by an error of the landmarks, half sides of the square

    @classmethod
    def of(cls, teeth: Denture, points: np.ndarray, geometry: FaceGeometry, basis: MotionBasis) -> "MouthInterior":
        """Of the person of a picture whose landmarks are ``points (478, 3)``, pixels of a square of 512."""
        reading = read_head(points, basis)
        neutral = neutral_face(reading, basis)
        chin = basis.components.reshape(len(basis.components), NUM_FACE, 3)[:, list(CHIN), 1].mean(1)
        opened = jaw_displacement(neutral[list(CHIN)], 0.2)[:, 1].mean() / 0.2
        lips = LipLines.through(geometry.landmarks[None])
        gap = lips.gap[0] * float(reading.lip_gap < SEALED)
        width = np.linalg.norm(neutral[LIP_INNER_UPPER[-1]] - neutral[LIP_INNER_UPPER[0]])
        cavity, tongue = (teeth.toned(colour) / 255 for colour in (CAVITY, TONGUE))
        return cls(
            plates=single(teeth.toned_plates().transpose(0, 3, 1, 2) / 255),
            corners=single(teeth.corners()),
            jaw=single(chin / opened),
            cavity=single(cavity),
            tongue=single(tongue),
            width=single(width),
            inner=lips.inner,
            outer=lips.outer,
            gap=gap,
        )

    @property
    def lips(self) -> LipLines:
        """The portrait's own."""
        return LipLines(self.inner, self.outer)

    def place(self, motion: Tensor, landmarks: Tensor, geometry: FaceGeometry) -> MouthPlacement:
        """For motions ``(B, 32)`` and where they bring the landmarks, ``(B, N, 2)``."""
        motion = motion.float()
        upper, lower = self.corners.expand(len(motion), -1, -1, -1).unbind(1)
        jaw = (motion[:, EXPRESSION] @ self.jaw).clamp(min=0)
        corners = torch.cat([upper, lower + _jaw_displacement(lower, jaw)], 1)
        seen = geometry.carry(corners, motion).view(-1, 2, 3, 2)
        inverse = torch.linalg.inv((seen[:, :, 1:] - seen[:, :, :1]).mT)  # of plate -> square, (B, 2, 2, 2)
        rows = torch.cat([inverse, -inverse @ seen[:, :, 0, :, None]], -1)
        unit = face_unit(motion)
        return MouthPlacement(LipLines.through(landmarks).sealed(self.gap), rows, unit)

    def paint(self, placement: MouthPlacement, size: int) -> tuple[Tensor, int, int]:
        """Colour times opacity, and opacity, ``(B, 4, h, w)`` in [0, 1] of the part of the frames of ``size`` pixels in
        which the inside is seen, and the left and top pixel of that part."""
        part = BandFrame.round(placement.lips.inner, size)
        below, above = part.between(placement.lips.inner)
        unit = placement.unit[:, None, None]
        opacity = ((torch.minimum(below, above) / RIM).clamp(0, 1) * self._unlike(placement)[:, None, None])[:, None]
        width = (placement.lips.inner[:, 0, -1] - placement.lips.inner[:, 0, 0]).norm(dim=-1)[:, None, None]
        pursed = 1 - smoothstep(*PURSED, width / unit / self.width)
        shadow = _shadow(below / unit, above / unit, 2 * part.along / width - 1) * (1 - PURSED_SHADE * pursed)
        teeth = smoothstep(*SMILED, width / unit / self.width)
        colour = (self._inside(part.screen, placement.rows, teeth) * shadow[:, None]).clamp(0, 1)
        return torch.cat([colour * opacity, opacity], 1), part.left, part.top

    def _unlike(self, placement: MouthPlacement) -> Tensor:
        """How far the mouth of the frames is from that of the portrait, ``(B,)``: 0 where the portrait's own inside is
        seen, 1 where it cannot be."""
        own = (self.lips.gap - self.gap).mean(1)
        opened = (placement.lips.gap.mean(1) - own).abs() / placement.unit
        return torch.where(own / placement.unit < PARTED, torch.ones_like(opened), smoothstep(*LIKE, opened))

    def _inside(self, screen: Tensor, rows: Tensor, teeth: Tensor) -> Tensor:
        """Cavity, tongue, lower and upper teeth ``(B, 3, h, w)``, before the lips' shadow.

        Args:
            teeth: ``(B, 1, 1)`` how far they are seen.
        """
        points = torch.einsum("hwk,brck->brhwc", screen, rows[..., :2]) + rows[:, :, None, None, :, 2]
        half = torch.from_numpy(PLATE_HALF_CM).to(points)
        upper, lower = (
            teeth[:, None] * F.grid_sample(plate.expand(len(points), -1, -1, -1), grid / half, align_corners=False)
            for plate, grid in zip(self.plates, points.unbind(1), strict=True)
        )
        x, y = points[:, 1].unbind(-1)
        radius = (x / TONGUE_SIZE[0]) ** 2 + ((y - TONGUE_HEIGHT) / TONGUE_SIZE[1]) ** 2
        share = 1 - smoothstep(0.75, 1.05, radius)
        furrow = 1 - 0.14 * torch.exp(-((x / 0.16) ** 2))
        bright = 0.8 * (1 - 0.45 * radius) * furrow * share
        colour = self.cavity[:, None, None] * (1 - share)[:, None] + self.tongue[:, None, None] * bright[:, None]
        colour = colour * (1 - lower[:, 3:]) + LOWER_ROW * lower[:, :3]
        return colour * (1 - upper[:, 3:]) + UPPER_ROW * upper[:, :3]


def denture_of(square: np.ndarray, points: np.ndarray, geometry: FaceGeometry, basis: MotionBasis) -> Denture:
    """The teeth of the person in a square (512,512,3) uint8 with landmarks (478,3)."""
    corner = np.array([HALF_PIXEL, HALF_PIXEL, 0])  # they are cut out by the numbers of pixels

    def to_photo(head: np.ndarray) -> np.ndarray:
        placed = geometry.carry(torch.from_numpy(head.astype(np.float32))[None], geometry.motion[None])
        return (placed[0].numpy() + 1) * (SQUARE / 2) - HALF_PIXEL

    neutral = neutral_face(read_head(points, basis), basis)
    return fit_denture(square, points - corner, to_photo, neutral, head_points(points, basis))


def _shadow(below: Tensor, above: Tensor, along: Tensor) -> Tensor:
    """Light ``(B, h, w)`` that the lips let in, at distances to them in cm and -1 to 1 along the mouth."""
    light = (0.76 + 0.24 * smoothstep(0.0, 0.30, below)) * (0.86 + 0.14 * smoothstep(0.0, 0.2, above))
    return light * (1 - 0.60 * along.abs() ** 3) * (0.84 + 0.16 * smoothstep(0.0, 0.4, below + above))


def _jaw_displacement(points: Tensor, jaw: Tensor) -> Tensor:
    """As ``imtalker.faces.neutral.jaw_displacement``, of points ``(B, K, 3)`` for openings ``(B,)``."""
    jaw = jaw[:, None]
    c, s = (jaw * JAW_ANGLE).cos(), (jaw * JAW_ANGLE).sin()
    y, z = points[..., 1] - JAW_AXIS[0], points[..., 2] - JAW_AXIS[1]
    dy = y * c - z * s - y + jaw * JAW_GLIDE[0]
    dz = y * s + z * c - z + jaw * JAW_GLIDE[1]
    return torch.stack([torch.zeros_like(dy), dy, dz], -1)
