"""The person's matte learned from drawn discs: the loss falls, resumed equals uninterrupted, bad data is named."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from imtalker.errors import InputError
from imtalker.faces.person_network import PersonConfig, PersonNetwork
from imtalker.train.loop import LoopConfig
from imtalker.train.person_matte import (
    PersonTrainingConfig,
    augmented,
    build_loop,
    overlap,
    read_pairs,
    train_person_matte,
)
from imtalker.weights.file import load_module
from tests.support.resuming import assert_resumed_equals_uninterrupted


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PersonTrainingConfig:
    """Bright discs before dark noise."""
    folder, rng = tmp_path_factory.mktemp("discs"), np.random.default_rng(0)
    for name in ("pictures", "mattes"):
        (folder / name).mkdir()
    for index in range(8):
        matte = np.zeros((48, 48), np.uint8)
        cv2.circle(matte, tuple(int(v) for v in rng.integers(16, 32, 2)), 12, (255,), -1)
        picture = np.where(matte[..., None] > 0, (230, 200, 160), rng.integers(0, 90, (48, 48, 3))).astype(np.uint8)
        cv2.imwrite(str(folder / "pictures" / f"{index}.png"), picture)
        cv2.imwrite(str(folder / "mattes" / f"{index}.png"), matte)
    loop = LoopConfig(steps=40, learning_rate=1e-2, warmup_steps=3, log_every=10, validate_every=100, ema_decay=0.8)
    sizes = PersonConfig(side=32, channels=(8, 8, 16))
    return PersonTrainingConfig(str(folder), str(folder), sizes, batch=8, other_background=0.2, loop=loop)


def test_the_loss_falls_and_the_weights_find_the_discs(config: PersonTrainingConfig, tmp_path: Path) -> None:
    loop = build_loop(config, tmp_path / "first", cpu=True)
    with torch.no_grad():
        first = loop.objectives[0].loss(loop.raw, loop.make_batch(0, np.random.default_rng(1)), 0)
    numbers = train_person_matte(config, tmp_path, cpu=True)
    assert numbers["person/loss"] < 0.7 * float(first["loss"])
    assert numbers["validation/iou"] > 0.7
    network, sizes, _ = load_module(tmp_path / "person.safetensors", PersonConfig, PersonNetwork)
    assert sizes == config.model
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 1, 32, 32)


def test_resumed_equals_uninterrupted(config: PersonTrainingConfig, tmp_path: Path) -> None:
    config = replace(config, loop=replace(config.loop, steps=4))
    assert_resumed_equals_uninterrupted(
        lambda out: build_loop(config, out, cpu=True), tmp_path / "whole", tmp_path / "parts", 2, "person"
    )


def test_a_matte_stays_with_its_picture(config: PersonTrainingConfig) -> None:
    """Whatever else changes, the disc is brighter than what was round it where nothing else is put behind."""
    pairs, rng = read_pairs(config.data), np.random.default_rng(3)
    for _ in range(20):
        picture, matte = augmented(pairs, 48, 0, rng)
        assert picture.shape == (48, 48, 3) and picture.dtype == np.uint8 and matte.shape == (48, 48)
        assert picture[matte > 200].mean() > picture[matte < 50].mean() + 20


def test_overlap_is_one_for_the_same_and_zero_for_others() -> None:
    left = torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1
    assert overlap(left, left).item() == 1
    assert overlap(left, 1 - left).item() == 0
    assert overlap(left, torch.ones_like(left)).item() == 0.5


def test_bad_data_is_named(config: PersonTrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        read_pairs(tmp_path)
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.png.*no matte"):
        read_pairs(tmp_path)
