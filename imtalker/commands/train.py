"""``imtalker train-...``: the stages of training.

An option overrides the field of the configuration it names (``dest``); ``--config`` gives a whole one as JSON.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from imtalker.commands.exit_codes import DONE

NAMES = ("train-renderer", "train-motion-encoder", "train-audio", "train-generator", "train-completion")
EXTRA = "train"


def add_parser(commands: Any) -> None:
    """Describe the commands."""
    stages = (
        (_renderer_options, _train_renderer, "train the renderer"),
        (_motion_encoder_options, _train_motion_encoder, "train the renderer's motion encoder"),
        (_audio_options, _train_audio, "train the audio encoder"),
        (_generator_options, _train_generator, "train the motion generator"),
        (_completion_options, _train_completion, "train the completion of masked mouths, for dubbing"),
    )
    for name, (add_options, train, summary) in zip(NAMES, stages, strict=True):
        parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        add = parser.add_argument
        add("--config", type=Path, help="JSON with fields of the stage's configuration; options override it")
        add("--out", type=Path, required=True, help="folder for checkpoints, logs and the trained weights")
        add("--resume", action="store_true", help="go on from the checkpoint in --out")
        add_options(parser)
        parser.set_defaults(run=partial(run, train))


def run(train: Any, arguments: argparse.Namespace) -> int:
    """Train one stage."""
    from imtalker.train.options import configure_logging

    configure_logging()
    train(arguments)
    return DONE


def _renderer_options(parser: argparse.ArgumentParser) -> None:
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--assets", nargs="+", help="folders of puppet assets")
    data.add_argument("--clips", help="cache made by python -m imtalker.train.video_clips")
    add = parser.add_argument
    add("--lpips", help="alexnet-owt-7be5be79.pth: adds the perceptual term")
    add("--correspondence-steps", type=int)
    add("--adversarial-from", type=int)
    add("--adversarial-view", choices=("frame", "features"))
    add(
        "--last-level-only",
        action="store_const",
        const=True,
        help="train the finest level of synthesis and the teeth, nothing else",
    )
    add(
        "--gate-weight",
        dest="weights.gate",
        type=float,
        help="of the term that keeps the source's own pixels: sharper, but what moves in the pixels is drawn less",
    )
    add("--portraits", dest="portraits_per_batch", type=int, help="per batch")
    add("--targets", dest="targets_per_portrait", type=int, help="per portrait")
    _add_loop_options(parser, "renderer.safetensors")


def _motion_encoder_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--assets", nargs="+", help="folders of puppet assets")
    add("--batch", type=int)
    add("--pool", type=int, help="pictures rendered at the start")
    _add_loop_options(parser, "motion_encoder.safetensors")


def _add_loop_options(parser: argparse.ArgumentParser, weights: str) -> None:
    add = parser.add_argument
    add("--start-from", type=Path, help=f"{weights} to begin with")
    add("--steps", dest="loop.steps", type=int)
    add("--learning-rate", dest="loop.learning_rate", type=float)
    add("--workers", dest="loop.workers", type=int, help="data processes")
    add("--seed", dest="loop.seed", type=int)
    add("--precision", dest="loop.mixed_precision", choices=("no", "bf16", "fp16"))
    add("--cpu", action="store_true", help="leave a GPU alone")


def _audio_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", help="folder made by imtalker.train.speech.corpus")


def _generator_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--corpus", help="folder made by imtalker.train.speech.corpus")
    add("--audio-encoder", help="audio_encoder.safetensors of train-audio")
    add("--steps", dest="loop.steps", type=int)


def _completion_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--mouths", nargs="+", help="folders made by python -m imtalker.train.completion.prepare")
    add("--batch", type=int)
    add("--autoencoder-steps", type=int, help="of autoencoder and lip reader alone, at the start")
    add("--adversarial-from", type=int)
    _add_loop_options(parser, "completion.safetensors")


def _train_renderer(a: argparse.Namespace) -> None:
    from imtalker.train.options import read_config
    from imtalker.train.renderer import RendererTrainingConfig, train_renderer

    train_renderer(read_config(RendererTrainingConfig, a.config, vars(a)), a.out, a.resume, a.start_from, a.cpu)


def _train_motion_encoder(a: argparse.Namespace) -> None:
    from imtalker.train.motion_encoder import MotionTrainingConfig, train_motion_encoder
    from imtalker.train.options import read_config

    train_motion_encoder(read_config(MotionTrainingConfig, a.config, vars(a)), a.out, a.resume, a.start_from, a.cpu)


def _train_audio(a: argparse.Namespace) -> None:
    from imtalker.train.audio_data import AudioTrainingConfig
    from imtalker.train.audio_encoder import train_audio
    from imtalker.train.options import read_config

    train_audio(read_config(AudioTrainingConfig, a.config, vars(a)), a.out, a.resume)


def _train_generator(a: argparse.Namespace) -> None:
    from imtalker.train.generator import GeneratorTrainingConfig, train_generator
    from imtalker.train.options import read_config

    train_generator(read_config(GeneratorTrainingConfig, a.config, vars(a)), a.out, a.resume)


def _train_completion(a: argparse.Namespace) -> None:
    from imtalker.train.completion.training import CompletionTrainingConfig, train_completion
    from imtalker.train.options import read_config

    train_completion(read_config(CompletionTrainingConfig, a.config, vars(a)), a.out, a.resume, a.start_from, a.cpu)
