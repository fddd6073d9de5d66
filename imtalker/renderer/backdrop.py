"""The background of a portrait, which stands still, and the person in front of it, who moves.

As in the pictures of the training (``imtalker.train.puppet``) a frame is the person, moved, over a plate: the portrait
without the person, continued smoothly where the person hides it. Hair that the matte does not know of would stay
behind as a line; so the plate is continued a little outside the person too, as soon as the person has moved. At the
portrait's own motion the frame is the portrait itself.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.faces.fill import push_pull
from imtalker.faces.person import outline_distance
from imtalker.faces.smooth import smoothstep
from imtalker.renderer.motion_transfer import remap, resample_coordinates, runs_on_cpu
from imtalker.renderer.portrait_part import PortraitPart, single

SIDE = 256  # pixels of the square that the next two are told in
OUTLINE = (1.0, 4.0)  # pixels outside the person: moved along fully up to the first, not at all from the second on
FRINGE = 7.0  # pixels outside the person up to which hair may be seen
MOVED = (0.5, 3.0)  # pixels: where the person has moved less than the first, hair outside stays, beyond the second none
FACE_SEEN = 0.95  # share of the face that must be taken for a person, else the matte is not believed
MOST = 0.97  # of the picture: with more, hardly any background is left to stand still


@dataclass(frozen=True, eq=False)
class Backdrop(PortraitPart):
    """Single precision, laid out like the picture in ``SourceFeatures`` (``cover``) and like frames (``plate``)."""

    cover: Tensor  # (1, 1, C, C) share of the person in the picture
    square: Tensor  # (1, 3, S, S) in [0, 1], the portrait
    plate: Tensor  # (1, 3, S, S) in [0, 1], the same without the person
    reach: Tensor  # () side of the picture in sides of the square

    @classmethod
    def of(cls, picture: np.ndarray, reach: float, matte: np.ndarray, face: np.ndarray) -> "Backdrop | None":
        """Of a portrait whose background can be told from the person; else None.

        Args:
            picture: uint8 (W,W,3), the square with a margin round it, ``reach`` sides of the square wide.
            matte: (W,W) in [0,1], how surely a pixel shows the person.
            face: (468,2) landmarks in the square, in [-1,1].
        """
        wide, side = len(picture), round(len(picture) / reach)
        points = (face / reach + 1) * (wide / 2)
        hull = np.zeros((wide, wide), np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(np.round(points).astype(np.int32)), (1,))
        if (matte > 0.5)[hull > 0].mean() < FACE_SEEN or (matte > 0.5).mean() > MOST:
            return None
        outside = outline_distance(matte) * (SIDE / side)
        cover = 1 - smoothstep(*OUTLINE, outside)
        small = round(SIDE * reach)
        cover = cv2.resize(cover.astype(np.float32), (small, small), interpolation=cv2.INTER_AREA)
        known = smoothstep(OUTLINE[1], FRINGE, outside).astype(np.float32)
        filled = push_pull(picture.astype(np.float32), (known > 0).astype(np.float32)).clip(0, 255)
        plate = filled + known[..., None] * (picture - filled)
        square, plate = (single(middle(x, reach).clip(0, 255).transpose(2, 0, 1)[None] / 255) for x in (picture, plate))
        return cls(single(cover[None, None]), square, plate, single(np.float32(reach)))

    def seen(self, coordinates: Tensor, face: Tensor) -> Tensor:
        """Share ``(B, 1, n, n)`` of the person in frames whose pixels come from ``coordinates (B, n, n, 2)``; ``face
        (B, 1, n, n)``: share of the face there, which is the person's whatever the matte says."""
        at = coordinates / self.reach
        if not runs_on_cpu(self.cover, at):
            return resample_coordinates(self.cover, at).maximum(face)
        half, cover = self.cover.shape[-1] / 2, self.cover[0, 0].numpy()
        pixels = (at * half + (half - 0.5)).numpy()
        return torch.from_numpy(np.stack([remap(cover, one) for one in pixels]))[:, None].maximum(face)

    def behind(self, moved: Tensor) -> Tensor:
        """Share ``(B, 1, 1, 1)`` of the plate behind people who have moved by ``moved (B,)`` half sides.

        The rest is the portrait.
        """
        low, high = (2 * pixels / SIDE for pixels in MOVED)
        share = ((moved - low) / (high - low)).clamp(0, 1)
        return share[:, None, None, None]


def middle(picture: np.ndarray, reach: float) -> np.ndarray:
    """The square ``(S,S,3)`` in the middle of a picture ``(W,W,3)`` ``reach`` times as wide, S = W / reach, rounded.

    Pixels lie between those of the picture where its margins are not whole pixels, so that they stay in their place.
    """
    wide, side = len(picture), round(len(picture) / reach)
    scale = wide / (reach * side)
    first = (wide - scale * side) / 2 + scale / 2 - 0.5
    place = np.array([[scale, 0, first], [0, scale, first]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture.astype(np.float32), place, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
