"""Small random networks and synthetic media, so that tests need no weights and no files of real people."""

from dataclasses import replace

import torch

from imtalker.checkpoint import Models
from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.presets import get_preset
from imtalker.renderer import Renderer


def small_models(seed: int = 0) -> Models:
    """Networks of the tiny kind, made smaller still, with random weights."""
    torch.manual_seed(seed)
    tiny = get_preset("tiny")
    audio = replace(tiny.audio, hidden_size=32, intermediate_size=32, num_hidden_layers=1, conv_dim=(16,) * 7)
    audio = replace(audio, num_conv_pos_embeddings=8)
    generator = replace(tiny.generator, audio_dim=32, hidden_dim=48, num_layers=1, num_heads=2)
    renderer = replace(
        tiny.renderer,
        input_size=64,
        output_size=64,
        channels=(16, 16, 8),
        num_coarse_levels=2,
        identity_dim=16,
        motion_encoder_channels=(8, 8, 16, 16),
        adapter_dim=16,
        adapted_dim=16,
        motion_map_channels=(16, 16),
        attention_dims=(16, 16),
        synthesis_attention=("none", "none"),
    )
    preset = replace(tiny, renderer=renderer, generator=generator, audio=audio)
    return Models(
        Renderer(renderer).eval(),
        MotionGenerator(generator).eval(),
        AudioEncoder(audio).eval(),
        preset,
        "random",
        {},
    )
