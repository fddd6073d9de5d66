"""Identity-adaptive module: motion latent of anybody -> the same motion as this person makes it (paper eq. 4-5)."""

import torch
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.renderer.layers import EqualizedLinear, EqualizedMLP


class IdentityAdapter(nn.Module):
    """``(B, motion_dim), (B, identity_dim) -> (B, adapted_dim)``."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        d = config.adapter_dim
        self.input = EqualizedLinear(config.motion_dim + config.identity_dim, d)
        self.mlp = EqualizedMLP(d, d, config.adapted_dim)

    def forward(self, motion: Tensor, identity: Tensor) -> Tensor:
        return self.mlp(self.input(torch.cat([motion, identity], dim=1)))
