"""Motion decoder: adapted motion latent -> motion maps at the coarse levels (paper section 3.2.2)."""

import torch
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.renderer.style_layers import StyledConv


class MotionDecoder(nn.Module):
    """``(B, adapted_dim)`` -> maps ``(B, M_i, 8*2**i, 8*2**i)`` for every coarse level, coarse first."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        style, maps = config.adapted_dim, config.motion_map_channels
        self.const = nn.Parameter(torch.randn(1, config.motion_dim, 4, 4))
        self.first = StyledConv(config.motion_dim, maps[0], style)
        self.levels = nn.ModuleList()
        channels = maps[0]
        for out in maps:
            up = StyledConv(channels, out, style, upsample=True)
            rest = [StyledConv(out, out, style) for _ in range(config.motion_decoder_convs - 1)]
            self.levels.append(nn.ModuleList([up, *rest]))
            channels = out

    def forward(self, adapted: Tensor) -> list[Tensor]:
        x = self.first(self.const.expand(len(adapted), -1, -1, -1).to(adapted.dtype), adapted)
        maps = []
        for level in self.levels:
            assert isinstance(level, nn.ModuleList)
            for conv in level:
                x = conv(x, adapted)
            maps.append(x)
        return maps
