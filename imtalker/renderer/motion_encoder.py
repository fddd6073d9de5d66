"""Motion encoder: image -> motion latent (paper section 3.2, E_motion)."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.renderer.style_layers import SLOPE, Blur, EqualizedConv2d, EqualizedMLP, FusedLeakyReLU


class DownResidual(nn.Module):
    """``(B, in, H, W) -> (B, out, H/2, W/2)``; the skip is a strided, activated 3x3 convolution, summed unscaled."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = EqualizedConv2d(in_channels, in_channels)
        self.act1 = FusedLeakyReLU(in_channels)
        self.blur = Blur(in_channels, padding=2)
        self.conv2 = EqualizedConv2d(in_channels, out_channels, stride=2, padding=0)
        self.act2 = FusedLeakyReLU(out_channels)
        self.skip = EqualizedConv2d(in_channels, out_channels, stride=2, padding=0)
        self.act_skip = FusedLeakyReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        h = self.act2(self.conv2(self.blur(self.act1(self.conv1(x)))))
        return h + self.act_skip(self.skip(self.blur(x)))


class PlainDown(nn.Module):
    """Normalised strided and plain convolution: ``(B, in, H, W) -> (B, out, H/2, W/2)``.

    Learns a regression in a small part of the time the official block takes, and folds to two convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.norm1(self.conv1(x)), SLOPE)
        return F.leaky_relu(self.norm2(self.conv2(x)), SLOPE)


class MotionEncoder(nn.Module):
    """``(B, 3, S, S)`` in [0, 1] -> motion latent ``(B, motion_dim)``."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        channels = config.motion_encoder_channels
        self.unshuffle = config.motion_encoder_unshuffle
        plain = config.motion_encoder_blocks == "plain"
        block = PlainDown if plain else DownResidual
        self.stem = nn.Conv2d(3 * self.unshuffle**2, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList(block(a, b) for a, b in pairwise(channels))
        self.final_conv = nn.Identity() if plain else EqualizedConv2d(channels[-1], channels[-1], bias=True)
        self.pool = config.motion_encoder_pool
        features = channels[-1]
        if self.pool == "flatten":
            side = config.input_size // self.unshuffle // 2 ** len(self.blocks)
            features *= side * side
        self.head = EqualizedMLP(features, channels[-1], config.motion_dim, num_hidden=1 if plain else 4)

    def forward(self, image: Tensor) -> Tensor:
        return self.read(self.pyramid(image)[-1])

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """Features behind the stem and every block, each half as wide as the one before."""
        x = F.pixel_unshuffle(image, self.unshuffle) if self.unshuffle > 1 else image
        maps = [F.leaky_relu(self.stem(x), SLOPE)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

    def read(self, x: Tensor) -> Tensor:
        """The last features -> motion latent."""
        x = self.final_conv(x)
        x = x.mean((2, 3)) if self.pool == "mean" else x.flatten(1)
        return self.head(x)
