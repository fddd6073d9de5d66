"""The outline of a face, inside which nothing is shown that lies beyond it in the portrait.

Where a head turns back from the side, the cheek that comes into view is hidden or a few pixels wide in the portrait;
what lies next to it there, ear, ear-ring and hair, would be drawn onto it. Its skin is stretched over it instead.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.faces.mesh import NUM_FACE

SIDE = 256  # cells of the maps of depth
STRIP = 10 / 256  # half sides inside the portrait's outline that are stretched, where its inside has to be shown
FURTHEST = 0.1  # half sides; coordinates that lie further off are an error that stays in one place
FRACTION = 4  # bits of a cell to which corners are told
EVEN = 1.5  # cells, deviation of a blur: steps of cells would show as a jagged outline
SMOOTHING = 9  # cells over which the way inwards is averaged


def depth(targets: Tensor, side: int) -> Tensor:
    """How far inside a face of landmarks ``(B, N, 2)`` each pixel lies, half sides, below 0 outside: ``(B, side,
    side)``."""
    depths = []
    for points in ((targets[:, :NUM_FACE] + 1) * (side / 2) - 0.5).float().cpu().numpy():
        corners = np.rint(cv2.convexHull(points) * 2**FRACTION).astype(np.int32)
        face = cv2.fillConvexPoly(np.zeros((side, side), np.uint8), corners, (1,), shift=FRACTION)
        inside, outside = (cv2.distanceTransform(part, cv2.DIST_L2, 3) for part in (face, 1 - face))
        depths.append(cv2.GaussianBlur(inside - outside, (0, 0), EVEN))
    return torch.from_numpy(np.stack(depths)).to(targets.device) / (side / 2)


def depth_and_way(landmarks: Tensor) -> Tensor:
    """``(3, SIDE, SIDE)``: ``depth`` of one face ``(N, 2)``, and the way inwards of length 1: right, down."""
    inside = depth(landmarks[None], SIDE)
    even = F.avg_pool2d(inside[:, None], SMOOTHING, 1, SMOOTHING // 2, count_include_pad=False)[0, 0]
    down, right = torch.gradient(even)
    return torch.cat([inside, F.normalize(torch.stack([right, down]), dim=0)])


@dataclass(frozen=True, eq=False)
class FaceOutline:
    """That of a face in some frames, and in the portrait."""

    inside: Tensor  # (B, 1, SIDE, SIDE) depth in the frames
    own: Tensor  # (3, SIDE, SIDE) see ``depth_and_way``, of the portrait

    @classmethod
    def of(cls, targets: Tensor, own: Tensor) -> "FaceOutline":
        """Of landmarks in the frames, ``(B, N, 2)`` in [-1, 1]."""
        return cls(depth(targets, SIDE)[:, None], own)

    def inside_at(self, side: int) -> Tensor:
        """``inside`` for a frame of so many pixels a side, ``(B, 1, side, side)``."""
        if side == SIDE:
            return self.inside
        return F.interpolate(self.inside, size=(side, side), mode="area" if side < SIDE else "bilinear")

    def keep(self, coordinates: Tensor) -> Tensor:
        """Coordinates ``(B, n, n, 2)`` in [-1, 1] that lead inside the portrait's face where a frame's face is.

        So far inside the frame's outline that it does not matter, they lead ``STRIP`` inside the portrait's or
        further; nearer to it less far, never further than they lie inside the frame's. The portrait's own landmarks
        leave a still picture as it is.
        """
        inside = self.inside_at(coordinates.shape[1])
        maps = self.own[None].expand(len(coordinates), -1, -1, -1).to(coordinates)
        there = F.grid_sample(maps, coordinates, padding_mode="border", align_corners=False)
        asked = STRIP * (1 - (-inside.clamp(min=0) / STRIP).exp())
        lacking = (asked - there[:, :1]).clamp(0, FURTHEST) * (inside > 0)
        return coordinates + (lacking * there[:, 1:]).permute(0, 2, 3, 1)
