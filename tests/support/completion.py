"""A completion network small enough for tests."""

import torch

from imtalker.dubbing.completion.config import CompletionConfig
from imtalker.dubbing.completion.network import CompletionNetwork

SMALL = CompletionConfig(
    patch_size=32, latent_channels=8, autoencoder_width=16, channels=(8, 8, 16), motion_width=8, reference_width=8
)


def small_network(seed: int = 0, alpha: float = 0.3) -> CompletionNetwork:
    """Random weights; ``alpha`` is the share of the reference attention, 0 as in a new network."""
    torch.manual_seed(seed)
    network = CompletionNetwork(SMALL).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("alpha"):
            torch.nn.init.constant_(parameter, alpha)
        elif name.endswith(("conv2.weight", "keep.weight")):  # begin at zero
            torch.nn.init.normal_(parameter, 0, 0.1)
    return network
