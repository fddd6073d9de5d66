"""The lids of a frame: where they lie, and where in the portrait the skin on them comes from.

A lid is a band between its edge and a ring round the eye that stays where it is. The edge with its lashes moves as it
is; the skin behind it, of which an open eye shows little, is stretched.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from imtalker.faces.mesh import EYE_RINGS, EYES
from imtalker.renderer.bands import BandFrame, curve

EDGE = 0.14, 0.35  # cm of a lid, and at most this share of it, that moves with its edge as it is
STRETCHED = 0.6  # share of the rest, next to the edge, that makes up for the lid's way
INSET = 0.05  # cm of a lid's edge in the portrait, wet and red, that shut lids do not show


@dataclass(frozen=True, eq=False)
class LidLines:
    """Lines of one eye from the image's left to its right: ``(B, 2, P, 2)`` in [-1, 1], upper first."""

    edge: Tensor
    ring: Tensor

    @classmethod
    def through(cls, landmarks: Tensor) -> "tuple[LidLines, LidLines]":
        """Of both eyes, the image's left one first, through landmarks ``(B, N, 2)``."""
        return tuple(  # pyright: ignore[reportReturnType]
            cls(*(curve(torch.stack([landmarks[:, list(line)] for line in lines], 1).float()) for lines in eye))
            for eye in zip(EYES, EYE_RINGS, strict=True)
        )

    def __getitem__(self, frames: slice) -> "LidLines":
        return LidLines(self.edge[frames], self.ring[frames])

    @property
    def opening(self) -> Tensor:
        """How far the middle half of the edges is apart on average, ``(B,)``."""
        across = self.edge[:, 1] - self.edge[:, 0]
        quarter = across.shape[1] // 4
        return across[:, quarter:-quarter].norm(dim=-1).mean(1)

    @property
    def width(self) -> Tensor:
        """Between the corners, ``(B,)``."""
        return (self.edge[:, 0, -1] - self.edge[:, 0, 0]).norm(dim=-1)


def skin_coordinates(part: BandFrame, lines: LidLines, source: LidLines, unit: Tensor, source_unit: Tensor) -> Tensor:
    """Where in the portrait the skin of both lids comes from, ``(B, h, w, 2)``; between the lids that of the nearer.

    Args:
        part: of the frames.
        lines: of the frames; source: of the portrait, B = 1.
        unit: (B,) half sides of the square in a centimetre of the face; source_unit: () of the portrait.
    """
    scale = (unit / source_unit)[:, None, None]
    shut = (1 - lines.opening / unit * source_unit / source.opening.clamp(min=1e-4)).clamp(0, 1)[:, None, None]
    edges, rings = part.turned(lines.edge), part.turned(lines.ring)
    lids = []
    for lid, outwards in ((0, -1.0), (1, 1.0)):
        edge, ring = (part.along_line(line[:, lid], line[:, lid, :, 1:])[..., 0] for line in (edges, rings))
        from_edge, from_ring = (
            part.along_line(line[:, lid], own[:, lid].expand(len(line), -1, -1))
            for line, own in ((edges, source.edge), (rings, source.ring))
        )
        height = ((ring - edge) * outwards).clamp(min=1e-4)
        own_height = (from_ring - from_edge).norm(dim=-1) * scale
        away = (part.across - edge) * outwards
        taken = _stretched(away, height, own_height, unit[:, None, None])
        inset = INSET * unit[:, None, None] * shut
        share = (inset + taken * (1 - inset / own_height.clamp(min=1e-4))) / own_height.clamp(min=1e-4)
        lids.append((away, torch.lerp(from_edge, from_ring, share[..., None])))
    (above, upper), (below, lower) = lids
    moved = torch.where((above > below)[..., None], upper, lower)
    first, last = (edges[:, 0, end, 0, None, None] for end in (0, -1))
    aside = (part.along - part.along.clamp(first, last)) / scale
    own_axis = torch.nn.functional.normalize(source.edge[:, 0, -1] - source.edge[:, 0, 0], dim=-1)
    return moved + aside[..., None] * own_axis[:, None, None]


def _stretched(away: Tensor, height: Tensor, own: Tensor, unit: Tensor) -> Tensor:
    """How far from the edge in the portrait lies what is ``away`` from it in a frame, where a lid is ``height`` high
    instead of ``own``: as far at the edge and behind it, the difference between them."""
    edge = torch.minimum(EDGE[0] * unit, EDGE[1] * torch.minimum(own, height))
    soft = STRETCHED * (own - edge)
    stretched = (soft + height - own).clamp(min=0.2 * soft).minimum(height - edge)
    rest = (own - edge - soft) / (height - edge - stretched).clamp(min=1e-4)
    behind = away - edge
    middle = behind.clamp(min=0).minimum(stretched) * soft / stretched.clamp(min=1e-4)
    return away.minimum(edge) + middle + (behind - stretched).clamp(min=0) * rest
