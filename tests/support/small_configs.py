"""Renderer configurations small enough for tests: every part of the official one, and every part of ``tiny``."""

from dataclasses import replace

from imtalker.config import RendererConfig
from imtalker.weights.presets import TINY_RENDERER

OFFICIAL_SMALL = RendererConfig(
    input_size=128,
    output_size=128,
    channels=(16, 16, 16, 8),
    num_coarse_levels=3,
    identity_dim=16,
    num_residuals=1,
    motion_encoder_channels=(8, 16, 16, 16),
    adapter_dim=16,
    motion_map_channels=(16, 16, 16),
    attention_heads=2,
    synthesis_heads=2,
    synthesis_attention=("global", "window", "window"),
)
TINY_SMALL = replace(
    TINY_RENDERER,
    input_size=128,
    output_size=128,
    channels=(16, 16, 16, 8),
    identity_dim=16,
    motion_encoder_channels=(8, 16, 16, 16, 16),
    adapter_dim=16,
    adapted_dim=40,
    motion_map_channels=(16, 16, 16),
    attention_dims=(8, 8, 8),
    synthesis_attention=("global", "none", "none"),
)
