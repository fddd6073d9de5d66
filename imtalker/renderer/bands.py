"""Parts of a face as bands between lines of landmarks: curves through them, and coordinates along and across them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SUBDIVISION = 4  # points of a line for each of its landmarks
TABLE = 160  # places along a part of a picture


@dataclass(frozen=True, eq=False)
class BandFrame:
    """Part of a picture in coordinates along and across a mouth or an eye of B frames."""

    left: int  # pixels of the part in the picture
    top: int
    screen: Tensor  # (h, w, 2) its pixels' centres in the square
    along: Tensor  # (B, h, w) from the left end of the lines on
    across: Tensor  # (B, h, w) downwards
    origin: Tensor  # (B, 1, 1, 2)
    axes: Tensor  # (B, 2, 2)

    @classmethod
    def round(cls, lines: Tensor, size: int, margin: float = 0.0, along: Tensor | None = None) -> "BandFrame":
        """The part of a picture of ``size`` pixels round lines ``(B, 2, P, 2)``, with a margin in half sides.

        along: other lines whose ends are those of the axis; None: these.
        """
        points = lines.flatten(0, 2)
        low, high = points.amin(0) - margin, points.amax(0) + margin
        left, top = (((low + 1) * size / 2).floor().int() - 1).clamp(0, size - 2).tolist()
        right, bottom = (((high + 1) * size / 2).ceil().int() + 1).clamp(0, size).tolist()
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        centres = (torch.arange(size, device=lines.device) + 0.5) / size * 2 - 1
        y, x = torch.meshgrid(centres[top:bottom], centres[left:right], indexing="ij")
        screen = torch.stack([x, y], -1)
        axis = (lines if along is None else along)[:, 0]
        first, axes = axis[:, 0], axes_along(axis)
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
        return _at(self.along, line, values)

    def along_lines(self, lines: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The same of several lines, their values one after the other, ``(B, h, w, K)``: by a table, many times as fast
        and exact to a fraction of a pixel."""
        ends = torch.stack([line[:, end, 0] for line, _ in lines for end in (0, -1)])
        low, high = (end[:, None, None] for end in (ends.amin(0), ends.amax(0)))
        steps = torch.linspace(0, 1, TABLE, device=low.device) * (high - low) + low
        table = torch.cat([_at(steps, line, values) for line, values in lines], -1)  # (B, 1, T, K)
        place = (self.along - low) / (high - low).clamp(min=1e-6) * 2 - 1
        place = torch.stack([place, torch.zeros_like(place)], -1)
        found = F.grid_sample(table.permute(0, 3, 1, 2), place, padding_mode="border", align_corners=True)
        return found.permute(0, 2, 3, 1)


def _at(along: Tensor, line: Tensor, values: Tensor) -> Tensor:
    x = torch.cummax(line[..., 0], -1)[0].contiguous()
    places = along.flatten(1).contiguous()
    after = torch.searchsorted(x, places).clamp(1, x.shape[1] - 1)
    before = after - 1
    left, right = x.gather(1, before), x.gather(1, after)
    share = ((places - left) / (right - left).clamp(min=1e-6)).clamp(0, 1)
    low, high = (values.gather(1, at[..., None].expand(-1, -1, values.shape[-1])) for at in (before, after))
    return torch.lerp(low, high, share[..., None]).unflatten(1, along.shape[1:])


def axes_along(lines: Tensor) -> Tensor:
    """Unit vectors ``(B, 2, 2)``: from end to end of lines ``(B, P, 2)``, and downwards across."""
    along = F.normalize(lines[:, -1] - lines[:, 0], dim=-1)
    return torch.stack([along, torch.stack([-along[:, 1], along[:, 0]], -1)], 1)


def pair_of_curves(landmarks: Tensor, upper: tuple[int, ...], lower: tuple[int, ...]) -> Tensor:
    """Smooth lines ``(B, 2, P, 2)`` through two rows of landmarks ``(B, N, 2)``."""
    return _curve(torch.stack([landmarks[:, list(upper)], landmarks[:, list(lower)]], 1).float())


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
