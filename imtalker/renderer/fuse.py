"""The same renderer in a faster form: everything that does not change from frame to frame is computed once.

Batch norms are folded into their convolutions, equalised scales and activation gains into the weights, layer norms
into the projections behind them; convolutions run channels-last. Results agree with the unfused renderer up to
rounding::

    ConvBlock        double -> conv -> batch norm -> leaky ReLU      4 phase convs (2x2) -> leaky ReLU in place
    StyledConv       modulate weight per frame -> conv -> demod.     x * style -> one shared conv -> * gain + bias
    EqualizedLinear  x @ (weight * scale) -> activation * gain       x @ weight' -> activation
    WindowBlock      layer norm -> q; layer norm -> k, v; attend     layer norm (no scale) -> [q k v] -> attend,
                     over the whole map                              a slab of window rows at a time

    The four phases of a doubled 3x3 convolution: a (even) row of the result meets rows  k0 | k1+k2  of the small
    map, the next (odd) row  k0+k1 | k2 ; likewise in x:

        small map   . . a . b . .        result rows      2i:    k0 a(i-1) + (k1 + k2) a(i)
        doubled     . a a b b . .                         2i+1:  (k0 + k1) a(i) + k2 a(i+1)
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from imtalker.devices import MIXED
from imtalker.renderer.attention import WindowBlock, attend_in_windows, join_windows, split_windows
from imtalker.renderer.conv_blocks import SLOPE as BLOCK_SLOPE
from imtalker.renderer.conv_blocks import ConvBlock, ResidualBlock
from imtalker.renderer.motion_encoder import DownResidual
from imtalker.renderer.renderer import Renderer
from imtalker.renderer.style_layers import (
    FUSED_GAIN,
    SLOPE,
    Blur,
    EqualizedConv2d,
    EqualizedLinear,
    FusedLeakyReLU,
    StyledConv,
)

WIDE = 96  # channels from which on a convolution of a block gains enough from bfloat16

# Pairs of attributes by which a block's forward applies a batch norm directly to a convolution's result.
FOLDED = (("conv1", "norm1"), ("conv2", "norm2"), ("conv1", "norm"), ("stem", "stem_norm"))


def fuse(renderer: Renderer) -> Renderer:
    """Rewrite a renderer in place for inference and return it.

    Its weights afterwards have other names: it can be moved and cast, but not saved, loaded or trained.
    """
    renderer.eval().requires_grad_(False)
    for module in renderer.modules():
        _fold_norms(module)
    _replace(renderer)
    return renderer.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (missing in its stubs)


def round_inside(renderer: Renderer) -> Renderer:
    """Let a fused renderer in single precision compute some of its convolutions in bfloat16; rewrites it in place.

    CPUs with instructions for bfloat16 compute twice as many products with it. Everything else stays in single
    precision: what leads to coordinates, mixes source pixels in, or is the last of its block, whose sum is kept. Frames
    of ``tiny`` then stay within 1/255 of those in single precision; with all convolutions rounded, single pixels differ
    by 5/255.
    """
    for fused in renderer.synthesis.modules():
        if isinstance(fused, FusedConvBlock):
            fused.round_inside()
    return renderer


def precision_of(renderer: nn.Module) -> str:
    """What a renderer computes in, one of ``imtalker.devices.DTYPES``."""
    mixed = any(isinstance(module, RoundedConv) for module in renderer.modules())
    return MIXED if mixed else str(next(renderer.parameters()).dtype).removeprefix("torch.")


def _fold_norms(module: nn.Module) -> None:
    """Fold the batch norms of a block into the convolutions in front of them."""
    for conv_name, norm_name in FOLDED:
        conv, norm = getattr(module, conv_name, None), getattr(module, norm_name, None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())


def _replace(module: nn.Module) -> None:
    """Replace the layers below a module by their fused forms."""
    for name, child in module.named_children():
        if isinstance(child, ConvBlock):
            fused = FusedConvBlock(child)
        elif isinstance(child, StyledConv):
            fused = FusedStyledConv(child)
        elif isinstance(child, DownResidual):
            fused = FusedDownResidual(child)
        elif isinstance(child, WindowBlock):
            fused = FusedWindowBlock(child)
        elif isinstance(child, EqualizedLinear):
            fused = _plain_linear(child)
        elif isinstance(child, EqualizedConv2d):
            fused = _plain_conv(child)
        else:
            _replace(child)
            continue
        setattr(module, name, fused.eval().requires_grad_(False))


def _plain_linear(layer: EqualizedLinear) -> nn.Module:
    linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
    linear.weight = nn.Parameter(layer.weight * layer.scale)
    linear.bias = layer.bias
    return nn.Sequential(linear, nn.LeakyReLU(SLOPE)) if layer.activation else linear


def _plain_conv(layer: EqualizedConv2d, activation: FusedLeakyReLU | None = None) -> nn.Conv2d:
    """The convolution with its scale, and the gain and bias of the activation behind it, in weight and bias.

    The leaky ReLU itself remains: it is homogeneous, so the gain may come before it.
    """
    gain = 1.0 if activation is None else FUSED_GAIN
    bias = layer.bias if activation is None else activation.bias.flatten() * gain
    out_channels, in_channels, *_ = layer.weight.shape
    conv = nn.Conv2d(in_channels, out_channels, 3, layer.stride, layer.padding, bias=bias is not None)
    conv.weight = nn.Parameter(layer.weight * (layer.scale * gain))
    if bias is not None:
        conv.bias = nn.Parameter(bias)
    return conv


class FusedConvBlock(nn.Module):
    """``ConvBlock`` without norms: activations in place, up-sampling inside the first convolution."""

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        self.pool = block.resample == "down"
        self.conv1 = UpsamplingConv(block.conv1) if block.resample == "up" else block.conv1
        self.conv2 = block.conv2
        self.residuals = block.residuals

    def round_inside(self) -> None:
        """As the function: the first convolution of residual blocks, and both before them where they are wide."""
        conv1, conv2 = self.conv1, self.conv2
        if isinstance(conv1, nn.Conv2d) and isinstance(conv2, nn.Conv2d) and conv2.out_channels >= WIDE:
            self.conv1, self.conv2 = RoundedConv(conv1), RoundedConv(conv2)
        for block in self.residuals:
            block.conv1 = RoundedConv(cast(nn.Conv2d, block.conv1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu_(self.conv1(x), BLOCK_SLOPE)
        x = self.conv2(F.avg_pool2d(x, 2) if self.pool else x)
        for block in self.residuals:
            assert isinstance(block, ResidualBlock)
            h = block.conv2(F.leaky_relu_(block.conv1(x), BLOCK_SLOPE))
            x = F.leaky_relu_(h.add_(x), BLOCK_SLOPE)
        return x


class RoundedConv(nn.Module):
    """A convolution whose products are of bfloat16 numbers, between maps of any precision."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv.bfloat16()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.to(self.conv.weight.dtype)).to(x.dtype)


