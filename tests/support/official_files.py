"""Small checkpoints in the official layout: every official key, the shapes of small networks.

The full-size networks have 2.6 * 10**8 parameters; these have a few hundred thousand, so that the whole road from
an official file to a frame takes seconds.
"""

import argparse
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.renderer import Renderer
from imtalker.weights import convert
from imtalker.weights.official_keys import AUDIO_KEYS, DROPPED, GENERATOR_KEYS, RENDERER_KEYS, rename
from imtalker.weights.presets import GENERATOR_V1, GENERATOR_V2, RENDERER_V1, RENDERER_V2
from tests.support.official_state import Manifest, manifest, official_state

SMALL = {
    "channels": (16, 16, 16, 16, 8, 8),
    "identity_dim": 16,
    "motion_encoder_channels": (8,) * 6,
    "adapter_dim": 16,
    "motion_map_channels": (16,) * 4,
    "attention_heads": 2,
    "synthesis_heads": 2,
}
RENDERER_CONFIGS = {"v1": replace(RENDERER_V1, **SMALL), "v2": replace(RENDERER_V2, **SMALL)}
GENERATOR_CONFIGS = {
    "v1": replace(GENERATOR_V1, hidden_dim=32, num_heads=2, audio_dim=32),
    "v2": replace(GENERATOR_V2, hidden_dim=32, num_heads=2, audio_dim=32),
}
AUDIO_CONFIG = replace(
    convert.AUDIO_CONFIG,
    hidden_size=32,
    num_attention_heads=2,
    intermediate_size=32,
    conv_dim=(16,) * 7,
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=4,
)

State = dict[str, Tensor]


def use_small_networks(patch: pytest.MonkeyPatch) -> None:
    """Let the conversion expect the small networks in place of the official ones."""
    patch.setattr(convert, "RENDERER_CONFIGS", RENDERER_CONFIGS)
    patch.setattr(convert, "GENERATOR_CONFIGS", GENERATOR_CONFIGS)
    patch.setattr(convert, "AUDIO_CONFIG", AUDIO_CONFIG)


def renderer_state(revision: str = "v2") -> State:
    """Official names, without the checkpoint's prefix."""
    return dict(_renderer_state(revision))


@functools.cache
def _renderer_state(revision: str) -> State:
    return _state(manifest(f"renderer_{revision}"), RENDERER_KEYS, lambda: Renderer(RENDERER_CONFIGS[revision]))


def generator_state(revision: str = "v2") -> State:
    """Official names, without the checkpoint's prefix, the audio encoder included."""
    return dict(_generator_state(revision))


@functools.cache
def _generator_state(revision: str) -> State:
    motion = _state(
        manifest(f"generator_{revision}"), GENERATOR_KEYS, lambda: MotionGenerator(GENERATOR_CONFIGS[revision])
    )
    return motion | _state(manifest("audio_encoder"), AUDIO_KEYS, lambda: AudioEncoder(AUDIO_CONFIG))


def _state(entries: Manifest, rules: convert.Rules, build: Callable[[], nn.Module]) -> State:
    with torch.device("meta"):
        shapes = {key: list(value.shape) for key, value in build().state_dict().items()}
    resized = {}
    for key, entry in entries.items():
        shape = shapes.get(rename(key, rules))
        if shape is not None and len(entry["shape"]) == 5:
            shape = [1, *shape]
        if shape is None and DROPPED.search(key) and entry["shape"]:
            shape = [4]
        resized[key] = entry | {"shape": shape or entry["shape"]}
    return official_state(resized)


def trained(state: State) -> State:
    """The part of a generator's state that training averages."""
    entries = manifest("generator_v2")
    return {key: value for key, value in state.items() if entries.get(key, {}).get("trainable")}


def lightning_renderer(state: State) -> dict:
    """A full training checkpoint: the weights among other networks and the optimisers' state."""
    others = {"disc.convs.0.weight": torch.zeros(4), "criterion_vgg.slice1.0.gen.weight": torch.zeros(4)}
    return _lightning({f"gen.{key}": value for key, value in state.items()} | others)


def lightning_generator(state: State, averaged: State | None = None) -> dict:
    checkpoint = _lightning({f"model.{key}": value for key, value in state.items()})
    return checkpoint if averaged is None else checkpoint | {"ema_state_dict": averaged}


def _lightning(state: State) -> dict:
    return {
        "epoch": 3,
        "global_step": 1000,
        "pytorch-lightning_version": "2.3.3",
        "state_dict": state,
        "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-4}]}],
        "lr_schedulers": [{"last_epoch": 3}],
        "hyper_parameters": {"opt": argparse.Namespace(lr=1e-4, dataset_path=Path("data"))},
    }


def write_official(folder: Path, revision: str = "v2") -> tuple[Path, Path]:
    """``renderer.ckpt`` and ``generator.ckpt`` as published, small; the average is the raw weights plus one."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "renderer.ckpt", folder / "generator.ckpt"
    torch.save(lightning_renderer(renderer_state(revision)), paths[0])
    state = generator_state(revision)
    averaged = {key: value + 1 for key, value in trained(state).items()}
    torch.save(lightning_generator(state, averaged), paths[1])
    return paths
