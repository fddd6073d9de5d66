"""Convolution blocks with batch normalisation, of the identity encoder and the synthesis network."""

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.01  # of the leaky ReLU in these blocks (the official weights depend on it)


def conv3(in_channels: int, out_channels: int, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions and a skip connection: ``(B, C, H, W) -> (B, C, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv3(channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = conv3(channels, channels), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.norm1(self.conv1(x)), SLOPE)
        return F.leaky_relu(self.norm2(self.conv2(h)) + x, SLOPE)


class ConvBlock(nn.Module):
    """Normalised convolution, plain convolution, residual blocks: ``(B, in, H, W) -> (B, out, H, W)``.

    ``resample="down"`` halves the resolution between the two convolutions, ``"up"`` doubles it before both.
    """

    def __init__(self, in_channels: int, out_channels: int, num_residuals: int, resample: str = "none") -> None:
        super().__init__()
        self.resample = resample
        self.conv1, self.norm = conv3(in_channels, out_channels), nn.BatchNorm2d(out_channels)
        self.conv2 = conv3(out_channels, out_channels)
        self.residuals = nn.Sequential(*(ResidualBlock(out_channels) for _ in range(num_residuals)))

    def forward(self, x: Tensor) -> Tensor:
        if self.resample == "up":
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.leaky_relu(self.norm(self.conv1(x)), SLOPE)
        if self.resample == "down":
            x = F.avg_pool2d(x, 2)
        return self.residuals(self.conv2(x))


class LinearUpsample(nn.Module):
    """1x1 convolution, then bilinear doubling: the cheap up-sampling of small models."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.conv(x), scale_factor=2, mode="bilinear", align_corners=False)
