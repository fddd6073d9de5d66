"""Sound that wanders as speech does, and a small wav2vec2 to hear it."""

import torch
from torch import Tensor

from imtalker.config import AudioEncoderConfig

SMALL_WAV2VEC2 = AudioEncoderConfig(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    conv_dim=(16,) * 7,
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=4,
)


def speech(seconds: float, seed: int = 0) -> Tensor:
    """(N,) at 16 kHz: noise whose loudness and offset wander."""
    noise = torch.randn(int(seconds * 16000), generator=torch.Generator().manual_seed(seed))
    time = torch.arange(len(noise)) / 16000
    return 0.05 * noise * (1 + torch.sin(2 * time)) + 0.01 * torch.sin(0.3 * time) + 0.02
