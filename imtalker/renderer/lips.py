"""The lips of a frame: where they lie, and where in the portrait their pixels come from.

Attention and smoothly spread landmarks cannot part two lips that touch: on the way from one to the other their pixels
smear. Here each lip is a band between its outer and its inner line, and both lines of a frame lead exactly to those of
the portrait.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from imtalker.faces.mesh import LIP_INNER_LOWER, LIP_INNER_UPPER, LIP_OUTER_LOWER, LIP_OUTER_UPPER
from imtalker.renderer.bands import BandFrame, pair_of_curves, smoothstep

MARGIN = 0.02  # half sides of the square beyond the lips, over which they pass into what is round them
INSET = 0.15  # share of lips that touch in the portrait, next to each other, not shown once they part: their seam
RIM = 0.3  # share of lips that are parted in the portrait, in the light of its teeth, not shown once they touch
SHOWN = (0.02, 0.05)  # half sides of the square, lips that far apart show teeth
PARTED = 0.015  # half sides of the square, lips that far apart have parted


@dataclass(frozen=True, eq=False)
class LipLines:
    """Lines of both lips from the image's left to its right: ``(B, 2, P, 2)`` in [-1, 1], upper first."""

    inner: Tensor
    outer: Tensor

    @classmethod
    def through(cls, landmarks: Tensor) -> "LipLines":
        """Smooth lines through landmarks ``(B, N, 2)``."""
        inner, outer = (LIP_INNER_UPPER, LIP_INNER_LOWER), (LIP_OUTER_UPPER, LIP_OUTER_LOWER)
        return cls(pair_of_curves(landmarks, *inner), pair_of_curves(landmarks, *outer))

    def __getitem__(self, frames: slice) -> "LipLines":
        return LipLines(self.inner[frames], self.outer[frames])

    def sealed(self, gap: Tensor) -> "LipLines":
        """Inner lines that are closer by ``gap (P,)``, but never cross."""
        across = self.inner[:, 1] - self.inner[:, 0]
        less = (gap[:, None] / across.norm(dim=-1, keepdim=True).clamp(min=1e-6)).clamp(max=1) / 2 * across
        return LipLines(torch.stack([self.inner[:, 0] + less, self.inner[:, 1] - less], 1), self.outer)

    @property
    def gap(self) -> Tensor:
        """How far the inner lines are apart, ``(B, P)``."""
        return (self.inner[:, 1] - self.inner[:, 0]).norm(dim=-1)


def keep_lips(gate: Tensor, coordinates: Tensor, lines: LipLines, source: LipLines) -> tuple[Tensor, Tensor]:
    """Gate ``(B, 1, h, w)`` and coordinates ``(B, h, w, 2)`` of a frame, see ``Layers``, with the lips, and what is
    between them, as they are in the portrait: what a network draws where it expects the mouth to be open is not seen.

    Args:
        lines: of the frames.
        source: of the portrait, B = 1.
    """
    size = gate.shape[-1]
    part = BandFrame.round(lines.outer, size, MARGIN)
    below, above = part.between(lines.outer)
    kept = smoothstep(-MARGIN, 0.0, torch.minimum(below, above))[..., None]
    outer, inner = part.turned(lines.outer), part.turned(lines.inner)
    from_outer = source.outer.expand(len(outer), -1, -1, -1)
    open_now, open_there = smoothstep(0.0, PARTED, lines.gap), smoothstep(0.0, PARTED, source.gap)
    inset = INSET * open_now * (1 - open_there) + RIM * (1 - open_now) * smoothstep(*SHOWN, source.gap)
    from_inner = source.inner + inset[:, None, :, None] * (source.outer - source.inner)
    # four lines from top to bottom, and where in the portrait the pixels between them come from
    lines_down = [outer[:, 0], inner[:, 0], inner[:, 1], outer[:, 1]]
    sources = [from_outer[:, 0], from_inner[:, 0], from_inner[:, 1], from_outer[:, 1]]
    heights = [part.along_line(line, line[..., 1:])[..., 0] for line in lines_down]
    places = [part.along_line(line, source) for line, source in zip(lines_down, sources, strict=True)]
    moved = places[0]
    for upper, lower, place in zip(heights[:-1], heights[1:], places[1:], strict=True):
        share = ((part.across - upper) / (lower - upper).clamp(min=1e-4)).clamp(0, 1)
        moved = torch.lerp(moved, place, share[..., None])
    beyond = part.across - part.across.clamp(heights[0], torch.maximum(*heights[::3]))
    first, last = (outer[:, 0, end, 0, None, None] for end in (0, -1))
    aside = part.along - part.along.clamp(first, last)
    moved = moved + torch.einsum("cbhw,bck->bhwk", torch.stack([aside, beyond]), part.axes)
    area = (slice(None), slice(part.top, part.top + moved.shape[1]), slice(part.left, part.left + moved.shape[2]))
    gate, coordinates = gate.clone(), coordinates.clone()
    coordinates[area] = torch.lerp(coordinates[area], moved.to(coordinates), kept.to(coordinates))
    there = gate[:, 0][area]
    gate[:, 0][area] = there + (1 - there) * kept[..., 0].to(gate)
    return gate, coordinates
