"""Patch discriminator on two scales (paper eq. 9), with its features for feature matching."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from imtalker.train.loop import Objective


def _conv(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(in_channels, out_channels, 4 if stride == 2 else 3, stride, 1))


class PatchDiscriminator(nn.Module):
    """``(B, 3, H, W)`` in [0, 1] -> logits ``(B, 1, h, w)`` and the features of every layer, per scale."""

    def __init__(self, width: int = 24, num_scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList()
        for _ in range(num_scales):
            layers = [_conv(3, width, 2), _conv(width, 2 * width, 2), _conv(2 * width, 4 * width, 2)]
            self.scales.append(nn.ModuleList([*layers, _conv(4 * width, 1, 1)]))

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        logits, features = [], []
        x = image * 2 - 1
        for i, scale in enumerate(self.scales):
            if i:
                x = F.avg_pool2d(x, 2)
            h = x
            assert isinstance(scale, nn.ModuleList)
            for layer in list(scale)[:-1]:
                h = F.leaky_relu(layer(h), 0.2)
                features.append(h)
            logits.append(scale[-1](h))
        return logits, features


def add_discriminator(modules: dict[str, nn.Module], loss: Callable[..., Any], starts: int) -> Objective:
    """Put a new discriminator among the modules of a training; its objective, from step ``starts`` on."""
    modules["discriminator"] = PatchDiscriminator()
    return Objective("discriminator", ("discriminator",), loss, starts=starts)
