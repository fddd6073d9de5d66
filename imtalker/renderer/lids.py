"""The lids of a frame: where they lie, and where in the portrait the skin on them comes from.

A lid is a band between its edge and a ring round the eye that stays where it is. The edge with its lashes moves as it
is; the skin behind it, of which an open eye shows little, is stretched.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from imtalker.faces.mesh import EYE_RINGS, EYES
from imtalker.renderer.bands import BandFrame, pair_of_curves, smoothstep

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
            cls(*(pair_of_curves(landmarks, *lines) for lines in eye)) for eye in zip(EYES, EYE_RINGS, strict=True)
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


@dataclass(frozen=True, eq=False)
class LidSkinPlaces:
    """Where in the portrait what is seen of both lids comes from, for the pixels of a part of B frames."""

    skin: Tensor  # (B, h, w, 2) between the lids that of the nearer one
    lashes: Tensor  # (B, h, w, 2) of the upper lid, folded down over the lower one
    upper: Tensor  # (B, h, w) 1 on the upper lid, 0 on the lower one
    away: Tensor  # (B, h, w) cm from the edge of that lid
    smooth: Tensor  # (B, h, w) in [0, 1], how far only smooth skin is to be seen: where little of it is stretched
    inside: Tensor  # (B, h, w) how far inside the lids' edges, in half sides of the square; negative beyond them
    below: Tensor  # (B, h, w) the same below the upper one
    in_ring: Tensor  # (B, h, w) how far inside the ring round the eye
    shut: Tensor  # (B, 1, 1) in [0, 1], how far the eye is shut against the portrait's


def skin_places(part: BandFrame, lines: LidLines, source: LidLines, unit: Tensor, source_unit: Tensor) -> LidSkinPlaces:
    """Args:
    part: of the frames.
    lines: of the frames; source: of the portrait, B = 1.
    unit: (B,) half sides of the square in a centimetre of the face; source_unit: () of the portrait.
    """
    scale = (unit / source_unit)[:, None, None]
    unit = unit[:, None, None]
    shut = (1 - lines.opening / scale[:, 0, 0] / source.opening.clamp(min=1e-4)).clamp(0, 1)[:, None, None]
    upper, lower = lids = _lids(part, lines, source, scale)
    places, smooth = [], []
    for lid in lids:
        taken, stretched = _stretched(lid.away, lid.height, lid.own_height, unit)
        places.append(lid.place(taken, INSET * unit * shut))
        smooth.append(stretched)
    is_upper = upper.away > lower.away
    edge, ring = (part.turned(line)[:, 0, :, 0, None] for line in (lines.edge, lines.ring))
    aside = part.along - part.along.clamp(edge[:, :1], edge[:, -1:])
    own_axis = torch.nn.functional.normalize(source.edge[:, 0, -1] - source.edge[:, 0, 0], dim=-1)
    aside = (aside / scale)[..., None] * own_axis[:, None, None]
    folded = upper.place(lower.away.clamp(min=0), torch.zeros_like(shut))
    return LidSkinPlaces(
        torch.where(is_upper[..., None], *places) + aside,
        folded + aside,
        is_upper.float(),
        torch.where(is_upper, upper.away, lower.away) / unit,
        torch.where(is_upper, *smooth),
        torch.minimum(-torch.maximum(upper.away, lower.away), _within(part, edge)),
        -upper.away,
        torch.minimum(torch.minimum(upper.height - upper.away, lower.height - lower.away), _within(part, ring)),
        shut,
    )


def _within(part: BandFrame, ends: Tensor) -> Tensor:
    return torch.minimum(part.along - ends[:, :1], ends[:, -1:] - part.along)


@dataclass(frozen=True, eq=False)
class _Lid:
    """One lid of B frames, for each pixel of a part of them."""

    away: Tensor  # (B, h, w) from the edge outwards
    height: Tensor  # (B, h, w) from there to the ring
    own_height: Tensor  # (B, h, w) the same in the portrait, in the scale of the frames
    from_edge: Tensor  # (B, h, w, 2) the portrait's edge
    from_ring: Tensor

    def place(self, away: Tensor, inset: Tensor) -> Tensor:
        """Where in the portrait lies what is ``away`` from its edge, if ``inset`` of it is left out."""
        share = (inset + away * (1 - inset / self.own_height)) / self.own_height
        return torch.lerp(self.from_edge, self.from_ring, share[..., None])


def _lids(part: BandFrame, lines: LidLines, source: LidLines, scale: Tensor) -> tuple[_Lid, _Lid]:
    """Upper and lower lid."""
    pairs = []
    for line, own in ((lines.edge, source.edge), (lines.ring, source.ring)):
        turned = part.turned(line)
        for lid in range(2):
            place = own[:, lid].expand(len(line), -1, -1)
            pairs.append((turned[:, lid], torch.cat([turned[:, lid, :, 1:], place], -1)))
    edges_and_rings = part.along_lines(pairs).split(3, -1)
    lids = []
    for outwards, edge, ring in zip((-1.0, 1.0), edges_and_rings[:2], edges_and_rings[2:], strict=True):
        lids.append(
            _Lid(
                (part.across - edge[..., 0]) * outwards,
                ((ring[..., 0] - edge[..., 0]) * outwards).clamp(min=1e-4),
                (torch.hypot(*(ring[..., 1:] - edge[..., 1:]).unbind(-1)) * scale).clamp(min=1e-4),
                edge[..., 1:],
                ring[..., 1:],
            )
        )
    return lids[0], lids[1]


def _stretched(away: Tensor, height: Tensor, own: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """How far from the edge in the portrait lies what is ``away`` from it in a frame, where a lid is ``height`` high
    instead of ``own``: as far at the edge and behind it, the difference between them. And how far the skin is
    stretched there: 0 as in the portrait, 1 by half or more."""
    edge = torch.minimum(EDGE[0] * unit, EDGE[1] * torch.minimum(own, height))
    soft = STRETCHED * (own - edge)
    stretched = (soft + height - own).clamp(min=0.2 * soft).minimum(height - edge)
    rest = (own - edge - soft) / (height - edge - stretched).clamp(min=1e-4)
    behind = away - edge
    middle = behind.clamp(min=0).minimum(stretched) * soft / stretched.clamp(min=1e-4)
    taken = away.minimum(edge) + middle + (behind - stretched).clamp(min=0) * rest
    fading = (1 - (behind - stretched) / (0.3 * unit)).clamp(0, 1)
    return taken, fading * smoothstep(1.0, 1.5, stretched / soft.clamp(min=1e-4))
