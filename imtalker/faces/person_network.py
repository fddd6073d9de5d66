"""The network that tells a person from what is behind: a U-Net (Ronneberger et al. 2015) of separable convolutions."""

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class PersonConfig:
    """Sizes of the network."""

    side: int = 160  # pixels of the square it looks at; divisible by 2 ** len(channels)
    channels: tuple[int, ...] = (16, 32, 48, 64, 96)  # of each level; each has half the pixels a side of the one above


class PersonNetwork(nn.Module):
    """Pictures -> logits of the person, at the same size."""

    def __init__(self, config: PersonConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(above, width, 3, stride=2), _Block(width))
            for above, width in zip((3, *widths), widths, strict=False)
        )
        self.bottom = nn.Sequential(_Block(widths[-1]), _Block(widths[-1]))
        self.narrow = nn.ModuleList(_convolution(below, width, 1) for width, below in pairwise(widths))
        self.up = nn.ModuleList(_Block(width) for width in widths[:-1])
        self.out = nn.Conv2d(widths[0], 4, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """``(B, 3, S, S)`` RGB in [0, 1] -> logits ``(B, 1, S, S)``."""
        x, levels = pictures * 2 - 1, []
        for down in self.down:
            x = down(x)
            levels.append(x)
        x = self.bottom(x)
        for level in reversed(range(len(self.up))):
            wide = F.interpolate(self.narrow[level](x), scale_factor=2, mode="bilinear", align_corners=False)
            x = self.up[level](wide + levels[level])
        return F.pixel_shuffle(self.out(x), 2)


class _Block(nn.Module):
    """A residual separable convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), _convolution(width, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _convolution(above: int, width: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(above, width, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())
