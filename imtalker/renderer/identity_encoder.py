"""Identity encoder: source image -> appearance pyramid and identity vector (paper section 3.2)."""

import itertools
import math

import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.renderer.conv_blocks import ConvBlock
from imtalker.renderer.style_layers import EqualizedMLP

SKIP_SIDE = 4  # cells of the map that the linear path to the identity vector sees


class IdentityEncoder(nn.Module):
    """``(B, 3, S, S)`` in [0, 1] -> maps ``(B, C_i, 8*2**i, 8*2**i)`` coarse first, identity ``(B, D)``."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        channels = config.channels[::-1]  # finest first
        finest, r = channels[0], config.num_residuals
        self.unshuffle = 2 if config.stem == "unshuffle" else 1
        if config.stem == "unshuffle":
            # half resolution with every pixel kept: full-resolution convolutions would cost more than all the rest
            self.stem = nn.Conv2d(12, finest, 3, padding=1)
        else:
            self.stem = nn.Conv2d(3, finest, 7, padding=3)
        self.stem_norm = nn.BatchNorm2d(finest)
        self.stem_down = ConvBlock(finest, finest, r, "down") if config.stem == "conv7_down" else None
        self.down = nn.ModuleList(ConvBlock(a, b, r, "down") for a, b in itertools.pairwise(channels))
        self.identity = EqualizedMLP(channels[-1], config.identity_dim, config.identity_dim)
        # the mean over all cells does not know where this person's eyes and mouth are
        self.skip = nn.Linear(SKIP_SIDE**2 * channels[-1], config.identity_dim) if config.linear_skips else None
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        x = F.pixel_unshuffle(image, self.unshuffle) if self.unshuffle > 1 else image
        x = F.relu(self.stem_norm(self.stem(x)))
        if self.stem_down is not None:
            x = self.stem_down(x)
        maps = [x]
        for block in self.down:
            maps.append(block(maps[-1]))
        identity = self.identity(maps[-1].mean((2, 3)))
        if self.skip is not None:
            cells = F.adaptive_avg_pool2d(maps[-1], SKIP_SIDE).flatten(1)
            identity = identity + self.skip(cells / math.sqrt(cells.shape[1]))
        return maps[::-1], identity
