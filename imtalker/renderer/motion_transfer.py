"""Implicit motion transfer: cross-attention from the driving motion to the source (paper section 3.2.2).

Coarse levels are aligned by attention (query: driving motion map, key: source motion map, value: identity
features). The attention map of the finest coarse level then guides a sparse resampler for the finer levels.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.renderer.robust_guide import (
    cell_positions,
    repair,
    to_coordinates,
    to_displacement,
)


def to_tokens(x: Tensor) -> Tensor:
    """``(B, C, H, W) -> (B, H*W, C)``."""
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tensor) -> Tensor:
    """``(B, N, C) -> (B, C, sqrt(N), sqrt(N))``."""
    side = math.isqrt(x.shape[1])
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], side, side)


class CrossAttention(nn.Module):
    """Multi-head attention of one coarse level."""

    def __init__(self, config: RendererConfig, level: int) -> None:
        super().__init__()
        channels, motion = config.channels[level], config.motion_map_channels[level]
        width = channels if config.attention_dims is None else config.attention_dims[level]
        self.heads = config.attention_heads
        self.attend_to_appearance = config.attend_to_appearance
        self.q_proj = nn.Linear(motion, width)
        self.k_proj = nn.Linear(motion + (channels if config.attend_to_appearance else 0), width)
        self.v_proj = nn.Linear(channels, channels)
        self.proj = nn.Linear(channels, channels)
        # cosine attention starts at a temperature at which one of a thousand cells can win
        self.log_scale = nn.Parameter(torch.tensor(2.5)) if config.cosine_attention else None

    def split(self, x: Tensor) -> Tensor:
        """``(B, N, heads*d) -> (B, heads, N, d)``."""
        b, n, c = x.shape
        return x.view(b, n, self.heads, c // self.heads).transpose(1, 2)

    def source_keys(self, motion_map: Tensor, appearance: Tensor) -> Tensor:
        x = torch.cat([motion_map, appearance], dim=1) if self.attend_to_appearance else motion_map
        keys = self.split(self.k_proj(to_tokens(x)))
        return keys if self.log_scale is None else F.normalize(keys.float(), dim=-1)

    def source_values(self, appearance: Tensor) -> Tensor:
        return self.split(self.v_proj(to_tokens(appearance)))

    def queries(self, motion_map: Tensor) -> Tensor:
        """Queries, scaled so that their product with the keys is the logit."""
        q = self.split(self.q_proj(to_tokens(motion_map)))
        if self.log_scale is None:
            return q / math.sqrt(q.shape[-1])
        return F.normalize(q.float(), dim=-1) * self.log_scale.exp().clamp(max=100.0)

    def merge(self, x: Tensor) -> Tensor:
        """``(B, heads, N, d)`` -> aligned map ``(B, C, n, n)``."""
        b, h, n, d = x.shape
        return to_map(self.proj(x.transpose(1, 2).reshape(b, n, h * d)))

    def forward(self, motion_map: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        q = self.queries(motion_map).to(values.dtype)
        keys, values = (x.expand(len(q), -1, -1, -1) for x in (keys.to(values.dtype), values))
        return self.merge(F.scaled_dot_product_attention(q, keys, values, scale=1.0))

    def with_argmax(self, motion_map: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The aligned map and, for every cell ``(B, N)``, the source cell of the largest attention.

        As ``with_weights`` and its argmax, but without gradients, and the whole attention never exists.
        """
        q = self.queries(motion_map).float()
        keys, values = (t.float().expand(len(q), -1, -1, -1) for t in (keys, values))
        with torch.no_grad(), torch.autocast(q.device.type, enabled=False):
            attended, peaks = attend_with_argmax(q, keys, values)
        return self.merge(attended.to(motion_map.dtype)), peaks

    def with_weights(self, motion_map: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The aligned map and the attention ``(B, N, N)``, averaged over heads, in single precision."""
        q = self.queries(motion_map)
        with torch.autocast(q.device.type, enabled=False):
            # positions are read from these weights: half precision would quantise them
            weights = (q.float() @ keys.float().transpose(-1, -2)).softmax(-1)
        return self.merge(weights.to(values.dtype) @ values), weights.mean(1) if self.heads > 1 else weights[:, 0]


def attend_with_argmax(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """``softmax(q k^T) v`` of ``(B, heads, N, d)`` and the key with the largest mean weight per query, ``(B, N)``."""
    attended = torch.empty_like(v)
    peaks = torch.empty(q.shape[0], q.shape[2], dtype=torch.long, device=q.device)
    for sample in range(len(q)):
        if q.device.type == "cpu":
            _attend_in_blocks(q[sample], k[sample], v[sample], attended[sample], peaks[sample])
        else:
            weights = (q[sample] @ k[sample].transpose(-1, -2)).softmax(-1)
            torch.matmul(weights, v[sample], out=attended[sample])
            peaks[sample] = weights.mean(0).argmax(-1)
    return attended, peaks


def _attend_in_blocks(q: Tensor, k: Tensor, v: Tensor, attended: Tensor, peaks: Tensor) -> None:
    """One sample, one head and a block of queries at a time: what is being worked on stays in the cache.

    The three buffers are used again and again; fresh ones would cost more (page faults) than the arithmetic.
    """
    heads, n, _ = q.shape
    buffers = q.new_empty(3, min(BLOCK_ROWS, n), k.shape[1])
    for start in range(0, n, BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, n))
        logits, weights, total = buffers[:, : rows.stop - start]
        total.zero_()
        for head in range(heads):
            torch.mm(q[head, rows], k[head].t(), out=logits)
            torch.softmax(logits, -1, out=weights)
            torch.mm(weights, v[head], out=attended[head, rows])
            total.add_(weights)
        torch.argmax(total, -1, out=peaks[rows])


BLOCK_ROWS = 64  # of the attention, with 4096 keys 1 MB


@dataclass(frozen=True)
class Guide:
    """Where each cell of the finest coarse level comes from in the source."""

    weights: Tensor | None = None  # (B, N, N) attention, kept for training losses
    index: Tensor | None = None  # (B, N) source cell of the largest weight ("block")
    coordinates: Tensor | None = None  # (B, n, n, 2) x, y as grid_sample takes them ("coordinate"); beyond
    # [-1, 1] where the motion wants what lies outside the source


def guide_coordinates(guide: Guide) -> Tensor:
    """Where each cell comes from, ``(B, n, n, 2)`` in [-1, 1], whatever the resampler."""
    if guide.coordinates is not None:
        return guide.coordinates
    assert guide.index is not None
    side = math.isqrt(guide.index.shape[1])
    return cell_centres(side).to(guide.index.device)[guide.index].view(-1, side, side, 2)


def cell_centres(side: int) -> Tensor:
    """Centres of the cells of a ``side x side`` grid, ``(side*side, 2)`` x, y in [-1, 1]."""
    c = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(c, c, indexing="ij")
    return torch.stack([x, y], dim=-1).view(-1, 2)


def window_cells(side: int, window: int) -> tuple[Tensor, Tensor]:
    """For every cell of a grid the cells of the window round it, ``(side*side, window**2)`` indices, and 1 where
    they lie inside the grid."""
    offset = torch.arange(window) - window // 2
    c = torch.arange(side)
    y = (c[:, None, None, None] + offset[None, None, :, None]).expand(side, side, window, window)
    x = (c[None, :, None, None] + offset[None, None, None, :]).expand(side, side, window, window)
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    index = y.clamp(0, side - 1) * side + x.clamp(0, side - 1)
    return index.reshape(side * side, -1), inside.reshape(side * side, -1).float()


class ImplicitMotionTransfer(nn.Module):
    """All coarse levels, and the guide for the fine ones."""

    centres: Tensor
    neighbours: Tensor
    inside: Tensor

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.levels = nn.ModuleList(CrossAttention(config, i) for i in range(config.num_coarse_levels))
        self.resampler = config.resampler
        self.repairs_guide = True  # False only where its worth is measured
        side = config.level_size(config.num_coarse_levels - 1)
        if self.resampler == "coordinate":
            neighbours, inside = window_cells(side, config.guide_window)
            self.register_buffer("centres", cell_centres(side), persistent=False)
            self.register_buffer("neighbours", neighbours, persistent=False)
            self.register_buffer("inside", inside, persistent=False)

    def project_source(self, motion_maps: list[Tensor], appearance: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Keys and values of every coarse level; they depend on the source alone."""
        keys, values = [], []
        for level, motion_map, features in zip(self.levels, motion_maps, appearance, strict=False):
            assert isinstance(level, CrossAttention)
            keys.append(level.source_keys(motion_map, features))
            values.append(level.source_values(features))
        return keys, values

    def forward(
        self, motion_maps: list[Tensor], keys: list[Tensor], values: list[Tensor]
    ) -> tuple[list[Tensor], Guide]:
        """Driving motion maps -> aligned features of the coarse levels, and the guide."""
        aligned = []
        last = len(self.levels) - 1
        guide = Guide()
        for i, (level, motion_map) in enumerate(zip(self.levels, motion_maps, strict=True)):
            assert isinstance(level, CrossAttention)
            if i < last:
                aligned.append(level(motion_map, keys[i], values[i]))
            elif self.resampler == "block" and not (self.training or motion_map.requires_grad):
                features, index = level.with_argmax(motion_map, keys[i], values[i])
                aligned.append(features)
                guide = Guide(index=index)
            else:
                features, weights = level.with_weights(motion_map, keys[i], values[i])
                aligned.append(features)
                guide = self.guide(weights)
        return aligned, guide

    def guide(self, weights: Tensor) -> Guide:
        index = weights.argmax(-1)
        if self.resampler == "block":
            return Guide(weights=weights, index=index)
        # local soft-argmax: distant second peaks (the other eye) must not pull the position
        local = weights.gather(2, self.neighbours[index]) * self.inside[index]
        total = local.sum(-1, keepdim=True) + 1e-8
        side = math.isqrt(weights.shape[1])
        window = math.isqrt(local.shape[-1])
        local = local.unflatten(-1, (window, window))
        steps = (torch.arange(window, device=local.device) - window // 2) * (2 / side)
        step = torch.stack([local.sum(-2) @ steps, local.sum(-1) @ steps], -1) / total
        coordinates = self.centres[index] + step
        cells = cell_positions(side).to(coordinates)
        displacement = to_displacement(coordinates.view(-1, side, side, 2), cells)
        if self.repairs_guide:
            displacement = repair(displacement, cells)
        return Guide(weights=weights, coordinates=to_coordinates(displacement, cells))


def resample_blocks(pooled: Tensor, index: Tensor, ratio: int) -> Tensor:
    """The official resampler: every cell takes the mean of its source block, painted flat.

    ``pooled (1 or B, C, n, n)`` block means of the source features, ``index (B, n*n)`` -> ``(B, C, n*ratio, n*ratio)``.
    Equal to gathering the ``ratio x ratio`` block of the best cell for every pixel and averaging it (k = 1).
    """
    b, n = index.shape
    tokens = pooled.flatten(2).expand(b, -1, -1)
    taken = tokens.gather(2, index[:, None, :].expand(-1, tokens.shape[1], -1))
    side = math.isqrt(n)
    return F.interpolate(taken.view(b, -1, side, side), scale_factor=ratio, mode="nearest")


def resample_coordinates(features: Tensor, coordinates: Tensor) -> Tensor:
    """Features at sub-cell source positions: ``(1 or B, C, H, W), (B, h, w, 2) -> (B, C, h, w)``, single precision."""
    if len(features) == 1 and runs_on_cpu(features, coordinates):
        return _look_up(features, coordinates)
    features = features.float().expand(len(coordinates), -1, -1, -1)
    return F.grid_sample(features, coordinates, mode="bilinear", padding_mode="border", align_corners=False)


def runs_on_cpu(*tensors: Tensor) -> bool:
    """Whether these are plain numbers of the CPU, without a graph of gradients."""
    return not torch.is_grad_enabled() and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)


def _look_up(features: Tensor, coordinates: Tensor) -> Tensor:
    """``resample_coordinates`` of one map of at least 2 x 2 cells, channels last, as fused networks want it: a cell's
    channels are then one piece of memory, and four of them are mixed."""
    channels, height, width = features.shape[1:]
    size = coordinates.new_tensor([width, height])
    at = torch.minimum(((coordinates + 1) * size - 1).mul_(0.5).clamp_(min=0), size - 1)
    first = torch.minimum(at.floor(), size - 2)
    x, y = (at - first).unbind(-1)
    corners = (first[..., 1:] * width + first[..., :1]).int() + torch.tensor([0, 1, width, width + 1], dtype=torch.int)
    weights = torch.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], -1)
    table = features[0].permute(1, 2, 0).reshape(-1, channels)
    found = F.embedding_bag(corners.flatten(0, -2), table, per_sample_weights=weights.flatten(0, -2), mode="sum")
    return found.view(*coordinates.shape[:3], channels).permute(0, 3, 1, 2)


def resize_coordinates(coordinates: Tensor, size: int) -> Tensor:
    """``(B, h, w, 2) -> (B, size, size, 2)`` bilinearly."""
    if coordinates.shape[1:3] == (size, size):
        return coordinates
    if runs_on_cpu(coordinates):  # OpenCV takes a tenth of the time for maps of two channels
        resized = [cv2.resize(one, (size, size), interpolation=cv2.INTER_LINEAR) for one in coordinates.numpy()]
        return torch.from_numpy(np.stack(resized))
    x = coordinates.permute(0, 3, 1, 2)
    x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    return x.permute(0, 2, 3, 1)


def remap(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """``image (H, W[, 3])`` at the positions ``(h, w, 2)``, linearly; beyond its border the edge is repeated."""
    none = None  # OpenCV's stubs do not know that x and y may come in one array
    return cv2.remap(  # pyright: ignore[reportCallIssue]
        image,
        pixels,
        none,  # pyright: ignore[reportArgumentType]
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
