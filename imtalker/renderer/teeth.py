"""Teeth that no source pixel shows: two learned textures, laid where the adapted motion says.

A portrait with closed lips shows no teeth, and what a small network invents for every pixel anew is a grey smear.
But teeth are rigid: the upper row turns with the head, the lower one with the jaw. So their picture is learned once,
and per frame only two affine maps have to be found.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import RendererConfig

ROWS = 2  # upper, lower
TEXTURE_SIZE = (40, 80)  # height, width, texels of a row
TEXTURE_CM = (3.2, 6.4)  # the same in the mean head's centimetres; the incisal edge is the middle line
_HIDDEN = 64
# screen -> texture of the mean portrait looking straight ahead, both from -1 to 1: the placement training starts from
MEAN_PLACEMENT = ((4.5, 0.0, 0.0), (0.0, 9.1, -3.2)), ((4.5, 0.0, 0.0), (0.0, 9.1, -3.0))


class TeethLayer(nn.Module):
    """Adapted motion ``(B, adapted_dim)`` -> picture of both rows, and where they lie."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.size = config.output_size
        # colour and opacity of every texel, before the sigmoid
        self.texture = nn.Parameter(torch.zeros(ROWS, 4, *TEXTURE_SIZE))
        d = config.adapted_dim
        self.hidden = nn.Linear(d, _HIDDEN)
        self.placement = nn.Linear(d + _HIDDEN, ROWS * 6)
        for parameter in self.placement.parameters():
            nn.init.zeros_(parameter)

    def place(self, adapted: Tensor) -> Tensor:
        """Affine maps ``(B, 2, 2, 3)`` from the screen to the texture of each row, both from -1 to 1."""
        x = torch.cat([adapted, F.leaky_relu(self.hidden(adapted), 0.2)], dim=1)
        # the mean apart and in single precision: rounded to half precision, teeth would tremble
        return self.placement(x).float().view(-1, ROWS, 2, 3) + torch.tensor(MEAN_PLACEMENT, device=x.device)

    def forward(self, placement: Tensor, size: int | None = None) -> Tensor:
        """``(B, 2, 2, 3)`` -> colour times opacity, and opacity, ``(B, 4, S, S)`` in [0, 1]; the upper row in front.

        ``size``: S, pixels; None: of the network's own frames.
        """
        size = size or self.size
        shown, left, top = self.visible(placement, size)
        height, width = shown.shape[2:]
        return F.pad(shown, (left, size - left - width, top, size - top - height))

    def visible(self, placement: Tensor, size: int) -> tuple[Tensor, int, int]:
        """The part of the frames in which anything is seen, ``(B, 4, h, w)``, and its left and top pixel."""
        left, top, right, bottom = self._visible_box(placement, size)
        centres = (torch.arange(size, device=placement.device) + 0.5) / size * 2 - 1
        y, x = torch.meshgrid(centres[top:bottom], centres[left:right], indexing="ij")
        screen = torch.stack([x, y, torch.ones_like(x)], dim=-1)  # (h, w, 3)
        grids = torch.einsum("hwk,brck->brhwc", screen, placement)
        shown = self.texture.float().sigmoid()
        shown = torch.cat([shown[:, :3] * shown[:, 3:], shown[:, 3:]], dim=1)
        upper, lower = (
            F.grid_sample(shown[r].expand(len(grids), -1, -1, -1), grids[:, r], align_corners=False)
            for r in range(ROWS)
        )
        return upper + (1 - upper[:, 3:]) * lower, left, top

    def _visible_box(self, placement: Tensor, size: int) -> tuple[int, int, int, int]:
        """Pixels left, top, right, bottom outside of which no row of any frame lies; never empty."""
        with torch.no_grad():
            p = placement.detach().float()
            corners = torch.tensor([[-1.1, -1.1], [1.1, -1.1], [-1.1, 1.1], [1.1, 1.1]], device=p.device)
            linear, shift = p[..., :2], p[..., 2]
            # a map that has collapsed cannot be inverted: everything may then be visible
            determinant = linear[..., 0, 0] * linear[..., 1, 1] - linear[..., 0, 1] * linear[..., 1, 0]
            if bool((determinant.abs() < 1.0).any()):
                return 0, 0, size, size
            points = torch.linalg.solve(linear, (corners - shift[..., None, :]).transpose(-1, -2))
            pixels = (points + 1) * size / 2  # (B, 2, 2, 4)
            low = pixels.amin((0, 1, 3)).floor().clamp(0, size - 1).int().tolist()
            high = pixels.amax((0, 1, 3)).ceil().clamp(1, size).int().tolist()
        return low[0], low[1], max(high[0], low[0] + 1), max(high[1], low[1] + 1)
