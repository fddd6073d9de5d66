"""Stage 1b on drawn puppets: the loss falls, resumed equals uninterrupted, the renderer reads what comes out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imtalker.config import RendererConfig
from imtalker.renderer.motion_encoder import MotionEncoder
from imtalker.train.loop import LoopConfig
from imtalker.train.motion_encoder import (
    MotionTrainee,
    MotionTrainingConfig,
    build_loop,
    r_squared,
    train_motion_encoder,
)
from imtalker.weights.file import load_module
from tests.support.puppet_person import save_drawn_people
from tests.support.resuming import assert_resumed_equals_uninterrupted
from tests.support.small_configs import TINY_SMALL


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> MotionTrainingConfig:
    folder = tmp_path_factory.mktemp("people")
    save_drawn_people(folder)
    loop = LoopConfig(steps=30, learning_rate=3e-3, warmup_steps=3, log_every=30, validate_every=100, ema_decay=0.9)
    return MotionTrainingConfig(
        assets=(str(folder),), model=TINY_SMALL, batch=8, pool=32, validation_images=8, loop=loop
    )


def test_loss_falls_and_the_weights_are_a_motion_encoder(config: MotionTrainingConfig, tmp_path: Path) -> None:
    loop = build_loop(config, tmp_path / "first", cpu=True)
    batch = loop.make_batch(0, np.random.default_rng(1))
    with torch.no_grad():
        first = loop.objectives[0].loss(loop.raw, batch, 0)
    numbers = train_motion_encoder(config, tmp_path, cpu=True)
    assert numbers["motion/loss"] < 0.9 * float(first["loss"])
    assert numbers["motion/regions"] < 0.9 * float(first["regions"])
    path = tmp_path / "motion_encoder.safetensors"
    encoder, _, _ = load_module(path, RendererConfig, MotionEncoder)
    again = build_loop(config, tmp_path / "again", cpu=True)
    trainee = again.raw["motion"]
    assert isinstance(trainee, MotionTrainee)
    image = torch.rand(2, 3, 128, 128)
    assert not torch.equal(trainee.encoder.eval()(image), encoder(image))
    train_motion_encoder(
        replace(config, loop=replace(config.loop, steps=0)), tmp_path / "again", start_from=path, cpu=True
    )
    same, _, _ = load_module(tmp_path / "again" / "motion_encoder.safetensors", RendererConfig, MotionEncoder)
    torch.testing.assert_close(same(image), encoder(image))


def test_resumed_equals_uninterrupted(config: MotionTrainingConfig, tmp_path: Path) -> None:
    config = replace(config, loop=replace(config.loop, steps=4))
    assert_resumed_equals_uninterrupted(
        lambda out: build_loop(config, out, cpu=True), tmp_path / "whole", tmp_path / "parts", 2, "motion"
    )


def test_r_squared_is_one_for_the_truth_and_zero_for_the_mean() -> None:
    true = np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_allclose(r_squared(true, true), 1)
    np.testing.assert_allclose(r_squared(np.broadcast_to(true.mean(0), true.shape), true), 0, atol=1e-12)
