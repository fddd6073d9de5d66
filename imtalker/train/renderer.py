"""Stage 1: train the renderer on pictures whose correspondence is known exactly.

First only the correspondence (the renderer never waits for the motion encoder: motion latents come from the
exact controls), then drawing, then a discriminator. ``imtalker train-renderer --help`` shows the options.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.errors import InputError
from imtalker.evaluate.image_metrics import Lpips
from imtalker.faces.drawn_teeth import draw_teeth
from imtalker.renderer import Renderer
from imtalker.renderer.teeth import TeethLayer
from imtalker.train import renderer_losses as losses
from imtalker.train.discriminator import add_discriminator
from imtalker.train.loop import LoopConfig, Objective, TrainingLoop, run_stage
from imtalker.train.puppet.sampler import PuppetSampler, RendererSample
from imtalker.train.renderer_objective import (
    EQUALIZED_RATES,
    LossWeights,
    RendererTrainee,
    channels_last,
    renderer_terms,
)
from imtalker.train.renderer_validation import RendererValidation
from imtalker.train.video_clips import VideoSample, VideoSampler
from imtalker.weights.file import read_weights, save_weights
from imtalker.weights.presets import TINY_RENDERER

logger = logging.getLogger(__name__)

CROP_SIZE = 64  # side of the squares the discriminator looks at, pixels


@dataclass(frozen=True)
class RendererTrainingConfig:
    """Everything a run depends on."""

    assets: tuple[str, ...] = ()  # folders of puppet assets
    clips: str | None = None  # cache of prepared video clips (imtalker.train.video_clips), instead of puppets
    model: RendererConfig = TINY_RENDERER
    portraits_per_batch: int = 4
    targets_per_portrait: int = 2
    correspondence_steps: int = 1500  # nothing is drawn before this step
    adversarial_from: int = 10**9  # the discriminator starts here
    # what the discriminator looks at: squares round mouth and eyes, where most is synthesised and everybody looks,
    # at a tenth of the cost of whole frames
    adversarial_view: Literal["frame", "features"] = "features"
    last_level_only: bool = False  # train the finest level of synthesis and the teeth, nothing else
    lpips: str | None = None  # AlexNet's weights, alexnet-owt-7be5be79.pth: adds the perceptual term (paper eq. 9)
    motion_noise: float = 0.05  # added to the source's motion latent
    weights: LossWeights = field(default_factory=LossWeights)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=8000, learning_rate=1e-3, ema_decay=0.998, mixed_precision="bf16", clip_norm=2.0, workers=1
        )
    )


def collate(samples: Sequence[RendererSample] | Sequence[VideoSample]) -> dict[str, Tensor]:
    """Samples -> tensors with a leading portrait axis."""
    names = ("source", "source_motion", "targets", "target_motions", "coords", "valid", "regions", "teeth", "boxes")
    present = [n for n in names if hasattr(samples[0], n)]
    return {n: torch.from_numpy(np.stack([getattr(s, n) for s in samples])) for n in present}


def make_sampler(config: RendererTrainingConfig, split: Literal["train", "validation"]) -> PuppetSampler | VideoSampler:
    """Puppets, or real video where clips are given."""
    if config.clips is not None:
        return VideoSampler(Path(config.clips), split, config.targets_per_portrait)
    return PuppetSampler(config.assets, split, targets_per_source=config.targets_per_portrait)


def paint_teeth(layer: TeethLayer, seed: int = 0) -> None:
    """Begin the texture of teeth with a drawn denture of average colour."""
    rng = np.random.default_rng(seed)
    height, width = layer.texture.shape[2:]
    for row in range(len(layer.texture)):
        plate = draw_teeth(rng, row == 0, 0.5, np.full(3, 0.9)) / 255
        plate = cv2.resize((plate + plate[:, ::-1]) / 2, (width, height), interpolation=cv2.INTER_AREA)
        opacity = plate[..., 3:]
        plate[..., :3] = np.where(opacity > 0.02, plate[..., :3] / np.maximum(opacity, 0.02), 0.5)
        with torch.no_grad():
            layer.texture[row] = torch.from_numpy(plate).permute(2, 0, 1).clamp(0.01, 0.99).logit()


def load_grown(network: nn.Module, path: Path) -> None:
    """Load weights of the same or of a smaller configuration: what the file lacks stays as it was initialised.

    Raises WeightsError when the file is missing or damaged, InputError when it does not fit into the network.
    """
    tensors, _ = read_weights(path)
    state = network.state_dict()
    for name, value in tensors.items():
        there = state.get(name)
        if (
            there is None
            or there.ndim != value.ndim
            or any(a < b for a, b in zip(there.shape, value.shape, strict=True))
        ):
            raise InputError(
                f"{path}: {name} {tuple(value.shape)} does not fit into the network; start from another file"
            )
        there[tuple(slice(n) for n in value.shape)] = value.to(there.dtype)
    network.load_state_dict(state)


def build_loop(config: RendererTrainingConfig, out: Path, cpu: bool = False) -> TrainingLoop:
    """The training loop of this stage; ``loop.raw["renderer"].renderer`` is the network."""
    torch.manual_seed(config.loop.seed)
    sampler = make_sampler(config, "train")
    trainee = channels_last(RendererTrainee(Renderer(config.model)))
    if trainee.renderer.teeth is not None:
        paint_teeth(trainee.renderer.teeth)
    # puppets give exact motion, and imtalker.train.motion_encoder teaches the motion encoder; with real video
    # the encoder is part of the chain, as in the paper
    trainee.renderer.motion_encoder.requires_grad_(config.clips is not None)
    trainee.region_head.requires_grad_(config.clips is None)  # real video has no exact regions to learn from
    if config.last_level_only:
        trainee.train_last_level_only()
    weights = config.weights
    perceptual = None if config.lpips is None else Lpips(Path(config.lpips))

    def viewed(pictures: Mapping[str, Tensor], name: str) -> Tensor:
        if config.adversarial_view == "frame":
            return pictures[name]
        return losses.crop_boxes(pictures[name], pictures["features"], CROP_SIZE)

    def make_batch(index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        return collate(sampler.batch(rng, config.portraits_per_batch))

    def renderer_loss(modules: Mapping[str, nn.Module], batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        draw, adversarial = step >= config.correspondence_steps, step >= config.adversarial_from
        terms, pictures = renderer_terms(modules["renderer"], batch, draw, config.motion_noise)
        if draw and perceptual is not None:
            frame, target = pictures["frame"].float(), pictures["target"]
            terms["perceptual"] = perceptual.to(frame.device).distance(frame, target).mean()
        if adversarial:
            views = (viewed(pictures, name) for name in ("frame", "target"))
            terms |= losses.adversarial_terms(modules["discriminator"], *views)
        return {"loss": losses.weighted_sum(weights, terms), **terms}

    def discriminator_loss(
        modules: Mapping[str, nn.Module], batch: Mapping[str, Tensor], step: int
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            _, pictures = renderer_terms(modules["renderer"], batch, True, config.motion_noise)
        real, _ = modules["discriminator"](viewed(pictures, "target"))
        fake, _ = modules["discriminator"](viewed(pictures, "frame"))
        return {"loss": losses.discriminator_loss(real, fake)}

    modules: dict[str, nn.Module] = {"renderer": trainee}
    objectives = [Objective("renderer", ("renderer",), renderer_loss, type_rates=EQUALIZED_RATES)]
    if config.adversarial_from < config.loop.steps:
        objectives.append(add_discriminator(modules, discriminator_loss, config.adversarial_from))
    validation = RendererValidation(make_sampler(config, "validation"), out)
    return TrainingLoop(config.loop, out, modules, objectives, make_batch, validation, ema=("renderer",), cpu=cpu)


def train_renderer(
    config: RendererTrainingConfig,
    out: Path,
    resume: bool = False,
    start_from: Path | None = None,
    cpu: bool = False,
) -> dict[str, float]:
    """Train, and write ``renderer.safetensors`` (half precision) into ``out``.

    Raises:
        InputError: no training data, or nothing to resume.
    """
    if not (config.assets or config.clips):
        raise InputError("there is nothing to train on; give --assets or --clips")
    loop = build_loop(config, out, cpu)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=1))
    if start_from is not None:
        for trainee in (loop.raw["renderer"], loop.ema["renderer"]):
            assert isinstance(trainee, RendererTrainee)
            load_grown(trainee.renderer, start_from)

    def export() -> None:
        trainee = loop.ema["renderer"]
        assert isinstance(trainee, RendererTrainee)
        save_weights(trainee.renderer, config.model, out / "renderer.safetensors", dtype=torch.float16)

    return run_stage(loop, resume, export)
