"""Self-attention blocks of the synthesis network: global, and windowed after Swin (Liu et al. 2021)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.renderer.motion_transfer import to_map, to_tokens

MASKED = -100.0  # added to logits across the border of a rolled map (Swin)


def feed_forward(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))


class GlobalBlock(nn.Module):
    """Pre-norm transformer block over all cells with learned positions: ``(B, C, n, n) -> (B, C, n, n)``."""

    def __init__(self, dim: int, num_tokens: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_position = nn.Parameter(torch.zeros(1, num_tokens, dim))
        self.k_position = nn.Parameter(torch.zeros(1, num_tokens, dim))
        self.norm_q, self.norm_kv, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)
        self.mlp = feed_forward(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = to_tokens(x)
        b, n, c = x.shape
        # positions enter before the norm and never the values: the official weights depend on it
        q = self.q_proj(self.norm_q(x + self.q_position))
        k = self.k_proj(self.norm_kv(x + self.k_position))
        v = self.v_proj(self.norm_kv(x))
        q, k, v = (t.view(b, n, self.heads, c // self.heads).transpose(1, 2) for t in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c)
        x = x + self.proj(attended)
        return to_map(x + self.mlp(self.norm_mlp(x)))


def relative_position_index(window: int) -> Tensor:
    """``(window**2, window**2)`` index into the bias table for every pair of cells in a window."""
    c = torch.arange(window)
    cells = torch.stack(torch.meshgrid(c, c, indexing="ij")).flatten(1)
    offset = cells[:, :, None] - cells[:, None, :] + window - 1
    return offset[0] * (2 * window - 1) + offset[1]


def shifted_window_mask(side: int, window: int, shift: int) -> Tensor:
    """``(num_windows, window**2, window**2)``: 0 between cells that were neighbours before the roll, else -100."""
    region = torch.zeros(side, dtype=torch.long)
    region[-window:-shift] = 1
    region[-shift:] = 2
    region = region[:, None] * 3 + region[None]
    cells = split_windows(region[None, :, :, None], window).squeeze(-1)
    return torch.where(cells[:, :, None] == cells[:, None, :], 0.0, MASKED)


def split_windows(x: Tensor, window: int) -> Tensor:
    """``(B, H, W, C) -> (B*windows, window**2, C)``."""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.transpose(2, 3).reshape(-1, window * window, c)


def join_windows(x: Tensor, height: int, width: int, window: int) -> Tensor:
    """Inverse of :func:`split_windows`: ``(B, height, width, C)``."""
    x = x.view(-1, height // window, width // window, window, window, x.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, x.shape[-1])


def attend_in_windows(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, edges: Tensor, edge_masks: Tensor) -> Tensor:
    """Attention inside ``(B, windows, heads, window**2, d)``.

    ``bias (heads, window**2, window**2)`` is common to all windows; the few windows ``edges (E,)`` are masked too,
    by ``edge_masks (E, window**2, window**2)``, so that no mask for all windows has to be read.
    """
    count = q.shape[0] * q.shape[1]
    every = (t.flatten(0, 1) for t in (q, k, v))
    out = F.scaled_dot_product_attention(*every, attn_mask=bias.expand(count, -1, -1, -1)).reshape(q.shape)
    if len(edges) == 0:
        return out
    at_edge = (t[:, edges].flatten(0, 1) for t in (q, k, v))
    masked = (bias + edge_masks[:, None].to(bias.dtype)).repeat(len(q), 1, 1, 1)
    corrected = F.scaled_dot_product_attention(*at_edge, attn_mask=masked)
    return out.index_copy(1, edges, corrected.reshape(len(q), -1, *q.shape[2:]))


class WindowBlock(nn.Module):
    """Swin block, optionally on the map rolled by half a window: ``(B, C, n, n) -> (B, C, n, n)``."""

    position_index: Tensor
    edges: Tensor
    edge_masks: Tensor

    def __init__(self, dim: int, side: int, heads: int, window: int, shifted: bool) -> None:
        super().__init__()
        self.side, self.heads, self.window = side, heads, window
        self.shift = window // 2 if shifted else 0
        self.norm_q, self.norm_kv, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.q, self.k, self.v = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)
        self.mlp = feed_forward(dim)
        self.bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("position_index", relative_position_index(window), persistent=False)
        # only the windows of the last row and column of a rolled map hold cells that were no neighbours
        masks = shifted_window_mask(side, window, self.shift) if shifted else torch.zeros(0, 1, 1)
        last = side // window - 1
        edges = torch.tensor([i for i in range(len(masks)) if last in divmod(i, last + 1)], dtype=torch.long)
        self.register_buffer("edges", edges, persistent=False)
        self.register_buffer("edge_masks", masks[edges], persistent=False)

    def attention_bias(self) -> Tensor:
        """``(heads, window**2, window**2)`` added to the logits of every window."""
        return self.bias_table[self.position_index].permute(2, 0, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        b, c = len(x), x.shape[-1]
        rolled = x.roll((-self.shift, -self.shift), (1, 2)) if self.shift else x
        windows = split_windows(rolled, self.window)
        kv = self.norm_kv(windows)
        q, k, v = self.q(self.norm_q(windows)), self.k(kv), self.v(kv)
        q, k, v = (t.view(b, -1, t.shape[1], self.heads, c // self.heads).transpose(2, 3) for t in (q, k, v))
        attended = attend_in_windows(q, k, v, self.attention_bias().to(q.dtype), self.edges, self.edge_masks)
        attended = self.proj(attended.transpose(2, 3).reshape(windows.shape))
        attended = join_windows(attended, self.side, self.side, self.window)
        x = x + (attended.roll((self.shift, self.shift), (1, 2)) if self.shift else attended)
        return (x + self.mlp(self.norm_mlp(x))).permute(0, 3, 1, 2)


def attention_block(kind: str, dim: int, side: int, heads: int, window: int) -> nn.Module:
    """The attention after a fusion: one global block, two windowed ones (the second shifted), or none."""
    if kind == "global":
        return GlobalBlock(dim, side * side, heads)
    if kind == "window":
        blocks = (WindowBlock(dim, side, heads, window, shifted) for shifted in (False, True))
        return nn.Sequential(*blocks)
    return nn.Identity()
