"""Stage 1b: teach the motion encoder to read motion latents from pixels, by regression on puppets whose motion is
known exactly. Runs beside the renderer's training: both agree on the latent, neither waits for the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from imtalker.config import RendererConfig
from imtalker.errors import InputError
from imtalker.renderer.motion_encoder import MotionEncoder
from imtalker.train.loop import LoopConfig, Objective, TrainingLoop, run_stage
from imtalker.train.puppet.motion_space import EXPRESSION, GAZE, MotionSpace
from imtalker.train.puppet.sampler import MOTION_REGIONS_SIZE, MotionSampler
from imtalker.train.renderer_losses import gaze_loss
from imtalker.train.renderer_objective import EQUALIZED_RATES, NUM_REGIONS, as_images, channels_last
from imtalker.weights.file import load_weights, save_weights
from imtalker.weights.presets import TINY_RENDERER

# the tongue hides behind the lips most of the time: a reading of it must not cost the visible parts
DIMENSION_WEIGHTS = (2.0,) * 3 + (1.0,) * 3 + (2.0,) * 2 + (1.0,) * 23 + (0.2,)
REGION_LEVEL = 1  # of the encoder's pyramid: cells of 8 pixels, features that see a whole eye


@dataclass(frozen=True)
class MotionTrainingConfig:
    """Everything a run depends on."""

    assets: tuple[str, ...] = ()  # folders of puppet assets
    model: RendererConfig = TINY_RENDERER
    batch: int = 32
    pool: int = 10_000  # pictures rendered once, at the start; drawing them anew would take most of the time
    readout_weight: float = 0.5  # of lip gap and lid aperture, centimetres
    region_weight: float = 1.0  # of mouth, lids, irises and teeth found in the picture
    gaze_weight: float = 0.5  # of the gaze read at each eye
    validation_images: int = 384
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=5000, learning_rate=2e-3, ema_decay=0.998, mixed_precision="bf16")
    )


class MotionTrainee(nn.Module):
    """The motion encoder with a head for training only, which finds mouth, lids and irises and reads the gaze there.

    Being shown where to look makes lips, lids and pose exacter.
    """

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.encoder = MotionEncoder(config)
        self.region_head = nn.Conv2d(config.motion_encoder_channels[REGION_LEVEL], 4 * (NUM_REGIONS + 2), 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, 3, S, S)`` -> motion ``(B, 32)``, logits of the regions ``(B, 4, n, n)``, gaze ``(B, 2, n, n)``."""
        maps = self.encoder.pyramid(image)
        found = F.pixel_shuffle(self.region_head(maps[REGION_LEVEL]), 2)
        regions, gaze = found.split((NUM_REGIONS, 2), dim=1)
        return self.encoder.read(maps[-1]), regions, gaze


def region_frequency(regions: np.ndarray) -> Tensor:
    """Share of cells that belong to each region, ``(N, R, m, m)`` 0..255 -> ``(R, 1, 1)``."""
    return torch.from_numpy(regions.mean((0, 2, 3)) / 255).float()[:, None, None]


