"""Synthesis network: aligned features, coarse to fine, -> frame (paper section 3.2.3)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.errors import InputError
from imtalker.renderer.attention import attention_block
from imtalker.renderer.compose import Layers, compose, move_pixels
from imtalker.renderer.conv_blocks import SLOPE, ConvBlock, LinearUpsample, conv3
from imtalker.renderer.motion_transfer import (
    Guide,
    resample_blocks,
    resample_coordinates,
    resize_coordinates,
)
from imtalker.renderer.source import SourceFeatures
from imtalker.renderer.style_layers import SLOPE as FINAL_SLOPE

OFFSET_SCALE = 0.1  # of the refinement heads: they start at zero and should move slowly
GATE_BIAS = 2.0  # the gate starts near "keep the source's pixels"
TEETH_BIAS = -2.0  # teeth start nearly invisible


@dataclass(frozen=True)
class Synthesis:
    """A rendered batch and what the training losses look at."""

    frame: Tensor  # (B, 3, H, W) in [0, 1]
    coordinates: tuple[Tensor, ...] = ()  # (B, n, n, 2) per fine level and for the pixels, coarse first
    resampled: Tensor | None = None  # (B, 3, H, W) source pixels at the final coordinates
    gate: Tensor | None = None  # (B, 1, H, W) share of the resampled pixels in the frame
    opening: Tensor | None = None  # (B, 1, H, W) logits of the mouth's opening, through which teeth are seen


def unshuffle(pixels: Tensor) -> Tensor:
    """``F.pixel_unshuffle(pixels, 2)``, without gradients channels last, which it does not do by itself."""
    if torch.is_grad_enabled():
        return F.pixel_unshuffle(pixels, 2)
    b, c, h, w = pixels.shape
    cells = pixels.new_empty(b, h // 2, w // 2, c, 4)
    for phase in range(4):
        cells[..., phase] = pixels[..., phase // 2 :: 2, phase % 2 :: 2].permute(0, 2, 3, 1)
    return cells.flatten(-2).permute(0, 3, 1, 2)


class OffsetHead(nn.Module):
    """Refines source coordinates at twice the resolution of the features it reads."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv3(channels, 8, bias=True)
        for parameter in self.conv.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, coordinates: Tensor) -> Tensor:
        offset = F.pixel_shuffle(self.conv(x), 2).float().permute(0, 2, 3, 1)
        return resize_coordinates(coordinates, offset.shape[1]) + OFFSET_SCALE * offset


class FeaturePyramid(nn.Module):
    """What both heads share: features doubled level by level, each fused with source features moved there.

    Args:
        skips: channels of the maps that join at levels 0, 1, ... besides the source features.
        pixels: channels of what joins at the last level only.
        outputs: channels of the result per pixel.
    """

    def __init__(self, config: RendererConfig, skips: tuple[int, ...] = (), pixels: int = 0, outputs: int = 3) -> None:
        super().__init__()
        self.config = config
        channels, r = config.channels, config.num_residuals
        skips = skips + (0,) * (config.num_levels - len(skips))
        self.up, self.fuse, self.attention = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in range(1, config.num_levels):
            below, here = channels[level - 1] + (skips[0] if level == 1 else 0), channels[level]
            conv = config.upsample == "conv"
            self.up.append(ConvBlock(below, here, r, "up") if conv else LinearUpsample(below, here))
            last = pixels if level == config.num_levels - 1 else 0
            self.fuse.append(ConvBlock(2 * here + skips[level] + last, here, r))
            kind, side = config.synthesis_attention[level - 1], config.level_size(level)
            self.attention.append(attention_block(kind, here, side, config.synthesis_heads, config.window_size))
        self.final = conv3(channels[-1], 4 * outputs, bias=True)

    def double(self, level: int, x: Tensor) -> Tensor:
        """Features of the level below at this level's resolution."""
        return self.up[level - 1](x)

    def join(self, level: int, x: Tensor, *parts: Tensor) -> Tensor:
        """This level's features after fusion with ``parts`` and attention."""
        x = self.fuse[level - 1](torch.cat([x, *(part.to(x.dtype) for part in parts)], dim=1))
        return self.attention[level - 1](x)

    def pixels(self, x: Tensor, slope: float) -> Tensor:
        """The last features (used up) at twice their resolution, before the sigmoid, ``(B, outputs, H, W)``."""
        return F.pixel_shuffle(self.final(F.leaky_relu(x, slope, inplace=not torch.is_grad_enabled())), 2).float()


