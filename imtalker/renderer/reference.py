"""The renderer as the paper writes it, frame by frame: what the fast path is tested and timed against.

Nothing that depends on the source alone is kept but the encoders' features; every attention map is made in full;
the resampler gathers all pixels of the best cells' blocks for every target pixel and mixes them; modulated
convolutions build a kernel per sample.
"""

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.errors import InputError
from imtalker.renderer.attention import GlobalBlock, WindowBlock, join_windows, shifted_window_mask, split_windows
from imtalker.renderer.motion_transfer import CrossAttention, to_map, to_tokens
from imtalker.renderer.renderer import Renderer
from imtalker.renderer.style_layers import Blur, StyledConv

TOP_CELLS = 1  # source cells whose blocks the resampler mixes


@dataclass(frozen=True)
class ReferenceSource:
    """What the encoders say about a portrait."""

    appearance: list[Tensor]  # (1, C_i, n_i, n_i) per level, coarse first
    identity: Tensor  # (1, identity_dim)
    motion_maps: list[Tensor]  # (1, M_i, n_i, n_i) per coarse level


class ReferenceRenderer:
    """Straightforward rendering with the weights of a ``Renderer`` that has not been fused.

    Raises InputError for configurations with parts that the official renderer does not have.
    """

    def __init__(self, renderer: Renderer) -> None:
        c = renderer.config
        if c.resampler != "block" or c.motion_skip or c.pixel_gate or c.cosine_attention or c.attend_to_appearance:
            raise InputError("the reference path renders the official architecture only; use the base preset")
        self.renderer = renderer
        self.config = c

    def encode_source(self, image: Tensor) -> ReferenceSource:
        """``image (1, 3, S, S)`` in [0, 1]."""
        appearance, identity = self.renderer.identity_encoder(image)
        motion = self.renderer.motion_encoder(image)
        return ReferenceSource(appearance, identity, self.motion_maps(motion, identity))

    def motion_maps(self, motion: Tensor, identity: Tensor) -> list[Tensor]:
        adapted = self.renderer.identity_adapter(motion, identity)
        decoder = self.renderer.motion_decoder
        x = styled_conv(decoder.first, decoder.const.expand(len(adapted), -1, -1, -1), adapted)
        maps = []
        for level in decoder.levels:
            assert isinstance(level, nn.ModuleList)
            for conv in level:
                assert isinstance(conv, StyledConv)
                x = styled_conv(conv, x, adapted)
            maps.append(x)
        return maps

    def render(self, motion: Tensor, source: ReferenceSource) -> Tensor:
        """Frames ``(B, 3, H, W)`` in [0, 1] for the motion latents ``(B, motion_dim)``."""
        driving = self.motion_maps(motion, source.identity.expand(len(motion), -1))
        aligned = []
        weights = torch.empty(0)
        for i, level in enumerate(self.renderer.transfer.levels):
            assert isinstance(level, CrossAttention)
            features, weights = cross_attention(level, driving[i], source.motion_maps[i], source.appearance[i])
            aligned.append(features)
        for features in source.appearance[self.config.num_coarse_levels :]:
            aligned.append(resample(features, weights))
        return self.synthesize(aligned)

    def synthesize(self, aligned: list[Tensor]) -> Tensor:
        """Aligned maps of all levels, coarse first, -> frames."""
        synthesis = self.renderer.synthesis
        x = aligned[0]
        for level in range(1, self.config.num_levels):
            x = synthesis.up[level - 1](x)
            x = synthesis.fuse[level - 1](torch.cat([x, aligned[level]], dim=1))
            x = attend(synthesis.attention[level - 1], x)
        x = synthesis.final(F.leaky_relu(x, 0.2))
        return F.pixel_shuffle(x, 2).sigmoid()


def styled_conv(layer: StyledConv, x: Tensor, style: Tensor) -> Tensor:
    """Modulated convolution with a kernel of its own for every sample, as grouped convolution."""
    b, channels, h, w = x.shape
    s = layer.modulation(style)
    weight = layer.weight[None] * layer.scale * s[:, None, :, None, None]
    weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    x = x.reshape(1, b * channels, h, w)
    if isinstance(layer.blur, Blur):
        kernels = weight.transpose(1, 2).reshape(b * channels, -1, 3, 3)
        x = F.conv_transpose2d(x, kernels, stride=2, groups=b)
        x = layer.blur(x.view(b, -1, x.shape[2], x.shape[3]))
    else:
        x = F.conv2d(x, weight.flatten(0, 1), padding=1, groups=b)
        x = x.view(b, -1, h, w)
    return layer.activation(x)


