"""Stage 2b: train the motion generator by flow matching (paper section 3.3, eq. 10-12).

The conditions have known units: pose = yaw, pitch, roll / 10 degrees; gaze = degrees / 10 measured from the
camera, so that (0, 0) looks at the viewer however the head is turned; camera = scale, x, y in units of the motion
latent; statistics = where the head rests and the amounts of the style (IF-MDM), see ``motion_statistics.py``.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imtalker.config import GeneratorConfig, SamplingOptions
from imtalker.generator.conditions import AmountLinear
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.generator.motion_layout import CAMERA_CHANNELS, GAZE_CHANNELS, HEAD_CHANNELS, POSE_CHANNELS
from imtalker.generator.motion_statistics import style_condition
from imtalker.train.audio_data import AudioTrainingConfig, is_real, split_corpus
from imtalker.train.loop import LoopConfig, Objective, TrainingLoop, run_stage
from imtalker.train.motion.clips import MotionClips, make_clips
from imtalker.train.motion.scores import Speech, score_generator
from imtalker.train.puppet.motion_space import EXPRESSION, MotionSpace, lid_gap
from imtalker.train.puppet.topology import MEAN_NEUTRAL
from imtalker.train.speech.corpus import load_corpus
from imtalker.train.warm_start import warm_start
from imtalker.weights.audio_encoder import load_audio_encoder
from imtalker.weights.file import save_weights
from imtalker.weights.presets import TINY_GENERATOR

logger = logging.getLogger(__name__)

AMOUNT_RATE = 5.0  # learning-rate factor of the layers that read a style: few numbers, wide range
BLINK_WEIGHT = 4.0  # added to the weight of a frame's lids when they are shut


@dataclass(frozen=True)
class DropoutConfig:
    """How often a condition is null in a training sample.

    The paper drops audio, pose and gaze 0.1 each. Pose, camera and gaze are dropped more here: a short training
    should mostly see what most users do, who leave them to the model.
    """

    audio: float = 0.1
    pose: float = 0.6
    camera: float = 0.6
    gaze: float = 0.6
    statistics: float = 0.1
    context: float = 0.4  # the frames before the window and their conditions together
    constant: float = 0.5  # share of given poses and gazes that are the clip's mean instead of the exact track


@dataclass(frozen=True)
class GeneratorTrainingConfig:
    """Stage 2b."""

    corpus: str = "speech"  # folder made by speech_corpus
    audio_encoder: str = "audio/audio_encoder.safetensors"  # trained by train-audio
    generator: GeneratorConfig = TINY_GENERATOR
    start_from: str | None = None  # generator.safetensors to begin with, of the same or an older architecture
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=6000, learning_rate=1.5e-3, warmup_steps=100, ema_decay=0.995)
    )
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    batch_size: int = 32
    clips: int = 900  # pieces of speech
    variants: int = 2  # different motions for each
    validation_clips: int = 6
    expression_weight: float = 2.0  # of the expression's channels
    head_weight: float = 4.0  # of head and eyes: with less the amounts of a style are not learned
    manner_weight: float = 10.0  # of the errors of brow raise and smile, 0..1
    closure_weight: float = 14.0  # added to that in frames where the lips must meet
    gap_weight: float = 2.0  # of the error of the lip opening, in cm
    lid_weight: float = 4.0  # of the error of the lid openings, relative to open eyes
    smoothness_weight: float = 0.5  # of the error of frame-to-frame differences
    border_weight: float = 6.0  # added to the head's weight in a window's first frames, where it has to go on
    # 1: the paper's path, straight in time. 2: the same path, left ever slower: the equal steps of the sampler then
    # become finer towards the motion, where a coarse last step would leave noise as trembling.
    time_power: float = 2.0


class MotionBatches:
    """Random windows of clips with their conditions; a pure function of index and rng.

    ``features`` are what the audio encoder hears in the clips, ``MotionClips.features``.
    """

    def __init__(self, clips: MotionClips, features: np.ndarray, config: GeneratorTrainingConfig):
        self.clips, self.features, self.config = clips, features, config
        self.style = style_condition(torch.from_numpy(clips.amounts())).numpy()

    def __call__(self, index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        items = [self._window(rng) for _ in range(self.config.batch_size)]
        return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0]}

    def _window(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        clips, drop = self.clips, self.config.dropout
        context, length = self.config.generator.context_frames, self.config.generator.window_frames
        clip = rng.integers(len(clips))
        variant = rng.integers(clips.motion.shape[0])
        own = slice(clips.start[clip], clips.start[clip] + clips.frames[clip])
        motion, gaze = clips.motion[variant, own], clips.gaze[variant, own]
        first = rng.integers(0, max(1, clips.frames[clip] - length + 1))
        # Frames past the clip's ends repeat the outermost one; before the clip there is no context.
        frames = np.arange(first - context, first + length)
        inside = np.clip(frames, 0, clips.frames[clip] - 1)
        portrait = rng.random() < 0.5
        reference = clips.portrait[variant, clip] if portrait else motion[rng.integers(len(motion))]
        head = motion[:, HEAD_CHANNELS]
        # Statistics tell where the head rests; at use that is the portrait's own pose, so it is the mean here.
        mean = clips.portrait[variant, clip][HEAD_CHANNELS] if rng.random() < 0.5 else head.mean(0)
        pose, camera, look = motion[inside][:, POSE_CHANNELS], motion[inside][:, CAMERA_CHANNELS], gaze[inside]
        if rng.random() < drop.constant:
            pose = np.broadcast_to(motion[:, POSE_CHANNELS].mean(0), pose.shape)
            camera = np.broadcast_to(motion[:, CAMERA_CHANNELS].mean(0), camera.shape)
        if rng.random() < drop.constant:
            look = np.broadcast_to(np.median(gaze, 0), look.shape)
        kept = rng.random() >= drop.context and first >= context
        keep = {
            name: np.where(np.arange(len(frames)) < context, kept, True) & (rng.random() >= getattr(drop, name))
            for name in ("audio", "pose", "camera", "gaze", "statistics")
        }
        return {
            "motion": motion[inside],
            "context_kept": np.asarray(kept, np.float32),
            "reference": reference,
            "close": clips.close[own][inside].astype(np.float32),
            "audio": self.features[own][inside].astype(np.float32),
            "pose": pose.astype(np.float32),
            "camera": camera.astype(np.float32),
            "gaze": look.astype(np.float32),
            "statistics": np.concatenate([mean, self.style[variant, clip]]).astype(np.float32),
            **{f"keep_{name}": value for name, value in keep.items()},
        }


class FlowMatchingLoss:
    """Error of the velocity (eq. 11), of its frame-to-frame differences, and of the lip and lid openings it implies."""

    def __init__(self, config: GeneratorTrainingConfig, space: MotionSpace, manner: np.ndarray):
        """``manner (32, 2)`` reads brow raise and smile off a motion."""
        self.config = config
        self.manner = torch.from_numpy(manner).float()
        self.gap = torch.from_numpy(space.gap_readout).float()
        self.lids = torch.from_numpy(space.aperture_readout / lid_gap(MEAN_NEUTRAL)).float()

    def __call__(self, modules: Mapping[str, nn.Module], batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        config, generator = self.config, modules["generator"]
        size = config.generator.context_frames
        motion = batch["motion"]
        target = motion[:, size:]
        context = motion[:, :size] * batch["context_kept"][:, None, None]
        noise = torch.randn_like(target)
        t = torch.rand(len(target), device=target.device)
        power = config.time_power
        progress = (1 - (1 - t) ** power)[:, None, None]
        speed = (power * (1 - t) ** (power - 1))[:, None, None]
        x_t = torch.lerp(noise, target, progress)
        names = ("audio", "pose", "camera", "gaze", "statistics")
        keep = {name: batch[f"keep_{name}"] for name in names}
        raw: Any = generator
        velocity = raw(x_t, t, {name: batch[name] for name in names}, keep, context, batch["reference"])
        # Relative to the speed along the path, so that late times count as much as early ones.
        error = (velocity.float() - speed * (target - noise)) / (speed.square() + 0.02).sqrt()
        weight = torch.ones(motion.shape[-1], device=error.device)
        weight[EXPRESSION] = config.expression_weight
        weight[: GAZE_CHANNELS.stop] = config.head_weight
        frame_weight = torch.ones_like(error)
        frame_weight[..., EXPRESSION] += (
            config.closure_weight / config.expression_weight * batch["close"][:, size:, None]
        )
        # The first frames of a window go on from the context: a small offset there is a jump that everybody sees.
        border = torch.exp(-torch.arange(error.shape[1], device=error.device) / 3)[:, None]
        frame_weight[..., HEAD_CHANNELS] += config.border_weight * border * batch["context_kept"][:, None, None]
        flow = (error.square() * weight * frame_weight).mean()
        smooth = (error.diff(dim=1).square() * weight).mean()
        gap = ((error[..., EXPRESSION] @ self.gap.to(error.device)).square() * frame_weight[..., 8]).mean()
        lids = self.lids.to(error.device)
        # a blink lasts a few frames in a hundred; without their weight lids come half down
        blink = 1 + BLINK_WEIGHT * (-(target[..., EXPRESSION] @ lids)).clamp(0, 1)
        lid = ((error[..., EXPRESSION] @ lids).square() * blink).mean()
        manner = (error @ self.manner.to(error.device)).square().mean()
        loss = flow + config.smoothness_weight * smooth + config.gap_weight * gap + config.lid_weight * lid
        loss = loss + config.manner_weight * manner
        terms = {"flow": flow, "smooth": smooth, "gap": gap, "lid": lid, "manner": manner}
        return {"loss": loss, **terms, "plain": error.square().mean()}


class TrainedGenerator(nn.Module):
    """The generator with projection and network in one call, as several processes need."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.generator = MotionGenerator(config)
        self.generator.transformer.initialise()

    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        conditions: dict[str, Tensor],
        keep: dict[str, Tensor],
        context: Tensor,
        reference: Tensor,
    ) -> Tensor:
        """Velocity of the window under raw conditions, dropped where ``keep`` is False."""
        frames = conditions["audio"].shape[1]
        conditions = {**conditions, "statistics": conditions["statistics"][:, None].expand(-1, frames, -1)}
        projected = self.generator.projections(**conditions, keep=keep)
        return self.generator(x_t, t, projected, context, reference)