class UpsamplingConv(nn.Module):
    """3x3 convolution of a map doubled to the nearest: ``(B, in, n, n) -> (B, out, 2n, 2n)``.

    Neighbouring taps fall on the same small pixel and are summed beforehand, so that each of the four phases of
    the result is a 2x2 convolution of the small map: 16 products per small pixel in place of 36.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        # taps per phase, for the pixel before (or at) and the one at (or after) the small pixel
        taps = conv.weight.new_tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
        weight = torch.einsum("aiy,bjx,ocyx->abocij", taps, taps, conv.weight)
        self.phases = nn.Conv2d(conv.in_channels, 4 * conv.out_channels, 2, padding=1)
        self.phases.weight = nn.Parameter(weight.flatten(0, 2))
        assert conv.bias is not None
        self.phases.bias = nn.Parameter(conv.bias.repeat(4))

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        phases = self.phases(x).unflatten(1, (2, 2, -1))
        out = x.new_empty((b, phases.shape[3], 2 * h, 2 * w)).contiguous(memory_format=torch.channels_last)
        for row in range(2):
            for column in range(2):
                out[:, :, row::2, column::2] = phases[:, row, column, :, row : row + h, column : column + w]
        return out


class FusedDownResidual(nn.Module):
    """``DownResidual`` with plain convolutions."""

    def __init__(self, block: DownResidual) -> None:
        super().__init__()
        self.conv1 = _plain_conv(block.conv1, block.act1)
        self.conv2 = _plain_conv(block.conv2, block.act2)
        self.skip = _plain_conv(block.skip, block.act_skip)
        self.blur = block.blur

    def forward(self, x: Tensor) -> Tensor:
        h = self.blur(F.leaky_relu_(self.conv1(x), SLOPE))
        h = F.leaky_relu_(self.conv2(h), SLOPE)
        return h.add_(F.leaky_relu_(self.skip(self.blur(x)), SLOPE))


class FusedStyledConv(nn.Module):
    """``StyledConv`` with the scaled weight and its energy per pair of channels at hand."""

    blur: nn.Module | None
    weight: Tensor
    energy: Tensor
    bias: Tensor

    def __init__(self, layer: StyledConv) -> None:
        super().__init__()
        weight = layer.weight * layer.scale
        self.modulation = _plain_linear(layer.modulation)
        self.blur = layer.blur
        self.register_buffer("energy", weight.square().sum((2, 3)).t().contiguous())
        self.register_buffer("weight", weight if layer.blur is None else weight.transpose(0, 1).contiguous())
        self.register_buffer("bias", layer.activation.bias * FUSED_GAIN)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        s = self.modulation(style)
        gain = torch.rsqrt(s.square() @ self.energy + 1e-8) * FUSED_GAIN
        x = x * s[:, :, None, None]
        if isinstance(self.blur, Blur):
            x = self.blur(F.conv_transpose2d(x, self.weight, stride=2))
        else:
            x = F.conv2d(x, self.weight, padding=1)
        return F.leaky_relu_(torch.addcmul(self.bias, x, gain[:, :, None, None]), SLOPE)


SLAB_TOKENS = 4096  # cells worked on at a time: their intermediate results stay in the cache


class FusedWindowBlock(nn.Module):
    """``WindowBlock`` with one normalisation and one projection for queries, keys and values, and a ready bias.

    Windows do not see each other, so some rows of windows after the other go through the whole block; intermediate
    results of the whole map would be fresh memory of many times its size, which costs more than the arithmetic.
    """

    bias: Tensor
    edges: Tensor
    edge_masks: Tensor

    def __init__(self, block: WindowBlock) -> None:
        super().__init__()
        self.side, self.heads, self.window, self.shift = block.side, block.heads, block.window, block.shift
        self.eps = block.norm_q.eps
        self.qkv = _joined(
            _behind_norm(block.norm_q, block.q),
            _behind_norm(block.norm_kv, block.k),
            _behind_norm(block.norm_kv, block.v),
        )
        self.proj = block.proj
        self.expand = _joined(_behind_norm(block.norm_mlp, cast(nn.Linear, block.mlp[0])))
        self.contract = block.mlp[2]
        self.register_buffer("bias", block.attention_bias().contiguous())
        self.register_buffer("edges", block.edges)
        self.register_buffer("edge_masks", block.edge_masks)
        # per slab: its rows of cells, and which of the (sorted) edge windows lie in it
        per_row = self.side // self.window
        step = max(1, SLAB_TOKENS // (self.side * self.window))
        self.slabs = []
        for row in range(0, per_row, step):
            end = min(row + step, per_row)
            low, high = (int((block.edges < r * per_row).sum()) for r in (row, end))
            self.slabs.append((slice(row * self.window, end * self.window), row * per_row, slice(low, high)))

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        rolled = x.roll((-self.shift, -self.shift), (1, 2)) if self.shift else x
        out = torch.empty_like(rolled, memory_format=torch.contiguous_format)
        for rows, first, at_edge in self.slabs:
            out[:, rows] = self._slab(rolled[:, rows], self.edges[at_edge] - first, self.edge_masks[at_edge])
        return (out.roll((self.shift, self.shift), (1, 2)) if self.shift else out).permute(0, 3, 1, 2)

    def _slab(self, x: Tensor, edges: Tensor, edge_masks: Tensor) -> Tensor:
        """Whole rows of windows ``(B, rows, side, C)``; ``edges`` are window numbers within them."""
        b, c = len(x), x.shape[-1]
        windows = split_windows(x, self.window)
        qkv = self.qkv(F.layer_norm(windows, (c,), eps=self.eps))
        q, k, v = qkv.view(b, -1, windows.shape[1], 3, self.heads, c // self.heads).permute(3, 0, 1, 4, 2, 5)
        attended = attend_in_windows(q, k, v, self.bias, edges, edge_masks)
        windows = windows + self.proj(attended.transpose(2, 3).reshape(windows.shape))
        h = F.gelu(self.expand(F.layer_norm(windows, (c,), eps=self.eps)))
        return join_windows(windows + self.contract(h), x.shape[1], x.shape[2], self.window)


def _behind_norm(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias that do a layer norm's scale and shift, and then the projection."""
    return linear.weight * norm.weight, linear.bias + linear.weight @ norm.bias


def _joined(*parts: tuple[Tensor, Tensor]) -> nn.Linear:
    """One projection whose outputs are those of all parts."""
    weight = torch.cat([weight for weight, _ in parts])
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight = nn.Parameter(weight)
    linear.bias = nn.Parameter(torch.cat([bias for _, bias in parts]))
    return linear
