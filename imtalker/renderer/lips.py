"""The lips of a frame: where they lie, and where in the portrait their pixels come from.

Attention and smoothly spread landmarks cannot part two lips that touch: on the way from one to the other their pixels
smear. Here each lip is a band between its outer and its inner line, and both lines of a frame lead exactly to those of
the portrait.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from imtalker.faces.mesh import LIP_INNER_LOWER, LIP_INNER_UPPER, LIP_OUTER_LOWER, LIP_OUTER_UPPER

SUBDIVISION = 4  # points of a line for each of its landmarks
MARGIN = 0.02  # half sides of the square beyond the lips, over which they pass into what is round them
INSET = 0.15  # share of lips that touch in the portrait, next to each other, not shown once they part: their seam
PARTED = 0.015  # half sides of the square, lips that far apart have parted


@dataclass(frozen=True, eq=False)
class LipLines:
    """Lines of both lips from the image's left to its right: ``(B, 2, P, 2)`` in [-1, 1], upper first."""

    inner: Tensor
    outer: Tensor

    @classmethod
    def through(cls, landmarks: Tensor) -> "LipLines":
        """Smooth lines through landmarks ``(B, N, 2)``."""
        return cls(
            *(
                _curve(torch.stack([landmarks[:, list(upper)], landmarks[:, list(lower)]], 1).float())
                for upper, lower in ((LIP_INNER_UPPER, LIP_INNER_LOWER), (LIP_OUTER_UPPER, LIP_OUTER_LOWER))
            )
        )

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


@dataclass(frozen=True, eq=False)
class MouthFrame:
    """Part of a picture in coordinates along and across the mouth of B frames."""

    left: int  # pixels of the part in the picture
    top: int
    screen: Tensor  # (h, w, 2) its pixels' centres in the square
    along: Tensor  # (B, h, w) from the left corner on
    across: Tensor  # (B, h, w) downwards
    origin: Tensor  # (B, 1, 1, 2)
    axes: Tensor  # (B, 2, 2)

    @classmethod
    def round(cls, lines: Tensor, size: int, margin: float = 0.0) -> "MouthFrame":
        """The part of a picture of ``size`` pixels round lines ``(B, 2, P, 2)``, with a margin in half sides."""
        points = lines.flatten(0, 2)
        low, high = points.amin(0) - margin, points.amax(0) + margin
        left, top = (((low + 1) * size / 2).floor().int() - 1).clamp(0, size - 2).tolist()
        right, bottom = (((high + 1) * size / 2).ceil().int() + 1).clamp(0, size).tolist()
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        centres = (torch.arange(size, device=lines.device) + 0.5) / size * 2 - 1
        y, x = torch.meshgrid(centres[top:bottom], centres[left:right], indexing="ij")
        screen = torch.stack([x, y], -1)
        first = lines[:, 0, 0]
        direction = torch.nn.functional.normalize(lines[:, 0, -1] - first, dim=-1)
        axes = torch.stack([direction, torch.stack([-direction[:, 1], direction[:, 0]], -1)], 1)
        along, across = torch.einsum("bhwk,bck->cbhw", screen - first[:, None, None], axes)
        return cls(left, top, screen, along, across, first[:, None, None], axes)

    def turned(self, lines: Tensor) -> Tensor:
        """Lines ``(B, 2, P, 2)`` in the coordinates of this part."""
        return torch.einsum("blpk,bck->blpc", lines - self.origin, self.axes)

    def between(self, lines: Tensor) -> tuple[Tensor, Tensor]:
        """How far each pixel lies below the upper and above the lower of two lines, ``(B, h, w)``: negative beyond
        them, and beyond their ends."""
        lines = self.turned(lines)
        first, last = (lines[:, 0, end, 0, None, None] for end in (0, -1))
        within = torch.minimum(self.along - first, last - self.along)
        below, above = (self.across - self.along_line(lines[:, i], lines[:, i, :, 1:])[..., 0] for i in range(2))
        return torch.minimum(below, within), torch.minimum(-above, within)

    def along_line(self, line: Tensor, values: Tensor) -> Tensor:
        """``values (B, P, K)`` at the points of a turned line ``(B, P, 2)``, linear between: ``(B, h, w, K)``."""
        x = torch.cummax(line[..., 0], -1)[0].contiguous()
        along = self.along.flatten(1).contiguous()
        after = torch.searchsorted(x, along).clamp(1, x.shape[1] - 1)
        before = after - 1
        left, right = x.gather(1, before), x.gather(1, after)
        share = ((along - left) / (right - left).clamp(min=1e-6)).clamp(0, 1)
        low, high = (values.gather(1, at[..., None].expand(-1, -1, values.shape[-1])) for at in (before, after))
        return torch.lerp(low, high, share[..., None]).unflatten(1, self.along.shape[1:])


def keep_lips(gate: Tensor, coordinates: Tensor, lines: LipLines, source: LipLines) -> tuple[Tensor, Tensor]:
    """Gate ``(B, 1, h, w)`` and coordinates ``(B, h, w, 2)`` of a frame, see ``Layers``, with the lips, and what is
    between them, as they are in the portrait: what a network draws where it expects the mouth to be open is not seen.

    Args:
        lines: of the frames.
        source: of the portrait, B = 1.
    """
    size = gate.shape[-1]
    part = MouthFrame.round(lines.outer, size, MARGIN)
    below, above = part.between(lines.outer)
    kept = smoothstep(-MARGIN, 0.0, torch.minimum(below, above))[..., None]
    outer, inner = part.turned(lines.outer), part.turned(lines.inner)
    from_outer = source.outer.expand(len(outer), -1, -1, -1)
    inset = INSET * (smoothstep(0.0, PARTED, lines.gap) * (1 - smoothstep(0.0, PARTED, source.gap)))[:, None, :, None]
    from_inner = source.inner + inset * (source.outer - source.inner)
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


def _curve(lines: Tensor) -> Tensor:
    """Catmull-Rom curves ``(B, L, P, 2)`` through points ``(B, L, n, 2)``."""
    count = lines.shape[2]
    at = torch.linspace(0, count - 1, (count - 1) * SUBDIVISION + 1)
    first = at.floor().clamp(max=count - 2)
    t = (at - first)[:, None]
    weights = torch.cat([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], 1) / 2
    index = (first[:, None] + torch.arange(-1, 3)).clamp(0, count - 1).long()
    matrix = torch.zeros(len(at), count).scatter_add_(1, index, weights)
    return torch.einsum("pn,blnk->blpk", matrix.to(lines), lines)


def smoothstep(low: float, high: float, x: Tensor) -> Tensor:
    """As ``imtalker.faces.smooth.smoothstep``."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)
