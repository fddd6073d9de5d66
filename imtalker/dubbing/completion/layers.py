"""Blocks of the completion U-Net: residual convolution, attention to motion, attention to the references."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_GROUPS = 8
FREQUENCIES = 8  # of the place code, per axis
SHARPNESS = 2.0  # inverse temperature of the place code at the start: attention within about a cell


class ResBlock(nn.Module):
    """Two 3x3 convolutions beside a straight path: ``(B, C, h, w)`` -> ``(B, D, h, w)``."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(NORM_GROUPS, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(NORM_GROUPS, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.straight = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return self.straight(x) + self.conv2(F.silu(self.norm2(h)))


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """``(B, N, heads * d)`` -> ``(B, heads, N, d)``."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


class MotionAttention(nn.Module):
    """Cross-attention of every cell to the motion tokens (IMGTalk eq. 9), added to what was there."""

    def __init__(self, channels: int, motion_width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(NORM_GROUPS, channels)
        self.place = nn.Parameter(0.1 * torch.randn(1, side * side, channels))  # lips at the left move as at the right
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(motion_width, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, motion: Tensor) -> Tensor:
        """``x (B, C, h, w)``, ``motion (B, K, m)``."""
        query = self.query(self.norm(x).flatten(2).transpose(1, 2) + self.place)
        key, value = self.key_value(motion).chunk(2, -1)
        query, key, value = (split_heads(t, self.heads) for t in (query, key, value))
        found = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(found.transpose(1, 2).flatten(2)).transpose(1, 2).reshape(x.shape)


def place_code(side: int) -> Tensor:
    """``(side * side, 4 * FREQUENCIES)`` code of the cells' places whose products fall off with their distance."""
    centres = (torch.arange(side) + 0.5) / side
    phase = centres[:, None] * torch.arange(1, FREQUENCIES + 1) * math.pi
    axis = torch.cat([phase.cos(), phase.sin()], -1) / math.sqrt(2 * FREQUENCIES)
    rows, columns = axis[:, None].expand(-1, side, -1), axis[None].expand(side, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)


class ReferenceAttention(nn.Module):
    """Reference Spatial Cross-Attention (IMGTalk eq. 10): each cell takes from the references' latents what it needs.

    Keys and queries also hold the cell's place; references come aligned, so attention starts near the place itself.
    Its share ``alpha`` starts at zero: a new network is one without references.
    """

    query_place: Tensor
    key_place: Tensor

    def __init__(self, channels: int, latent_channels: int, width: int, side: int, tokens_side: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(NORM_GROUPS, channels)
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Linear(latent_channels, width)
        self.value = nn.Linear(latent_channels, width + 4 * FREQUENCIES)  # as wide as keys: a fused kernel's condition
        self.out = nn.Linear(width + 4 * FREQUENCIES, channels)
        self.sharpness = nn.Parameter(torch.tensor(math.log(SHARPNESS * tokens_side)))
        self.alpha = nn.Parameter(torch.zeros(()))
        self.register_buffer("query_place", place_code(side), persistent=False)
        self.register_buffer("key_place", place_code(tokens_side), persistent=False)

    def forward(self, x: Tensor, references: Tensor) -> Tensor:
        """``x (B, C, h, w)``, ``references (B, R, n, z)`` tokens of R references, n = tokens_side squared."""
        batch, count = references.shape[:2]
        query = self.query(self.norm(x)).flatten(2).transpose(1, 2)
        key = self.key(references)
        where = self.sharpness.exp()
        width = key.shape[-1]
        query = torch.cat([query / math.sqrt(width), where * self.query_place.expand(batch, -1, -1)], -1)
        key = torch.cat([key, self.key_place.expand(batch, count, -1, -1)], -1)
        query, key, value = (
            t.to(x.dtype)[:, None] for t in (query, key.flatten(1, 2), self.value(references).flatten(1, 2))
        )
        found = self.out(F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0])
        return x + self.alpha * found.transpose(1, 2).reshape(x.shape)
