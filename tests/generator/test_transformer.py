"""The velocity network: samples do not mix, context and conditions count, the band mask is a band."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from imtalker.config import GeneratorConfig
from imtalker.generator.conditions import ConditionProjections
from imtalker.generator.transformer import FlowMatchingTransformer
from imtalker.generator.transformer_block import rotary_tables, rotate

ROTARY = GeneratorConfig(
    audio_dim=8, condition_dim=16, hidden_dim=32, num_layers=2, num_heads=2, window_frames=12, context_frames=4
)
ADDITIVE = replace(ROTARY, position="additive", attention_band=2, num_layers=1)


def network(config: GeneratorConfig) -> FlowMatchingTransformer:
    torch.manual_seed(0)
    return FlowMatchingTransformer(config).eval()


def inputs(batch: int = 2, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"x_t": (12, 32), "condition": (16, 16), "context": (4, 32), "reference": (32,)}
    values = {name: torch.randn(batch, *shape, generator=generator) for name, shape in shapes.items()}
    return {**values, "t": torch.rand(batch, generator=generator)}


@pytest.mark.parametrize("config", [ROTARY, ADDITIVE])
@torch.no_grad()
def test_samples_of_a_batch_do_not_mix(config: GeneratorConfig) -> None:
    model, batch = network(config), inputs()
    together = model(**batch)
    assert together.shape == (2, 12, 32)
    for i in range(2):
        alone = model(**{name: value[i : i + 1] for name, value in batch.items()})
        torch.testing.assert_close(alone, together[i : i + 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["x_t", "condition", "context", "reference", "t"])
@torch.no_grad()
def test_every_input_counts(name: str) -> None:
    model, batch = network(ROTARY), inputs(1)
    changed = {**batch, name: batch[name] + 0.5}
    assert (model(**changed) - model(**batch)).abs().max() > 1e-3


@torch.no_grad()
def test_a_scalar_time_is_every_samples_time() -> None:
    model, batch = network(ROTARY), inputs()
    times = torch.full((2,), 0.3)
    torch.testing.assert_close(model(**{**batch, "t": times[0]}), model(**{**batch, "t": times}))


@torch.no_grad()
def test_a_frame_outside_the_band_has_no_influence() -> None:
    model, batch = network(ADDITIVE), inputs(1)
    changed = {**batch, "x_t": batch["x_t"].clone()}
    changed["x_t"][:, 6] += 1
    moved = (model(**changed) - model(**batch)).abs().amax(dim=(0, 2))
    assert moved.gt(1e-6).nonzero().flatten().tolist() == [4, 5, 6, 7, 8]


def test_rotary_products_depend_on_the_distance_only() -> None:
    tables = rotary_tables(10, 8)
    q, k = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    scores = rotate(q.expand(10, 8), *tables) @ rotate(k.expand(10, 8), *tables).T
    torch.testing.assert_close(scores[1:, 1:], scores[:-1, :-1], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_initial_network_is_still() -> None:
    model = network(ROTARY)
    model.initialise()
    assert model(**inputs()).abs().max() == 0


@torch.no_grad()
def test_masked_conditions_are_null_per_sample_and_per_frame() -> None:
    torch.manual_seed(0)
    project = ConditionProjections(ROTARY)
    audio, pose = torch.randn(2, 6, 8), torch.randn(2, 6, 3)
    full = project(audio, pose)
    frames = torch.tensor([[True] * 3 + [False] * 3] * 2)
    kept = project(audio, pose, keep={"audio": torch.tensor([True, False]), "pose": frames})
    assert kept.pose is not None and full.pose is not None
    assert torch.equal(kept.audio[0], full.audio[0]) and kept.audio[1].abs().max() == 0
    assert torch.equal(kept.pose[:, :3], full.pose[:, :3]) and kept.pose[:, 3:].abs().max() == 0
    torch.testing.assert_close(project(audio).total(), full.without("pose").total())
