"""Small random networks and synthetic media, so that tests need no weights and no files of real people."""

from dataclasses import replace
from pathlib import Path

import torch

from imtalker.config import SpectralEncoderConfig
from imtalker.faces.person import PersonMatte
from imtalker.faces.person_network import PersonConfig, PersonNetwork
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.renderer import Renderer
from imtalker.weights.audio_encoder import build_audio_encoder
from imtalker.weights.file import load_module, save_weights
from imtalker.weights.load import PERSON, Models
from imtalker.weights.presets import BUNDLED_WEIGHTS, get_preset


def small_models(name: str = "tiny", seed: int = 0) -> Models:
    """Networks of a preset's kind, made much smaller, with random weights."""
    torch.manual_seed(seed)
    preset = get_preset(name)
    if isinstance(preset.audio, SpectralEncoderConfig):
        audio = replace(preset.audio, mel_bands=16, fine_size=16, fine_layers=1, hidden_size=32, dilations=(1,))
    else:
        audio = replace(preset.audio, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4)
        audio = replace(audio, conv_dim=(16,) * len(audio.conv_dim))
        audio = replace(audio, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4)
    generator = replace(preset.generator, audio_dim=32, hidden_dim=48, num_layers=1, num_heads=2)
    renderer = replace(
        preset.renderer,
        input_size=64,
        output_size=64,
        channels=(16, 16, 8),
        num_coarse_levels=2,
        identity_dim=16,
        motion_encoder_channels=(8, 8, 16, 16),
        adapter_dim=16,
        motion_map_channels=(16, 16),
        attention_heads=1,
        attention_dims=(16, 16),
        synthesis_heads=2,
        synthesis_attention=("none", "none") if name == "tiny" else ("global", "window"),
    )
    preset = replace(preset, renderer=renderer, generator=generator, audio=audio)
    return Models(
        Renderer(renderer).eval(),
        MotionGenerator(generator).eval(),
        build_audio_encoder(audio).eval(),
        preset,
        "random",
        {},
    )


def bundled_matte() -> PersonMatte:
    """What tells the person from the background, with the bundled weights."""
    network, _, _ = load_module(BUNDLED_WEIGHTS / "tiny" / PERSON, PersonConfig, PersonNetwork)
    return PersonMatte(network)


def save_small_models(folder: Path, seed: int = 0) -> Path:
    """The same as a folder of weight files, for whatever loads by path."""
    models = small_models(seed=seed)
    parts = {"renderer": "renderer", "generator": "generator", "audio_encoder": "audio"}
    for name, config in parts.items():
        path = folder / f"{name}.safetensors"
        save_weights(getattr(models, name), getattr(models.preset, config), path, preset="tiny")
    return folder


def small_pipeline(name: str = "tiny") -> TalkingHeadPipeline:
    """A pipeline of these networks."""
    return TalkingHeadPipeline(small_models(name))
