"""Layers with equalised learning rate, after StyleGAN (Karras et al. 2018, 2020): the stored weight is unscaled,
the effective weight is ``weight / sqrt(fan_in)``."""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU after equalised layers
FUSED_GAIN = math.sqrt(2.0)  # keeps the variance after a leaky ReLU


class EqualizedLinear(nn.Module):
    """Linear layer ``(..., in) -> (..., out)``, optionally followed by a leaky ReLU without gain."""

    def __init__(self, in_dim: int, out_dim: int, activation: bool = False, bias_init: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim))
        self.bias = nn.Parameter(torch.full((out_dim,), bias_init))
        self.activation = activation
        self.scale = 1.0 / math.sqrt(in_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias)
        return F.leaky_relu(x, SLOPE) if self.activation else x


class EqualizedMLP(nn.Module):
    """``num_hidden`` activated layers and a linear one: ``(B, in) -> (B, out)``."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, num_hidden: int = 4) -> None:
        super().__init__()
        dims = [in_dim] + [hidden_dim] * num_hidden
        self.hidden = nn.ModuleList(EqualizedLinear(a, b, activation=True) for a, b in itertools.pairwise(dims))
        self.out = EqualizedLinear(dims[-1], out_dim)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = layer(x)
        return self.out(x)


class FusedLeakyReLU(nn.Module):
    """``leaky_relu(x + bias) * sqrt(2)`` on ``(B, C, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias, SLOPE) * FUSED_GAIN


class EqualizedConv2d(nn.Module):
    """3x3 convolution ``(B, in, H, W) -> (B, out, H', W')``."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, padding: int = 1, bias: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = 1.0 / math.sqrt(in_channels * 9)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, stride=self.stride, padding=self.padding)


def blur_kernel(gain: float = 1.0) -> Tensor:
    """The 4x4 low-pass filter of StyleGAN2, outer([1, 3, 3, 1]), normalised to the sum ``gain``."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum() * gain


class Blur(nn.Module):
    """Depthwise 4x4 low-pass filter; ``padding`` zeros are added on every side first."""

    kernel: Tensor

    def __init__(self, channels: int, padding: int, gain: float = 1.0) -> None:
        super().__init__()
        # depthwise weights are the fastest form of this filter on the CPU, with channels_last above all
        self.register_buffer("kernel", blur_kernel(gain).repeat(channels, 1, 1, 1), persistent=False)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel.to(x.dtype), padding=self.padding, groups=x.shape[1])


class StyledConv(nn.Module):
    """Modulated and demodulated 3x3 convolution (StyleGAN2), optionally doubling the resolution.

    ``(B, in, H, W), (B, style) -> (B, out, H or 2H, W or 2W)``. Scaling the activations before and after a
    shared convolution equals per-sample weights exactly, and batches.
    """

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, upsample: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.modulation = EqualizedLinear(style_dim, in_channels, bias_init=1.0)
        self.activation = FusedLeakyReLU(out_channels)
        self.scale = 1.0 / math.sqrt(in_channels * 9)
        self.blur = Blur(out_channels, padding=1, gain=4.0) if upsample else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        s = self.modulation(style)
        weight = self.weight * self.scale
        demodulation = torch.rsqrt(s.square() @ weight.square().sum((2, 3)).t() + 1e-8)
        x = x * s[:, :, None, None]
        if self.blur is None:
            x = F.conv2d(x, weight, padding=1)
        else:
            x = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        return self.activation(x * demodulation[:, :, None, None])
