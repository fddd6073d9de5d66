"""Transformer block of the motion generator: attention and MLP under frame-wise AdaLN (paper eq. 10)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-6
BASE_PERIOD = 10_000.0


def sinusoidal_positions(length: int, dim: int) -> Tensor:
    """Fixed additive positions ``(1, length, dim)``: sine in the even channels, cosine in the odd ones."""
    exponents = torch.arange(0, dim, 2, dtype=torch.float64) / dim
    angles = torch.arange(length)[:, None] / BASE_PERIOD**exponents
    return torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(1, length, dim).float()


def rotary_tables(length: int, head_dim: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine tables ``(length, head_dim)`` of the rotary positions, halves repeated."""
    frequencies = 1.0 / BASE_PERIOD ** (torch.arange(0, head_dim, 2) / head_dim)
    angles = (torch.arange(length)[:, None] * frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the channel pairs (i, i + d/2) of ``x (..., length, d)`` by their position's angle."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def band_mask(length: int, band: int) -> Tensor:
    """Boolean ``(length, length)``: True where a frame may attend, at most ``band`` frames away."""
    frame = torch.arange(length)
    return (frame[:, None] - frame).abs() <= band


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Flow time ``t (B,)`` in [0, 1], not rescaled, as cosines and sines ``(B, dim)``."""
    half = dim // 2
    frequencies = torch.exp(-math.log(BASE_PERIOD) * torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """AdaLN: layer norm without own weights, then the condition's scale and shift; all ``(B, T, D)``."""
    return F.layer_norm(x, x.shape[-1:], eps=NORM_EPS) * (1 + scale) + shift


class SelfAttention(nn.Module):
    """Multi-head self-attention ``(B, T, D) -> (B, T, D)`` with optional rotary positions and mask."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, mask: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        if rotary is not None:
            q, k = rotate(q, *rotary), rotate(k, *rotary)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.output(y.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """One block; ``condition (B, T, D)`` gives every frame its own shift, scale and gate.

    With ``speech_dim`` the projected speech ``(B, T, speech_dim)`` is added to what the attention sees, in every
    block anew (IF-MDM, table 2).
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int, speech_dim: int = 0) -> None:
        super().__init__()
        self.speech = nn.Linear(speech_dim, dim) if speech_dim else None
        self.attention = SelfAttention(dim, num_heads)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp_ratio * dim), nn.GELU("tanh"), nn.Linear(mlp_ratio * dim, dim))
        self.modulation = nn.Linear(dim, 6 * dim)

    def forward(
        self,
        x: Tensor,
        condition: Tensor,
        rotary: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        speech: Tensor | None = None,
    ) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition).chunk(6, dim=-1)
        seen = modulate(x, shift1, scale1)
        if self.speech is not None and speech is not None:
            seen = seen + self.speech(speech)
        x = x + gate1 * self.attention(seen, rotary, mask)
        return x + gate2 * self.mlp(modulate(x, shift2, scale2))
