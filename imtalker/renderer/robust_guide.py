"""Making a guide believable: cells that disagree with all their neighbours, cells that look past the border.

The guide of a ``coordinate`` resampler says for every cell of the finest coarse level where in the source it comes
from. A soft argmax over attention errs in two ways. A few cells peak far away (an eye in the hair, a ring in the
background): their displacement is replaced by the median round them. And what comes from beyond the source's border
can only attend to its outermost cells, which would smear them: there the displacement of the cells further inside is
carried on, so that coordinates leave [-1, 1] and the picture behind them decides what is seen.

Both leave a smooth guide as it is, and gradients flow through both.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 2  # cells on each side of a cell that its median is taken over
OUTLIER = 1.5  # cells from the median, beyond which a displacement is not believed
PASSES = 12  # at most; nearly always one to three: a cluster of outliers is eaten from its rim
BORDER = 0.25  # cells from the outermost centre, within which a position counts as stuck to the border
STUCK = 0.5  # cells of displacement outwards that are asked for besides: the border itself may rest
EXTENSION = 5  # cells beyond the border that displacements are carried on at most


def local_median(field: Tensor, reach: int = REACH) -> Tensor:
    """Median of each channel over the ``2 * reach + 1`` square round every cell: ``(B, C, n, n) -> (B, C, n, n)``.

    Beyond the border the field is mirrored. Equal to sorting, but by minima and maxima of whole maps (forgetful
    selection: of one more than half of the values neither smallest nor largest is the median), which is many times
    faster.
    """
    window = 2 * reach + 1
    side = field.shape[-1]
    padded = F.pad(field, (reach,) * 4, mode="reflect")
    waiting = [padded[..., y : y + side, x : x + side] for y in range(window) for x in range(window)]
    half = len(waiting) // 2 + 2
    kept, waiting = waiting[:half], waiting[half:]
    while True:
        for i in range(1, len(kept)):
            kept[0], kept[i] = torch.minimum(kept[0], kept[i]), torch.maximum(kept[0], kept[i])
        for i in range(1, len(kept) - 1):
            kept[-1], kept[i] = torch.maximum(kept[-1], kept[i]), torch.minimum(kept[-1], kept[i])
        kept = kept[1:-1]
        if not waiting:
            return kept[0]
        kept.append(waiting.pop())


def deviation(displacement: Tensor) -> Tensor:
    """Distance ``(B, n, n)`` of displacements ``(B, 2, n, n)`` from their local median, cells."""
    return (displacement - local_median(displacement)).norm(dim=1)


def reject_outliers(displacement: Tensor) -> Tensor:
    """Displacements ``(B, 2, n, n)`` in cells, those far from their local median replaced by it."""
    for _ in range(PASSES):
        median = local_median(displacement)
        far = (displacement - median).square().sum(1, keepdim=True) > OUTLIER**2
        if not far.any():  # the usual case; further passes would change nothing
            break
        displacement = torch.where(far, median, displacement)
    return displacement


def repair(displacement: Tensor, centres: Tensor) -> Tensor:
    """Both: no outliers, also not where the border had them; see the two functions for the arguments."""
    return reject_outliers(extend_past_border(reject_outliers(displacement), centres))


def extend_past_border(displacement: Tensor, centres: Tensor) -> Tensor:
    """Displacements ``(B, 2, n, n)`` in cells; where they are stuck to the border, those further inside instead.

    ``centres (2, n, n)``: x, y of the cells' centres, 0 to n - 1.
    """
    last = displacement.shape[-1] - 1
    x, y = displacement.unbind(1)
    return torch.stack([_extended(x, centres[0], last, 2), _extended(y, centres[1], last, 1)], dim=1)


def _extended(displacement: Tensor, centres: Tensor, last: int, dim: int) -> Tensor:
    """One axis of :func:`extend_past_border`, ``(B, n, n)``."""
    position = displacement + centres
    first, final = (dim, 0, 1), (dim, last, 1)

    def from_below(d: Tensor) -> Tensor:
        return torch.cat([d.narrow(dim, 1, last), d.narrow(*final)], dim)

    def from_above(d: Tensor) -> Tensor:
        return torch.cat([d.narrow(*first), d.narrow(dim, 0, last)], dim)

    # the outermost cell itself cannot be displaced outwards, so the cell further inside is asked
    low = (position < BORDER) & (from_below(displacement) < -STUCK)
    high = (position > last - BORDER) & (from_above(displacement) > STUCK)
    for _ in range(EXTENSION):  # each pass carries the displacement one cell further out
        displacement = torch.where(low, from_below(displacement), displacement)
        displacement = torch.where(high, from_above(displacement), displacement)
    return displacement


def ghost_cells(coordinates: Tensor, limit: float = 2.0) -> Tensor:
    """Share ``(B,)`` of the cells of a guide ``(B, n, n, 2)`` in [-1, 1] that lie further than ``limit`` cells from
    the median of their neighbours: each would show as a dot, ring or eye where none belongs."""
    side = coordinates.shape[1]
    displacement = to_displacement(coordinates, cell_positions(side).to(coordinates))
    return (deviation(displacement) > limit).float().mean((1, 2))


def cell_positions(side: int) -> Tensor:
    """``(2, side, side)``: x, y of every cell, 0 to ``side - 1``."""
    c = torch.arange(side, dtype=torch.float32)
    y, x = torch.meshgrid(c, c, indexing="ij")
    return torch.stack([x, y])


def to_displacement(coordinates: Tensor, centres: Tensor) -> Tensor:
    """Coordinates ``(B, n, n, 2)`` in [-1, 1] -> displacements ``(B, 2, n, n)`` in cells from ``centres (2, n, n)``."""
    half = coordinates.shape[1] / 2
    return coordinates.permute(0, 3, 1, 2) * half + (half - 0.5) - centres


def to_coordinates(displacement: Tensor, centres: Tensor) -> Tensor:
    """Inverse of :func:`to_displacement`."""
    half = displacement.shape[-1] / 2
    return ((displacement + centres - (half - 0.5)) / half).permute(0, 2, 3, 1)