def r_squared(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Share of variance explained, per column of ``(N, d)``."""
    return 1 - ((found - true) ** 2).sum(0) / np.maximum(((true - true.mean(0)) ** 2).sum(0), 1e-9)


def build_loop(config: MotionTrainingConfig, out: Path, cpu: bool = False) -> TrainingLoop:
    """The training loop of this stage; ``loop.raw["motion"].encoder`` is the motion encoder."""
    torch.manual_seed(config.loop.seed)
    size = config.model.input_size
    sampler = MotionSampler(config.assets, "train", size=size, frames_per_person=4)
    space = MotionSpace.load()
    readout = torch.from_numpy(np.column_stack([space.gap_readout, space.aperture_readout])).float()  # centimetres
    trainee = channels_last(MotionTrainee(config.model))
    weight = torch.tensor(DIMENSION_WEIGHTS)

    pool_rng = np.random.default_rng(config.loop.seed)
    pool_images = np.empty((config.pool, size, size, 3), np.uint8)
    pool_motions = np.empty((config.pool, config.model.motion_dim), np.float32)
    pool_regions = np.empty((config.pool, NUM_REGIONS, MOTION_REGIONS_SIZE, MOTION_REGIONS_SIZE), np.uint8)
    for start in trange(0, config.pool, 40, desc="render"):
        for i, sample in enumerate(sampler.batch(pool_rng, min(40, config.pool - start)), start):
            pool_images[i], pool_motions[i], pool_regions[i] = sample.image, sample.motion, sample.regions
    # mouth and eyes are a hundredth of the picture
    rarity = 1 / region_frequency(pool_regions).clamp(min=1e-4)

    def make_batch(index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        chosen = rng.integers(len(pool_images), size=config.batch)
        images, motions, regions = pool_images[chosen], pool_motions[chosen], pool_regions[chosen]
        flipped = rng.random(config.batch) < 0.5
        images[flipped] = images[flipped, :, ::-1]
        regions[flipped] = regions[flipped, ..., ::-1]
        motions[flipped] = space.mirror(motions[flipped])
        gain = np.exp(rng.normal(0, 0.15, (config.batch, 3, 1, 1))).astype(np.float32)
        arrays = {"image": images, "motion": motions, "regions": regions, "gain": gain}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def loss(modules: Mapping[str, nn.Module], batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        found, regions, gaze = modules["motion"]((as_images(batch["image"]) * batch["gain"]).clamp(0, 1))
        found = found.float()
        error = nn.functional.smooth_l1_loss(found, batch["motion"], reduction="none", beta=0.3)
        latent = (error * weight.to(error.device)).mean()
        difference = found - batch["motion"]
        geometry = (difference[:, EXPRESSION] @ readout.to(difference.device)).abs().mean()
        share = F.adaptive_avg_pool2d(batch["regions"].float() / 255, regions.shape[-1])
        weight_of_cell = 1 + (rarity.to(share.device) - 1).sqrt() * share
        cross = F.binary_cross_entropy_with_logits(regions.float(), share, reduction="none")
        region = (cross * weight_of_cell).mean()
        looking = gaze_loss(gaze, batch["motion"][:, GAZE], batch["regions"][:, 1])
        total = latent + config.readout_weight * geometry + config.region_weight * region + config.gaze_weight * looking
        return {"loss": total, "latent": latent, "geometry": geometry, "regions": region, "gaze": looking}

    held_out = MotionSampler(config.assets, "validation", size=size)
    held_samples = held_out.batch(np.random.default_rng(11), config.validation_images)
    images, motions = np.stack([s.image for s in held_samples]), np.stack([s.motion for s in held_samples])

    def validate(modules: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        trained: Any = modules["motion"]
        device = next(trained.parameters()).device
        chunks = torch.from_numpy(images).split(32)
        found = torch.cat([trained.encoder(as_images(c).to(device)).float().cpu() for c in chunks]).numpy()
        r2 = r_squared(found, motions)
        numbers = {f"r2_{i:02d}": float(v) for i, v in enumerate(r2[:14])}
        gap = np.corrcoef(space.mouth_gap(found), space.mouth_gap(motions))[0, 1]
        lids = np.corrcoef(space.eye_aperture(found).mean(-1), space.eye_aperture(motions).mean(-1))[0, 1]
        return {**numbers, "mouth_gap_correlation": float(gap), "eye_aperture_correlation": float(lids)}

    return TrainingLoop(
        config.loop,
        out,
        {"motion": trainee},
        [Objective("motion", ("motion",), loss, type_rates=EQUALIZED_RATES)],
        make_batch,
        validate,
        cpu=cpu,
    )


def train_motion_encoder(
    config: MotionTrainingConfig,
    out: Path,
    resume: bool = False,
    start_from: Path | None = None,
    cpu: bool = False,
) -> dict[str, float]:
    """Train, and write ``motion_encoder.safetensors`` (half precision) into ``out``.

    Raises:
        InputError: no training data, or nothing to resume.
    """
    if not config.assets:
        raise InputError("there is nothing to train on; give --assets")
    loop = build_loop(config, out, cpu)
    if start_from is not None:
        for trainee in (loop.raw["motion"], loop.ema["motion"]):
            assert isinstance(trainee, MotionTrainee)
            load_weights(trainee.encoder, start_from)

    def export() -> None:
        trainee = loop.ema["motion"]
        assert isinstance(trainee, MotionTrainee)
        save_weights(trainee.encoder, config.model, out / "motion_encoder.safetensors", dtype=torch.float16)

    return run_stage(loop, resume, export)
