"""Source coordinates outside the face: hair that goes with the head, shoulders that go with the torso.

What no landmark tells is told by three motions of the plane. The crown follows forehead and temples; the outline of
a head that turns stays where its centre stays, so hair goes with both (shares fitted to real clips). Below the
chin everything goes a share of the head's way. Where a clip drives, its own hair and shoulders tell what remains: the
motion's numbers after the networks' 32, a square lattice of ways (``body_tracker``).
"""

from dataclasses import dataclass
from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.faces.mesh import CHIN, NUM_FACE, OVAL
from imtalker.faces.motion_reading import ANGLE_UNIT, BODY, MEAN_PIVOT, TRANSLATION_UNIT
from imtalker.renderer.bands import smoothstep
from imtalker.renderer.landmark_guide import FaceGeometry, residual_field, sample_coordinates
from imtalker.renderer.motion_transfer import resize_coordinates
from imtalker.renderer.portrait_part import face_unit

CELLS = 64  # of the grid on which the three motions are mixed
CROWN = [*OVAL[:8], *OVAL[-7:]]  # landmarks of forehead and temples
FOLLOWS = 0.6, 0.3  # share of the head's way, to the side and up, that a torso goes (mean of five clips)
BODY_REACH = 15.0  # cm to each side of the head's centre that the motion's body tells of
CROWN_SHARE = 0.2, 0.5  # of their motion, to the side and up, in that of the hair; the rest is the head's centre's
# Where the torso begins and ends to be followed, heights of the face below the chin, under it and beside the face;
# and how far from the middle of the face it is beside it, widths of the face.
UNDER, BESIDE, ASIDE = (-0.1, 0.2), (-0.6, -0.1), (0.25, 0.6)
STEEPEST = 2.5  # the transition is at least so many times as high as torso and head move apart
# The rim of the face pulls along what is next to it: deviation of the weights and what fades them out, see
# ``landmark_guide``. Far where the face uncovers what it hid, and everywhere above the middle of the face; near where
# it moves in front of neck and collar.
FAR, NEAR = (0.1, 1.0), (0.05, 0.3)
# Where a chin that comes far uncovers more neck than can be stretched so near, it is stretched further down.
FARTHEST, MUCH = (0.2, 1.0), (0.1, 0.3)
LIMIT = 0.6  # half sides that the rim may pull
UNCOVERED = 4 / 128  # half sides that a landmark's source must lie further out than what is next to it, to count fully
FEATHER = 16 / 128  # half sides outside the face's outline in which its own coordinates end
# Half sides inside the outline, between which what the body adds ends: a face keeps its own outline.
SWAY_ENDS = -5 / 128, 2 / 128
CORE = 10 / 128  # half sides inside the outline from which on a pixel is the person's, whatever the matte says


@dataclass(frozen=True)
class Body:
    """Where the pixels of a whole person come from, and what that says about the frame."""

    coordinates: Tensor  # (B, n, n, 2) in [-1, 1]
    face: Tensor  # (B, 1, n, n) in [0, 1], how far they are those of the face
    core: Tensor  # (B, 1, n, n) in [0, 1], how surely a pixel lies inside the face
    moved: Tensor  # (B,) half sides that hair and torso have moved, on average


def follow_head_and_torso(
    coordinates: Tensor, motion: Tensor, targets: Tensor, geometry: FaceGeometry, inside: Tensor
) -> Body:
    """Coordinates ``(B, n, n, 2)`` of the face, and those of hair, neck and shoulders round it.

    Args:
        motion: ``(B, 32)``, or with the body of a driving clip after it.
        targets: ``(B, N, 2)`` landmarks of the frames, see ``FaceGeometry.place``.
        inside: ``(B, n, n)`` how far inside the face a pixel lies, see ``face_outline.depth``.
    """
    side = coordinates.shape[1]
    motion = motion.float()
    around, far_off = around_face(motion, targets, geometry, side)
    own_way = sway(motion, CELLS)
    moved = (far_off + own_way - _grid(motion)).norm(dim=-1).mean((1, 2))
    face, core = smoothstep(-FEATHER, 0.0, inside), smoothstep(0.0, CORE, inside)
    mixed = torch.lerp(around, coordinates, face[..., None])
    mixed = mixed + (1 - smoothstep(*SWAY_ENDS, inside))[..., None] * resize_coordinates(own_way, side)
    return Body(mixed, face[:, None], core[:, None], moved)


def around_face(motion: Tensor, targets: Tensor, geometry: FaceGeometry, side: int) -> tuple[Tensor, Tensor]:
    """Coordinates ``(B, side, side, 2)`` of what goes with a head as usual, and the same as if there were no face,
    ``(B, CELLS, CELLS, 2)``. Arguments as ``follow_head_and_torso``."""
    far_off = _far(motion, targets, geometry)
    around = resize_coordinates(far_off, side)
    rim, own = targets[:, :NUM_FACE], geometry.landmarks[:NUM_FACE]
    uncovered, far = _uncovering(around, rim, own)
    wide = torch.maximum(_upper_half(rim), uncovered)
    levels = (uncovered * far * _below_mouth(rim), FARTHEST), (wide, FAR), (torch.ones_like(wide), NEAR)
    for weights, level in levels:
        if weights.any():
            around = around + residual_field(around, rim, own, weights, *level, LIMIT)
    return around, far_off


