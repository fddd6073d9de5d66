"""Train the completion network: autoencoder and lip reader first, then the U-Net, then a discriminator beside it.

``imtalker train-completion --help`` shows the options.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from imtalker.dubbing.completion.config import CompletionConfig
from imtalker.errors import InputError
from imtalker.train import renderer_losses as losses
from imtalker.train.completion.objective import CompletionTrainee, CompletionWeights, mouth_squares
from imtalker.train.completion.sampler import CompletionSampler, collate
from imtalker.train.completion.validation import CompletionValidation
from imtalker.train.discriminator import add_discriminator
from imtalker.train.loop import LoopConfig, Objective, TrainingLoop, run_stage
from imtalker.train.renderer_objective import channels_last
from imtalker.weights.file import load_weights, save_weights

WEIGHTS_NAME = "completion.safetensors"
LOOKED_AT = 48  # pixels, side of the square round the mouth that the discriminator sees


@dataclass(frozen=True)
class CompletionTrainingConfig:
    """Everything a run depends on."""

    mouths: tuple[str, ...] = ()  # folders made by imtalker.train.completion.prepare
    model: CompletionConfig = field(default_factory=CompletionConfig)
    batch: int = 16
    autoencoder_steps: int = 600  # of autoencoder and lip reader alone, at the start
    adversarial_from: int = 10**9  # the discriminator starts here
    weights: CompletionWeights = field(default_factory=CompletionWeights)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=10_000, learning_rate=1e-3, ema_decay=0.998, mixed_precision="bf16", save_every=100, workers=1
        )
    )


def build_loop(config: CompletionTrainingConfig, out: Path, cpu: bool = False) -> TrainingLoop:
    """The training loop of this stage; ``loop.raw["completion"].network`` is the network."""
    torch.manual_seed(config.loop.seed)
    sampler = CompletionSampler(config.mouths, "train")
    weights = config.weights

    def make_batch(index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        return collate(sampler.batch(rng, config.batch))

    def completion_loss(modules: Mapping[str, nn.Module], batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        first_phase = step < config.autoencoder_steps
        terms, pictures = modules["completion"](batch, first_phase)
        if first_phase:
            return {"loss": torch.stack(list(terms.values())).sum(), **terms}
        if step >= config.adversarial_from:
            views = (mouth_squares(pictures[name], batch["lips"], LOOKED_AT) for name in ("result", "target"))
            terms |= losses.adversarial_terms(modules["discriminator"], *views)
        return {"loss": losses.weighted_sum(weights, terms), **terms}

    def discriminator_loss(
        modules: Mapping[str, nn.Module], batch: Mapping[str, Tensor], step: int
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            _, pictures = modules["completion"](batch, False)
        real, fake = (
            modules["discriminator"](mouth_squares(pictures[name], batch["lips"], LOOKED_AT))[0]
            for name in ("target", "result")
        )
        return {"loss": losses.discriminator_loss(real, fake)}

    modules: dict[str, nn.Module] = {"completion": channels_last(CompletionTrainee(config.model))}
    objectives = [Objective("completion", ("completion",), completion_loss)]
    if config.adversarial_from < config.loop.steps:
        objectives.append(add_discriminator(modules, discriminator_loss, config.adversarial_from))
    validation = CompletionValidation(CompletionSampler(config.mouths, "validation"), out)
    return TrainingLoop(config.loop, out, modules, objectives, make_batch, validation, ema=("completion",), cpu=cpu)


def train_completion(
    config: CompletionTrainingConfig,
    out: Path,
    resume: bool = False,
    start_from: Path | None = None,
    cpu: bool = False,
) -> dict[str, float]:
    """Train, and write ``completion.safetensors`` (half precision) into ``out``.

    Args:
        start_from: weights of the network to begin with.

    Raises:
        InputError: no training data, or nothing to resume.
        WeightsError: ``start_from`` does not fit.
    """
    if not config.mouths:
        raise InputError("there is nothing to train on; give --mouths")
    loop = build_loop(config, out, cpu)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=1))
    if start_from is not None:
        for trainee in (loop.raw["completion"], loop.ema["completion"]):
            assert isinstance(trainee, CompletionTrainee)
            load_weights(trainee.network, start_from)

    def export() -> None:
        trainee = loop.ema["completion"]
        assert isinstance(trainee, CompletionTrainee)
        save_weights(trainee.network, config.model, out / WEIGHTS_NAME, dtype=torch.float16)

    return run_stage(loop, resume, export)
