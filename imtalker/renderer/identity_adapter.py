"""Identity-adaptive module: motion latent of anybody -> the same motion as this person makes it (paper eq. 4-5)."""

import torch
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.renderer.style_layers import EqualizedLinear, EqualizedMLP


class IdentityAdapter(nn.Module):
    """``(B, motion_dim), (B, identity_dim) -> (B, adapted_dim)``.

    The MLP (leaky, without gain) hands on large motions first: lids and gaze, a twentieth of a head turn behind it,
    are not learned in a short training. ``linear_skips`` adds a direct path.
    """

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        d = config.adapter_dim
        self.input = EqualizedLinear(config.motion_dim + config.identity_dim, d)
        self.mlp = EqualizedMLP(d, d, config.adapted_dim)
        self.skip = nn.Linear(self.input.weight.shape[1], config.adapted_dim) if config.linear_skips else None
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)

    def forward(self, motion: Tensor, identity: Tensor) -> Tensor:
        x = torch.cat([motion, identity], dim=1)
        adapted = self.mlp(self.input(x))
        return adapted if self.skip is None else adapted + self.skip(x)
