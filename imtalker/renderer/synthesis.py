"""Synthesis network: aligned features, coarse to fine, -> frame (paper section 3.2.3)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import RendererConfig
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


class SynthesisNetwork(nn.Module):
    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.config = config
        channels, r = config.channels, config.num_residuals
        self.up, self.fuse, self.attention = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.offset = nn.ModuleList()
        for level in range(1, config.num_levels):
            below, here = channels[level - 1], channels[level]
            if level == 1 and config.motion_skip:
                below += config.motion_map_channels[0]
            if config.upsample == "conv":
                self.up.append(ConvBlock(below, here, r, "up"))
            else:
                self.up.append(LinearUpsample(below, here))
            fused = 2 * here
            if config.motion_skip and level < config.num_coarse_levels:
                fused += config.motion_map_channels[level]
            if config.pixel_gate and level == config.num_levels - 1:
                fused += 12  # resampled pixels at twice this resolution
            self.fuse.append(ConvBlock(fused, here, r))
            kind = config.synthesis_attention[level - 1]
            side = config.level_size(level)
            self.attention.append(attention_block(kind, here, side, config.synthesis_heads, config.window_size))
            if config.resampler == "coordinate" and level >= config.num_coarse_levels - 1:
                self.offset.append(OffsetHead(here))
        # per pixel: colour, gate, opening of the mouth, light on teeth
        per_pixel = 3 + config.pixel_gate + 4 * config.teeth_texture
        self.final = conv3(channels[-1], 4 * per_pixel, bias=True)
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
        if not self.config.pixel_gate:
            return Synthesis(logits.sigmoid())
        layers = self.layers(logits, coordinates)
        frame, moved = compose(layers, source, teeth, self.config.output_size)
        opening = logits[:, 4:5] if teeth is not None else None
        return Synthesis(frame, tuple(coordinates), moved, layers.gate, opening)

    def layers(self, logits: Tensor, coordinates: list[Tensor]) -> Layers:
        """With the pixel gate: the results of :meth:`draw` as what a frame is composed of."""
        out = logits.sigmoid()
        teeth = (out[:, 4:5], 2 * out[:, 5:]) if self.config.teeth_texture else (None, None)
        return Layers(out[:, :3], out[:, 3:4], coordinates[-1], *teeth)

    def draw(
        self, aligned: list[Tensor], motion_maps: list[Tensor], guide: Guide, source: SourceFeatures
    ) -> tuple[Tensor, list[Tensor]]:
        """Everything the network says about the frames before the sigmoid ``(B, channels, H, W)``, and the source
        coordinates of every fine level and of the pixels (none without a coordinate resampler).
        """
        c = self.config
        x = torch.cat([aligned[0], motion_maps[0]], 1) if c.motion_skip else aligned[0]
        coordinates: list[Tensor] = [] if guide.coordinates is None else [guide.coordinates]
        for level in range(1, c.num_levels):
            x = self.up[level - 1](x)
            parts = [
                x,
                aligned[level] if level < c.num_coarse_levels else self.resample(level, guide, coordinates, source),
            ]
            if c.motion_skip and level < c.num_coarse_levels:
                parts.append(motion_maps[level])
            if c.pixel_gate and level == c.num_levels - 1:
                parts.append(F.pixel_unshuffle(self.resample_pixels(coordinates, source), 2))
            x = self.fuse[level - 1](torch.cat([p.to(x.dtype) for p in parts], dim=1))
            x = self.attention[level - 1](x)
            if coordinates and level >= c.num_coarse_levels - 1:
                head = self.offset[level - c.num_coarse_levels + 1]
                coordinates.append(head(x, coordinates[-1]))
        slope = SLOPE if c.pixel_gate else FINAL_SLOPE
        return F.pixel_shuffle(self.final(F.leaky_relu(x, slope)), 2).float(), coordinates

    def resample(self, level: int, guide: Guide, coordinates: list[Tensor], source: SourceFeatures) -> Tensor:
        """Source features of a fine level, moved to where the driving motion wants them."""
        features = source.fine[level - self.config.num_coarse_levels]
        if coordinates:
            return resample_coordinates(features, coordinates[-1])
        assert guide.index is not None
        ratio = self.config.level_size(level) // self.config.level_size(self.config.num_coarse_levels - 1)
        return resample_blocks(features, guide.index, ratio)

    def resample_pixels(self, coordinates: list[Tensor], source: SourceFeatures) -> Tensor:
        return move_pixels(source, resize_coordinates(coordinates[-1], self.config.output_size))