class OfficialSynthesis(FeaturePyramid):
    """The official head: every pixel is drawn from features (paper section 3.2.3)."""

    def forward(
        self,
        aligned: list[Tensor],
        motion_maps: list[Tensor],
        guide: Guide,
        source: SourceFeatures,
        teeth: Tensor | None = None,
    ) -> Synthesis:
        """``aligned``: source features at the coarse levels; the finer ones are resampled by the guide's index."""
        assert guide.index is not None
        coarse = self.config.num_coarse_levels
        x = aligned[0]
        for level in range(1, self.config.num_levels):
            x = self.double(level, x)
            if level < coarse:
                moved = aligned[level]
            else:
                moved = resample_blocks(source.fine[level - coarse], guide.index, 2 ** (level - coarse + 1))
            x = self.join(level, x, moved)
        return Synthesis(self.pixels(x, FINAL_SLOPE).sigmoid())


class GatedSynthesis(FeaturePyramid):
    """The head of ``tiny``: source pixels moved along refined coordinates, and drawn ones where a gate asks for it.

    Besides the source features it fuses the driving motion maps and, at the last level, the moved pixels.
    """

    def __init__(self, config: RendererConfig) -> None:
        # per pixel: colour, gate, opening of the mouth, light on teeth; pixels at twice the last level's resolution
        outputs = 4 + 4 * config.teeth_texture
        super().__init__(config, config.motion_map_channels, pixels=12, outputs=outputs)
        fine = range(max(1, config.num_coarse_levels - 1), config.num_levels)
        self.offset = nn.ModuleList([OffsetHead(config.channels[level]) for level in fine])
        assert self.final.bias is not None
        with torch.no_grad():
            self.final.bias[12:16] = GATE_BIAS
            self.final.weight[16:] = 0
            self.final.bias[16:] = 0
            self.final.bias[16:20] = TEETH_BIAS

    def forward(
        self,
        aligned: list[Tensor],
        motion_maps: list[Tensor],
        guide: Guide,
        source: SourceFeatures,
        teeth: Tensor | None = None,
    ) -> Synthesis:
        """``teeth (B, 4, H, W)``: colour times opacity, and opacity, where the configuration has them."""
        logits, coordinates = self.draw(aligned, motion_maps, guide, source)
        layers = self.layers(logits, coordinates)
        frame, moved = compose(layers, source, teeth, self.config.output_size)
        opening = logits[:, 4:5] if teeth is not None else None
        return Synthesis(frame, tuple(coordinates), moved, layers.gate, opening)

    def layers(self, logits: Tensor, coordinates: list[Tensor]) -> Layers:
        """The results of :meth:`draw` as what a frame is composed of."""
        out = logits.sigmoid()
        teeth = (out[:, 4:5], 2 * out[:, 5:]) if self.config.teeth_texture else (None, None)
        return Layers(out[:, :3], out[:, 3:4], coordinates[-1], *teeth)

    def draw(
        self, aligned: list[Tensor], motion_maps: list[Tensor], guide: Guide, source: SourceFeatures
    ) -> tuple[Tensor, list[Tensor]]:
        """Everything the network says about the frames before the sigmoid ``(B, channels, H, W)``, and the source
        coordinates of every fine level and of the pixels.
        """
        assert guide.coordinates is not None
        c, coarse = self.config, self.config.num_coarse_levels
        x = torch.cat([aligned[0], motion_maps[0]], 1)
        coordinates = [guide.coordinates]
        for level in range(1, c.num_levels):
            x = self.double(level, x)
            if level < coarse:
                parts = [aligned[level], motion_maps[level]]
            else:
                parts = [resample_coordinates(source.fine[level - coarse], coordinates[-1])]
            if level == c.num_levels - 1:
                pixels = move_pixels(source, resize_coordinates(coordinates[-1], c.output_size))
                parts.append(unshuffle(pixels))
            x = self.join(level, x, *parts)
            if level >= coarse - 1:
                coordinates.append(self.offset[level - coarse + 1](x, coordinates[-1]))
        return self.pixels(x, SLOPE), coordinates


def synthesis_network(config: RendererConfig) -> OfficialSynthesis | GatedSynthesis:
    """The head that a configuration asks for.

    Raises
    ------
    InputError: a pixel gate without what it builds on.
    """
    if not config.pixel_gate:
        return OfficialSynthesis(config)
    if config.resampler != "coordinate" or not config.motion_skip:
        raise InputError('pixel_gate needs resampler "coordinate" and motion_skip; set both, or leave the gate off')
    return GatedSynthesis(config)
