"""Bring a reference into line: where the lower face's landmarks come to lie, and the smooth map that takes it there.

Seen in the pose and with the lips that are asked for, a reference shows each patch of skin where the result needs it:
attention to it can be local, and what it shows may be kept pixel by pixel.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from imtalker.dubbing.completion.mouth_patch import (
    PATCH_CM,
    apply,
    cut_patch,
    in_patch,
    inverse,
    patch_to_image,
    seen_from,
)
from imtalker.dubbing.mouth_space import lower_face, mouth_space
from imtalker.dubbing.registration import SQUARE_CM, register, square_to_image
from imtalker.dubbing.rest_frames import OpenFrame
from imtalker.dubbing.source_frame import SourceFrame
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.motion_reading import SQUARE
from imtalker.faces.readings import head_frame

OUTER_LIPS, INNER_LIPS = slice(24, 44), slice(44, 64)  # of ``MouthSpace.landmarks``
SMOOTHING_CM = 0.15  # landmarks are followed up to about a pixel: they jitter, and closed lips lie on each other
GRID = 2  # pixels between the points where the map is computed
# registration of a square that is itself upright and in its place
_UPRIGHT = np.array([[SQUARE / SQUARE_CM, 0, SQUARE / 2 - 0.5], [0, SQUARE / SQUARE_CM, SQUARE / 2 - 0.5]])
# corners and middle of the patch's lower edge stay where they are: no landmark lies on the neck
_STILL = np.array([[0.02, 0.98], [0.35, 0.99], [0.65, 0.99], [0.98, 0.98]])


def alignments(wanted: np.ndarray, there: np.ndarray, side: int) -> np.ndarray:
    """``(R, side, side, 2)`` float32: for every pixel of a patch, where in the patch of each of R references it comes
    from.

    A smoothed biharmonic spline through the landmarks (Duchon 1977).

    Args:
        wanted: ``(K, 2)`` landmarks as asked for, in pixel indices of the patch.
        there: ``(R, K, 2)`` as they are in the references.
    """
    scale = PATCH_CM / side
    still = _STILL * side - 0.5
    points = np.concatenate([wanted, still]) * scale
    count, fixed = len(points), len(still) + 3  # what stays, and the spline's side conditions
    affine = np.column_stack([points, np.ones(count)])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = SMOOTHING_CM * np.eye(count) - cdist(points, points)
    system[:count, count:], system[count:, :count] = affine, affine.T
    shifts = np.pad((there - wanted).transpose(1, 0, 2).reshape(len(wanted), -1), ((0, fixed), (0, 0)))
    weights = np.linalg.solve(system, shifts).astype(np.float32)
    steps = (np.arange(side // GRID) + 0.5) * GRID - 0.5
    x, y = np.meshgrid(steps, steps)
    grid = np.stack([x, y], -1).reshape(-1, 2) * scale
    terms = np.column_stack([-cdist(grid, points), grid, np.ones(len(grid))]).astype(np.float32)
    # By torch, on as many threads as this one may use: NumPy's has a second one wait for more without resting.
    moved = (torch.from_numpy(terms) @ torch.from_numpy(weights)).numpy()
    maps = moved.reshape(len(steps), len(steps), -1, 2).transpose(2, 0, 1, 3)
    maps = np.stack([cv2.resize(np.ascontiguousarray(one), (side, side)) for one in maps])
    x, y = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    return maps + np.stack([x, y], -1)


def looked_up(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Pixels of a picture, or of a patch, at places ``(h, w, 2)`` float32, pixel indices, between pixels by cubics."""
    x, y = cv2.split(places)
    return cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@dataclass(frozen=True, eq=False)
class Reference:
    """A frame that shows the person's lower face, prepared to be brought into line with others."""

    picture: np.ndarray  # (h, w, 3) uint8, at full resolution
    to_picture: np.ndarray  # (2, 3) from pixel indices of its patch
    patch: np.ndarray  # (S, S, 3) uint8
    seen: np.ndarray  # (K, 2) landmarks of the lower face as ``seen_from`` gives them, cm
    shape: np.ndarray  # (K, 3) the same in the head frame, cm
    turn: np.ndarray  # (3, 3) of the head
    motion: np.ndarray  # (32,)

    @classmethod
    def of(cls, frame: SourceFrame | OpenFrame, motion: np.ndarray, side: int) -> "Reference":
        """Of a kept frame and the motion ``(32,)`` read from it."""
        face = FaceLandmarks(frame.points, np.zeros(0))
        place, chosen = register(face), mouth_space().landmarks
        picture, to_picture = frame.square, _UPRIGHT
        if isinstance(frame, SourceFrame):
            picture, to_picture = frame.picture, frame.to_picture
        to_square = square_to_image(to_picture, SQUARE)
        # the square's own registration is the identity but for its scale: landmarks there, in cm
        seen = apply(inverse(place.to_image), frame.points[chosen, :2])
        shape = head_frame(frame.points).points[chosen]
        to_image = np.column_stack(
            [to_square[:, :2] @ place.to_image[:, :2], to_square[:, :2] @ place.to_image[:, 2] + to_square[:, 2]]
        )
        return cls(
            picture,
            patch_to_image(to_image, place.turn, side),
            cut_patch(picture, to_image, place.turn, side),
            seen,
            shape,
            place.turn,
            motion,
        )

    def landmarks(self, side: int) -> np.ndarray:
        """``(K, 2)`` in pixel indices of its patch."""
        return in_patch(self.seen, self.turn, side)

    def asked(self, motion: Tensor, turn: np.ndarray) -> np.ndarray:
        """``(n, K, 2)`` where its landmarks lie once the face moves by ``motion (n, 32)`` in heads turned by
        ``(n, 3, 3)``: cm, as ``seen_from`` gives them. Nothing of the frames' own mouths is in it."""
        moved = lower_face(motion) - lower_face(torch.from_numpy(self.motion)[None]) + self.shape
        there = np.stack([seen_from(points, one) for points, one in zip(moved, turn, strict=True)])
        return self.seen - seen_from(self.shape, self.turn) + there