def build_loop(config: GeneratorTrainingConfig, out: Path, cpu: bool = False) -> TrainingLoop:
    """The generator, its clips (made once, kept in ``out``, for any audio encoder) and its validation."""
    space = MotionSpace.load()
    encoder, _, _ = load_audio_encoder(config.audio_encoder)
    speech = AudioTrainingConfig()
    train, kept = split_corpus(load_corpus(config.corpus), speech)
    path = out / "clips.npz"
    if not path.is_file():
        logger.info("making %d clips", config.clips)
        make_clips(train, space, config.clips, config.variants, config.loop.seed, speech.shares).save(path)
    clips = MotionClips.load(path)
    real = [u for u in kept if is_real(u.voice)] or kept or train
    speeches = [Speech.of(u, encoder) for u in real[: config.validation_clips]]

    def validate(modules: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        trained: Any = modules["generator"]
        return score_generator(trained.generator, speeches, space, SamplingOptions())

    torch.manual_seed(config.loop.seed)
    trained = TrainedGenerator(config.generator)
    if config.start_from is not None:
        warm_start(trained.generator, config.start_from)
    if config.generator.statistics_dim:
        trained.generator.typical.copy_(torch.from_numpy(clips.typical()))
        trained.generator.readout.copy_(torch.from_numpy(clips.readout))
    loss = FlowMatchingLoss(config, space, clips.readout[:, 2:])
    objective = Objective("motion", ("generator",), loss, type_rates={AmountLinear: AMOUNT_RATE})
    heard = clips.features(encoder)[:, : config.generator.audio_dim]  # what is heard of the lips acts after sampling
    batches = MotionBatches(clips, heard, config)
    return TrainingLoop(config.loop, out, {"generator": trained}, [objective], batches, validate, cpu=cpu)


def train_generator(config: GeneratorTrainingConfig, out: Path | str, resume: bool = False) -> dict[str, float]:
    """Train and write ``generator.safetensors`` (EMA weights, half precision) into ``out``.

    Raises
    ------
    InputError: the corpus is missing, or there is nothing to resume.
    WeightsError: the audio encoder is missing or damaged.
    """
    out = Path(out)
    loop = build_loop(config, out)
    return run_stage(loop, resume, lambda: export(loop, config, out))


def export(loop: TrainingLoop, config: GeneratorTrainingConfig, out: Path) -> None:
    """Write the EMA generator in the preset format."""
    trained: Any = loop.ema["generator"]
    path = out / "generator.safetensors"
    save_weights(trained.generator, config.generator, path, dtype=torch.float16, step=str(loop.step))
