"""A larger audio encoder that begins where a trained smaller one ended: wider kernels and MLPs, more layers.

New taps and neurons start without effect, new layers almost without: training continues instead of starting anew
(Chen et al., "Net2Net", 2016). Width and number of channels stay, so that the motion generator still understands
the features.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imtalker.config import AudioEncoderConfig
from imtalker.errors import InputError
from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.train.options import configure_logging
from imtalker.weights.file import load_module, save_weights
from imtalker.weights.presets import TINY_AUDIO

logger = logging.getLogger(__name__)

_SAME = ("hidden_size", "num_attention_heads", "conv_dim", "conv_stride", "num_conv_pos_embeddings")


def _pad(value: Tensor, shape: torch.Size) -> Tensor:
    """``value`` in the middle of the last axis of zeros ``shape`` (kernels), at the start of the others."""
    out = value.new_zeros(shape)
    slices = [slice(0, n) for n in value.shape]
    if value.ndim == 3:
        first = (shape[-1] - value.shape[-1]) // 2
        slices[-1] = slice(first, first + value.shape[-1])
    out[tuple(slices)] = value
    return out


@torch.no_grad()
def grow(small: AudioEncoder, config: AudioEncoderConfig, speech: Tensor) -> AudioEncoder:
    """An encoder of ``config`` that computes nearly what ``small`` does.

    New layers follow the old ones; their output projections are zero, and their normalisations are fitted so that
    the features of ``speech (1, N)``, normalised, pass through.

    Raises
    ------
    InputError: something shrinks, or a size that features depend on differs.
    """
    old = small.config
    for name in _SAME:
        if getattr(old, name) != getattr(config, name):
            raise InputError(f"{name} is {getattr(old, name)} and cannot become {getattr(config, name)} by growing")
    grown = [config.num_hidden_layers - old.num_hidden_layers, config.intermediate_size - old.intermediate_size]
    kernels = [b - a for a, b in zip(old.conv_kernel, config.conv_kernel, strict=True)]
    # Twice the stride more is one step on each side, so that the middle stays where it was.
    if min(grown + kernels) < 0 or any(g % (2 * s) for g, s in zip(kernels, config.conv_stride, strict=True)):
        raise InputError("layers, MLPs and kernels can only grow, kernels by multiples of twice their stride")
    large = AudioEncoder(config)
    given, state = small.state_dict(), large.state_dict()
    for name, value in given.items():
        fresh = name.endswith("intermediate_dense.weight") and state[name].shape != value.shape
        if fresh:  # new neurons keep their random input weights, else they could never learn
            state[name][: value.shape[0]] = value
        else:
            state[name] = _pad(value, state[name].shape)
    large.load_state_dict(state)
    layers: Any = large.wav2vec2.encoder.layers
    features = small(speech, speech.shape[1] // 640)[0]
    for layer in list(layers)[old.num_hidden_layers :]:
        for module in (layer.attention.out_proj, layer.feed_forward.output_dense):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        for norm in (layer.layer_norm, layer.final_layer_norm):
            norm.weight.fill_(float(features.std(-1, correction=0).mean()))
            norm.bias.fill_(float(features.mean()))
    return large


def main(argv: list[str] | None = None) -> None:
    """Write the grown encoder of the tiny preset."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("encoder", type=Path, help="audio_encoder.safetensors to begin with")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    configure_logging()
    small, _, _ = load_module(options.encoder, AudioEncoderConfig, AudioEncoder)
    speech = torch.randn(1, 16_000 * 4, generator=torch.Generator().manual_seed(0))
    save_weights(grow(small, TINY_AUDIO, speech), TINY_AUDIO, options.out)
    logger.info("%s", options.out)


if __name__ == "__main__":
    main()
