"""Sound that wanders as speech does, for encoders with random weights."""

import torch
from torch import Tensor


def speech(seconds: float, seed: int = 0) -> Tensor:
    """(N,) at 16 kHz: noise whose loudness and offset wander."""
    noise = torch.randn(int(seconds * 16000), generator=torch.Generator().manual_seed(seed))
    time = torch.arange(len(noise)) / 16000
    return 0.05 * noise * (1 + torch.sin(2 * time)) + 0.01 * torch.sin(0.3 * time) + 0.02
