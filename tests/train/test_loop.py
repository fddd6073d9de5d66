"""The shared training loop: resuming changes nothing, objectives stay apart, rates follow the schedule."""

import numpy as np
import pytest
import torch
from torch import nn

from imtalker.errors import InputError
from imtalker.train.loop import LoopConfig, Objective, TrainingLoop, learning_rate_at


def make_batch(index, rng):
    x = rng.standard_normal((8, 3)).astype(np.float32)
    return {"x": torch.from_numpy(x), "y": torch.from_numpy(x @ np.float32([[1.0], [-2.0], [0.5]]))}


def loss(modules, batch, step):
    x = nn.functional.dropout(batch["x"], 0.1, training=True)
    return {"loss": (modules["model"](x) - batch["y"]).square().mean()}


def build(out):
    torch.manual_seed(0)
    config = LoopConfig(steps=12, warmup_steps=2, gradient_accumulation=2, log_every=5, save_every=3)
    model = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 1))
    return TrainingLoop(config, out, {"model": model}, [Objective("fit", ("model",), loss)], make_batch, cpu=True)


def test_resumed_equals_uninterrupted(tmp_path):
    whole = build(tmp_path / "whole")
    whole.run()
    build(tmp_path / "parts").run(until=5)
    rest = build(tmp_path / "parts")
    rest.resume()
    assert rest.step == 5
    rest.run()
    for a, b in zip(whole.raw["model"].parameters(), rest.raw["model"].parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(whole.ema["model"].parameters(), rest.ema["model"].parameters(), strict=True):
        assert torch.equal(a, b)


def test_two_objectives_train_only_their_own_modules(tmp_path):
    config = LoopConfig(steps=1, warmup_steps=1)
    modules = {"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)}
    before = {name: module.weight.detach().clone() for name, module in modules.items()}

    def through_both(modules, batch, step):
        return {"loss": modules["b"](modules["a"](batch)).square().mean()}

    loop = TrainingLoop(
        config,
        tmp_path,
        modules,
        [Objective("a", ("a",), through_both)],
        lambda i, rng: torch.ones(1, 2),
        cpu=True,
    )
    loop.run()
    assert not torch.equal(loop.raw["a"].weight, before["a"])
    assert torch.equal(loop.raw["b"].weight, before["b"])


def test_learning_rate_schedule():
    config = LoopConfig(steps=100, learning_rate=1.0, warmup_steps=10, final_rate=0.1)
    rates = [learning_rate_at(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.1)


def test_resume_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"checkpoint\.pt"):
        build(tmp_path).resume()
