"""``imtalker convert``: official checkpoints -> a folder of safetensors."""

import argparse
from typing import Any

from imtalker.commands.exit_codes import DONE

NAMES, EXTRA = ("convert",), None


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("convert", help="convert official checkpoints (.ckpt) for --preset DIR")
    parser.add_argument("renderer", help="official renderer.ckpt")
    parser.add_argument("generator", help="official generator.ckpt")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for the converted weights")
    parser.add_argument("--ema", action="store_true", help="take the generator's moving average of the weights")
    parser.add_argument("--revision", choices=("v1", "v2"), help="only if the generator file cannot tell itself")
    parser.add_argument("--audio-encoder", metavar="FILE", help="wav2vec2-base-960h, if the generator has none")
    parser.add_argument("--half", action="store_true", help="store 16-bit numbers: half the size")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert and say where the result is."""
    import torch

    from imtalker.weights.convert import convert_checkpoints

    folder = convert_checkpoints(
        arguments.renderer,
        arguments.generator,
        arguments.output,
        ema=arguments.ema,
        revision=arguments.revision,
        audio_encoder=arguments.audio_encoder,
        dtype=torch.float16 if arguments.half else None,
    )
    print(f"converted; use it with: imtalker animate --preset {folder} ...")  # noqa: T201
    return DONE