def cross_attention(
    level: CrossAttention, driving: Tensor, source: Tensor, appearance: Tensor
) -> tuple[Tensor, Tensor]:
    """Aligned features and the full attention ``(B, heads, N, N)``."""
    q = level.split(level.q_proj(to_tokens(driving)))
    k = level.split(level.k_proj(to_tokens(source)))
    v = level.split(level.v_proj(to_tokens(appearance)))
    weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
    return level.merge(weights @ v), weights


def resample(features: Tensor, weights: Tensor) -> Tensor:
    """Mean of the source blocks of the best cells, gathered pixel by pixel: ``(1, C, H, W) -> (B, C, H, W)``."""
    b, _, n, _ = weights.shape
    c, size = features.shape[1], features.shape[-1]
    side = math.isqrt(n)
    ratio = size // side
    scores, best = weights.mean(1).topk(TOP_CELLS, dim=-1)
    blocks = features.view(c, side, ratio, side, ratio).permute(1, 3, 2, 4, 0).reshape(n, ratio * ratio, c)
    cell = torch.arange(size, device=features.device) // ratio
    share = scores.softmax(-1).view(b, side, side, -1)[:, cell][:, :, cell]
    pixel = best.view(b, side, side, -1)[:, cell][:, :, cell]  # best source cells of every target pixel
    gathered = blocks[pixel] * (share / ratio**2)[..., None, None]
    return gathered.sum((3, 4)).permute(0, 3, 1, 2)


def attend(block: nn.Module, x: Tensor) -> Tensor:
    """The attention after a fusion, with every map in full."""
    if isinstance(block, nn.Sequential):
        for part in block:
            x = attend(part, x)
        return x
    if isinstance(block, GlobalBlock):
        return global_attention(block, x)
    if isinstance(block, WindowBlock):
        return window_attention(block, x)
    return block(x)


def global_attention(block: GlobalBlock, x: Tensor) -> Tensor:
    x = to_tokens(x)
    b, n, c = x.shape
    q = block.q_proj(block.norm_q(x + block.q_position))
    k = block.k_proj(block.norm_kv(x + block.k_position))
    v = block.v_proj(block.norm_kv(x))
    q, k, v = (t.reshape(b, n, block.heads, -1).transpose(1, 2) for t in (q, k, v))
    weights = (q @ k.transpose(-1, -2) / math.sqrt(c // block.heads)).softmax(-1)
    x = x + block.proj((weights @ v).transpose(1, 2).reshape(b, n, c))
    return to_map(x + block.mlp(block.norm_mlp(x)))


_mask = functools.cache(shifted_window_mask)


def window_attention(block: WindowBlock, x: Tensor) -> Tensor:
    x = x.permute(0, 2, 3, 1)
    b, c = len(x), x.shape[-1]
    windows = split_windows(x.roll((-block.shift, -block.shift), (1, 2)), block.window)
    kv = block.norm_kv(windows)
    q, k, v = block.q(block.norm_q(windows)), block.k(kv), block.v(kv)
    q, k, v = (t.reshape(*t.shape[:2], block.heads, -1).transpose(1, 2) for t in (q, k, v))
    logits = q @ k.transpose(-1, -2) / math.sqrt(c // block.heads)
    logits = logits + block.bias_table[block.position_index].permute(2, 0, 1)
    if block.shift:
        mask = _mask(block.side, block.window, block.shift).to(logits)
        logits = (logits.view(b, -1, *logits.shape[1:]) + mask[:, None]).flatten(0, 1)
    attended = block.proj((logits.softmax(-1) @ v).transpose(1, 2).reshape(windows.shape))
    attended = join_windows(attended, block.side, block.side, block.window)
    x = x + attended.roll((block.shift, block.shift), (1, 2))
    return (x + block.mlp(block.norm_mlp(x))).permute(0, 3, 1, 2)
