"""Source coordinates brought into line with the face's geometry: what attention leaves over, landmarks take away.

An explicit motion says exactly where every landmark of the portrait's face has to come to lie. Attention finds that up
to about one per cent of the square on faces unlike those of the training; irises follow a fifth of their way only. The
difference at the landmarks is spread over the picture by normalised Gaussian weights (Knutsson and Westin, 1993), from
wide to narrow, and fades out away from the face. Nothing of it is learned.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.faces.lids import SHUT, lid_gaps, open_eyes
from imtalker.faces.mesh import EYES, IRIS_L, IRIS_R, NUM_FACE
from imtalker.faces.motion_reading import (
    ANGLE_UNIT,
    EXPRESSION,
    EYE_LEVER,
    GAZE,
    MAX_GAZE_SINE,
    MEAN_PIVOT,
    PIVOT,
    SQUARE,
    TRANSLATION_UNIT,
    MotionBasis,
    head_points,
)
from imtalker.faces.rigid import CAMERA_DISTANCE
from imtalker.renderer.face_outline import depth_and_way
from imtalker.renderer.motion_transfer import resize_coordinates
from imtalker.renderer.portrait_part import PortraitPart, face_unit, single

LIMIT = 0.1  # half sides of the square; more than that is an error of the landmarks
# Deviation of the weights and what fades them out, per level, in half sides of the square: the face, then its irises.
FACE_LEVELS = ((0.1, 1.0), (0.03, 0.3))
IRIS_LEVELS = ((0.02, 0.1), (0.01, 0.02))
CELLS_PER_DEVIATION = 2  # of the grid on which weights are computed
NOTHING = -40.0  # logarithm of a weight that adds nothing; smaller ones, at the end of the numbers, are slow
# Towards its outline a face is hidden by hair or cloth as often as not, and the depth of its landmarks is a guess.
HEAD_AXIS = -6.0  # cm, depth of the axis that the face is bent round
FACING = (0.05, 0.35)  # cosine between a landmark's normal and the view: not counted below, counted fully above
_IRISES = [*IRIS_R, *IRIS_L]
_UPPER_LIDS, _LOWER_LIDS = (np.array([list(eye[row]) for eye in EYES]) for row in range(2))  # (2, 9) each
# How lids move, fitted on frames of three recorded people; open lids of two others then lie 0.2 to 0.7 mm (rms) off,
# where following the expression leaves 0.6 to 1.7. Both lids follow the eye up and down, and of the way that they go
# towards each other the upper one does so much, at first and in the whole. Shut eyes, whose gaze nobody sees, follow
# nothing.
LIDS_FOLLOW_GAZE = 0.88  # cm for one cm of the iris
UPPER_LID_SHARE = 0.58, 0.86


@dataclass(frozen=True, eq=False)
class FaceGeometry(PortraitPart):
    """The landmarks of one portrait, and how they move: single precision, N = 478."""

    landmarks: Tensor  # (N, 2) in the square, [-1, 1], x right and y down
    head: Tensor  # (N, 3) the same in the head frame, cm
    motion: Tensor  # (32,) of the portrait
    components: Tensor  # (23, 3 * 468) displacement of the face, cm, for one unit of each expression component
    lids: Tensor  # (23, 2) change of the lids' opening, in shares of it, for the same
    lid_gap: Tensor  # (2, 9) cm between the lids of the open eyes, the image's left one first

    @classmethod
    def of(cls, points: np.ndarray, motion: np.ndarray, basis: MotionBasis) -> "FaceGeometry":
        """Of landmarks (478,3), pixels of a square of 512, and the motion (32,) read from them."""
        square, head = points[:, :2] / (SQUARE / 2) - 1, head_points(points, basis)
        own, typical = (face[_UPPER_LIDS, 1] - face[_LOWER_LIDS, 1] for face in (head, basis.face))
        gap = typical + open_eyes(lid_gaps(head[:NUM_FACE]))[:, None] * (own - typical)
        return cls(*map(single, (square, head, motion, basis.components, basis.lid_readout, gap)))

    @cached_property
    def outline(self) -> Tensor:
        """(3, n, n) see ``face_outline.depth_and_way``."""
        return depth_and_way(self.landmarks)

    def place(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Where the landmarks lie, ``(B, N, 2)`` in [-1, 1], when the face moves by ``motion (B, 32)``; and how far
        each is to be believed, ``(B, N)`` in [0, 1].

        The portrait's own motion gives back its landmarks.
        """
        motion = motion.float()
        change = (motion[:, EXPRESSION] - self.motion[EXPRESSION]) @ self.components
        head = self.head.repeat(len(motion), 1, 1)
        head[:, :NUM_FACE] += change.view(len(motion), NUM_FACE, 3)
        self._place_lids(head, motion)
        head[:, _IRISES, :2] += EYE_LEVER * (gaze_sine(motion) - gaze_sine(self.motion[None]))[:, None]
        return project(head, motion), self._facing(motion) * self._facing(self.motion[None])

    def lid_shares(self, motion: Tensor) -> Tensor:
        """How far the lids are open under motions ``(B, 32)``: ``(B, 2)``, 0 shut, 1 as at rest."""
        return (1 + motion.float()[:, EXPRESSION] @ self.lids).clamp(min=0)

    def _place_lids(self, head: Tensor, motion: Tensor) -> None:
        """Lids of ``head (B, N, 3)`` as far open as the motion says for this person, and where the eye looks, in place.

        The expression, in which lids are a small part, tells little more about them: of it they follow the corners.
        """
        own_upper, own_lower = self.head[_UPPER_LIDS], self.head[_LOWER_LIDS]
        (before, own_height), (share, height) = (self._lid_state(x) for x in (self.motion[None], motion))
        own = own_upper - own_lower
        gap = torch.where(share < before, share / before.clamp(min=1e-6), 1.0)[..., None] * own
        gap[..., 1] = (own[..., 1] + self._lid_gap(share) - self._lid_gap(before)).clamp(min=0)
        ends = head[:, _UPPER_LIDS[:, [0, -1]]] - own_upper[:, [0, -1]]
        along = torch.linspace(0, 1, own.shape[1], device=head.device)[:, None]
        moved = torch.lerp(ends[:, :, :1], ends[:, :, 1:], along)
        moved[..., 1] += height - own_height
        head[:, _UPPER_LIDS] = own_upper + moved
        head[:, _LOWER_LIDS] = own_upper + moved - gap

    def _lid_state(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Of motions ``(B, 32)``: shares of the opening ``(B, 2, 1)``, and heights of the upper lids ``(B, 2, 9)``, cm
        above where they are at rest with the eye ahead."""
        share = self.lid_shares(motion)[..., None]
        looks = share.clamp(max=1) * (LIDS_FOLLOW_GAZE * EYE_LEVER) * gaze_sine(motion)[:, None, 1:]
        shut, (first, whole) = 1 - share, UPPER_LID_SHARE
        shuts = shut * (first + (whole - first) * shut.clamp(min=0))
        return share, looks * self.lid_gap / self._middle_gap - shuts * self.lid_gap

    @property
    def _middle_gap(self) -> Tensor:
        return self.lid_gap[:, 3:6].mean(1, keepdim=True)

    def _lid_gap(self, share: Tensor) -> Tensor:
        """Distance ``(B, 2, 9)`` in cm of lids that are open by shares ``(B, 2, 1)``; 0 where the landmark model leaves
        ``SHUT`` between them."""
        meets = SHUT / self._middle_gap
        return self.lid_gap * ((1 - meets) * share + meets * share.clamp(max=1))

    def carry(self, points: Tensor, motion: Tensor) -> Tensor:
        """Where points ``(B, K, 3)`` of the head frame, cm, are seen in the square, ``(B, K, 2)``."""
        return project(points, motion.float())

    def _facing(self, motion: Tensor) -> Tensor:
        """How far each landmark faces the camera under ``motion (B, 32)``, ``(B, N)`` in [0, 1]."""
        normal = F.normalize(self.head - self.head.new_tensor([0.0, 0.0, HEAD_AXIS]), dim=-1)
        cosine = normal @ _rotation(motion[:, :3] * ANGLE_UNIT)[:, 2, :].mT
        low, high = FACING
        return ((cosine.mT - low) / (high - low)).clamp(0, 1)


def gaze_sine(motion: Tensor) -> Tensor:
    """Of gaze x and y, ``(B, 2)``, under motions ``(B, 32)``."""
    return torch.deg2rad(motion[:, GAZE] * ANGLE_UNIT).sin().clamp(-MAX_GAZE_SINE, MAX_GAZE_SINE)


def project(head: Tensor, motion: Tensor) -> Tensor:
    """Points ``(B, N, 3)`` of the head frame, cm -> ``(B, N, 2)`` in the square: what ``read_head`` undoes."""
    rotation = _rotation(motion[:, :3] * ANGLE_UNIT)
    pivot, mean_pivot = (motion.new_tensor(x) for x in (PIVOT, MEAN_PIVOT))
    origin = motion[:, 3:5] * TRANSLATION_UNIT + mean_pivot - (rotation @ pivot)[:, :2]
    turned = head @ rotation.mT
    nearer = 1 / (1 - turned[..., 2:] / CAMERA_DISTANCE)
    seen = (turned[..., :2] + origin[:, None]) * (face_unit(motion)[:, None, None] * nearer)
    return seen * motion.new_tensor([1.0, -1.0])


def _rotation(degrees: Tensor) -> Tensor:
    """Yaw, pitch, roll ``(B, 3)`` -> ``(B, 3, 3)``, as ``imtalker.faces.rigid.rotation_matrix``."""
    yaw, pitch, roll = torch.deg2rad(degrees).unbind(-1)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    about_y = torch.stack([yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()], -1)
    about_x = torch.stack([one, zero, zero, zero, pitch.cos(), pitch.sin(), zero, -pitch.sin(), pitch.cos()], -1)
    about_z = torch.stack([roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one], -1)
    y, x, z = (matrix.view(-1, 3, 3) for matrix in (about_y, about_x, about_z))
    return z @ x @ y


def follow_landmarks(coordinates: Tensor, targets: Tensor, weights: Tensor, landmarks: Tensor) -> Tensor:
    """Coordinates ``(B, n, n, 2)`` that lead from ``targets (B, N, 2)`` to ``landmarks (N, 2)``, all in [-1, 1].

    ``weights (B, N)`` in [0, 1]: how far each landmark is to be believed, see :meth:`FaceGeometry.place`. Levels finer
    than the cells of the coordinates are left out.
    """
    side = coordinates.shape[1]
    for levels, chosen in ((FACE_LEVELS, slice(0, NUM_FACE)), (IRIS_LEVELS, _IRISES)):
        for deviation, fading in levels:
            if deviation * side / 2 < 1:
                continue
            coordinates = coordinates + residual_field(
                coordinates, targets[:, chosen], landmarks[chosen], weights[:, chosen], deviation, fading
            )
    return coordinates


def residual_field(
    coordinates: Tensor,
    at: Tensor,
    landmarks: Tensor,
    weights: Tensor,
    deviation: float,
    fading: float,
    limit: float = LIMIT,
) -> Tensor:
    """What has to be added to coordinates ``(B, n, n, 2)`` for ``at (B, N, 2)`` to lead to ``landmarks (N, 2)``.

    It is ``limit`` at most, spread with weights of a deviation in half sides of the square: ``(B, n, n, 2)``.
    """
    side = coordinates.shape[1]
    residual = landmarks - sample_coordinates(coordinates, at)
    length = residual.norm(dim=-1, keepdim=True)
    residual = residual * (limit / length.clamp(min=limit))
    cells = min(side, round(2 * CELLS_PER_DEVIATION / deviation))
    return resize_coordinates(_spread(at, residual, weights, deviation, fading, cells), side)


def sample_coordinates(coordinates: Tensor, at: Tensor) -> Tensor:
    """``coordinates (B, n, n, 2)`` at positions ``(B, N, 2)`` in [-1, 1]: ``(B, N, 2)``."""
    maps = coordinates.permute(0, 3, 1, 2)
    return F.grid_sample(maps, at[:, None], padding_mode="border", align_corners=False)[:, :, 0].mT


def _spread(at: Tensor, values: Tensor, weights: Tensor, deviation: float, fading: float, cells: int) -> Tensor:
    """Means ``(B, cells, cells, 2)`` of ``values (B, N, 2)`` at ``at (B, N, 2)`` with ``weights (B, N)`` and the
    separable ones of the distance."""
    centres = (torch.arange(cells, device=at.device) + 0.5) / cells * 2 - 1
    falling = -0.5 * ((at[..., None] - centres) / deviation).square()  # (B, N, 2, cells)
    near = torch.exp(falling.clamp(min=NOTHING))
    x, y = near[:, :, 0] * weights[..., None], near[:, :, 1]
    total = y.mT @ x
    sums = [(y * values[..., i : i + 1]).mT @ x for i in range(2)]
    return torch.stack(sums, -1) / (total + fading)[..., None]