def sway(motion: Tensor, side: int) -> Tensor:
    """What the motion's body adds to coordinates round a face, ``(B, side, side, 2)``; 0 where it has none."""
    body = motion[:, BODY]
    if not body.shape[1]:
        return motion.new_zeros(len(motion), side, side, 2)
    unit = face_unit(motion)[:, None, None, None]
    at = (_grid(motion, side) - head_place(motion)[:, None, None]) / (unit * BODY_REACH)
    nodes = isqrt(body.shape[1] // 2)
    cells = body.view(-1, nodes, nodes, 2).permute(0, 3, 1, 2)
    found = F.grid_sample(cells, at, padding_mode="border", align_corners=True)
    return found.permute(0, 2, 3, 1) * unit


def _upper_half(rim: Tensor) -> Tensor:
    """1 for the landmarks ``(B, N, 2)`` above the middle of the face, else 0: ``(B, N)``."""
    top, height = _top_and_height(rim)
    return (rim[..., 1] <= top + height / 2).float()


def _below_mouth(rim: Tensor) -> Tensor:
    """1 for the landmarks ``(B, N, 2)`` in the lowest sixth of the face, else 0: ``(B, N)``."""
    top, height = _top_and_height(rim)
    return (rim[..., 1] >= top + height * 5 / 6).float()


def _uncovering(around: Tensor, rim: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """How surely what lies round the face would show, at each landmark, what is inside the face, and how far inside:
    ``(B, N)`` in [0, 1] each."""
    low, high = rim.amin(1, keepdim=True), rim.amax(1, keepdim=True)
    outward = F.normalize(rim - (low + high) / 2, dim=-1)
    further = ((own - sample_coordinates(around, rim)) * outward).sum(-1)
    return (further / UNCOVERED).clamp(0, 1), smoothstep(*MUCH, further)


def _grid(like: Tensor, side: int = CELLS) -> Tensor:
    """Coordinates of a person at rest ``(side, side, 2)``."""
    centres = (torch.arange(side, device=like.device) + 0.5) / side * 2 - 1
    return torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1)


def _far(motion: Tensor, targets: Tensor, geometry: FaceGeometry) -> Tensor:
    """Coordinates ``(B, CELLS, CELLS, 2)`` as if there were no face: hair above, torso below."""
    grid = _grid(motion)
    crown = _similarity(grid, targets[:, CROWN], geometry.landmarks[CROWN])
    place, own_place = head_place(motion), head_place(geometry.motion[None])
    centre = _about_centre(grid, motion, geometry.motion[None], place, own_place)
    hair = centre + motion.new_tensor(CROWN_SHARE) * (crown - centre)
    torso = grid - ((place - own_place) * place.new_tensor(FOLLOWS))[:, None, None]

    rim = targets[:, :NUM_FACE]
    _, height = _top_and_height(rim)
    left, right = rim[..., 0].amin(1), rim[..., 0].amax(1)
    middle, width = ((left + right) / 2)[:, None, None], (right - left)[:, None, None]
    aside = smoothstep(*ASIDE, (grid[..., 0] - middle).abs() / width)
    chin = targets[:, CHIN, 1]
    apart = (hair - torso).norm(dim=-1).amax((1, 2), keepdim=True)
    begin, end = ((1 - aside) * under + aside * beside for under, beside in zip(UNDER, BESIDE, strict=True))
    begin, end = begin * height[..., None], end * height[..., None]
    low = smoothstep(
        0.0, 1.0, (grid[..., 1] - chin[:, None, None] - begin) / torch.maximum(end - begin, STEEPEST * apart)
    )
    return hair + low[..., None] * (torso - hair)


def head_place(motion: Tensor) -> Tensor:
    """Where the centre of the head's rotation lies in the square, ``(B, 2)`` half sides, under motions ``(B, 32)``."""
    place = motion[:, 3:5] * TRANSLATION_UNIT + motion.new_tensor(MEAN_PIVOT)
    return place * face_unit(motion)[:, None] * place.new_tensor([1.0, -1.0])


def _about_centre(grid: Tensor, motion: Tensor, own: Tensor, place: Tensor, own_place: Tensor) -> Tensor:
    """Where ``grid (n, n, 2)`` comes from when the head's centre moves, rolls and grows."""
    angle = torch.deg2rad((motion[:, 2] - own[:, 2]) * ANGLE_UNIT)
    factor = torch.polar(face_unit(own) / face_unit(motion), angle)
    return _turned(grid, factor, place, own_place)


def _similarity(grid: Tensor, targets: Tensor, landmarks: Tensor) -> Tensor:
    """Where ``grid (n, n, 2)`` comes from when ``targets (B, K, 2)`` come from ``landmarks (K, 2)``, as nearly as
    shift, turn and size can say (least squares)."""
    middle, own_middle = targets.mean(1), landmarks.mean(0)
    there = torch.view_as_complex((targets - middle[:, None]).contiguous())
    here = torch.view_as_complex((landmarks - own_middle).contiguous())
    factor = (there.conj() * here).sum(1) / there.abs().square().sum(1)
    return _turned(grid, factor, middle, own_middle[None])


def _turned(grid: Tensor, factor: Tensor, middle: Tensor, own_middle: Tensor) -> Tensor:
    """``(B, n, n, 2)``: the grid round ``middle (B, 2)`` times a complex ``factor (B,)``, round ``own_middle``."""
    around = torch.view_as_complex((grid - middle[:, None, None]).contiguous()) * factor[:, None, None]
    return torch.view_as_real(around) + own_middle[:, None, None]


def _top_and_height(rim: Tensor) -> tuple[Tensor, Tensor]:
    top, bottom = rim[..., 1].amin(1, keepdim=True), rim[..., 1].amax(1, keepdim=True)
    return top, bottom - top
