"""How a trained generator answers to the amounts of a style: measured once, stored in its weights.

A network follows an amount with an amount of its own. The measured curve lets ``amounts_to_ask`` ask for more or
less, so that what the user asked for comes out.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imtalker.config import GeneratorConfig, SamplingOptions
from imtalker.generator.controls import MotionControls
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.generator.motion_statistics import RESPONSE_GRID, motion_amounts
from imtalker.generator.motion_style import STYLE_DIM, TYPICAL_BLINKS, MotionStyle
from imtalker.train.audio_data import AudioTrainingConfig, split_corpus, spread
from imtalker.train.options import configure_logging
from imtalker.train.speech.corpus import load_corpus
from imtalker.weights.audio_encoder import load_audio_encoder
from imtalker.weights.file import load_module, save_weights
from imtalker.weights.presets import TINY_SAMPLING

logger = logging.getLogger(__name__)

_COLUMNS = {"head": [0, 1, 2, 3], "brows": [5], "mouth": [6], "blinks": [7]}


@torch.no_grad()
def measure_response(
    generator: MotionGenerator, speeches: Sequence[Tensor], options: SamplingOptions, grid: Sequence[float]
) -> Tensor:
    """(9, len(grid)) mean amounts over ``speeches``, features (1, T, C), for each amount given to the network.

    The generator's own response is put aside meanwhile: it is given what the options say.
    """
    generator.response.copy_(torch.tensor(RESPONSE_GRID).repeat(STYLE_DIM, 1))
    table = torch.ones(STYLE_DIM, len(grid))
    for name, rows in _COLUMNS.items():
        for column, amount in enumerate(grid):
            value = amount * (TYPICAL_BLINKS if name == "blinks" else 1)
            style = MotionStyle(**{name: min(value, 2.0) if name == "mouth" else value})
            found = []
            for seed, features in enumerate(speeches):
                portrait = torch.zeros(1, generator.config.motion_dim)
                sampling = SamplingOptions(options.num_steps, options.guidance_scale, seed=seed)
                windows = generator.generate(features, portrait, MotionControls(style=style), sampling)
                motion = torch.cat(list(windows), 1)[0]
                found.append(motion_amounts(motion, generator.readout, generator.typical))
            table[rows, column] = torch.stack(found).mean(0)[rows]
        logger.info("%s given %s measured %s", name, grid, np.round(table[rows].numpy(), 2).tolist())
    return table


def main(argv: list[str] | None = None) -> None:
    """Measure the response of a generator and write it into its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder with both files")
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by imtalker.train.speech.corpus")
    parser.add_argument("--count", type=int, default=6, help="kept-out utterances, over 6 s each")
    options = parser.parse_args(argv)
    configure_logging()
    encoder, _, _ = load_audio_encoder(options.weights / "audio_encoder.safetensors")
    path = options.weights / "generator.safetensors"
    generator, config, metadata = load_module(path, GeneratorConfig, MotionGenerator)
    train, _ = split_corpus(load_corpus(options.corpus), AudioTrainingConfig())
    chosen = spread([u for u in train if u.duration > 6], options.count)[: options.count]
    with torch.inference_mode():
        speeches = [encoder.encode(u.waveform[: 16_000 * 9]).clone() for u in chosen]
    generator.response.copy_(measure_response(generator, speeches, TINY_SAMPLING, RESPONSE_GRID))
    save_weights(generator, config, path, dtype=torch.float16, step=metadata.get("step", "0"))


if __name__ == "__main__":
    main()
