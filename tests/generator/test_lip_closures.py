"""Lips that close where they are heard to: nothing else moves, windows stream, doubts change nothing."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from imtalker.config import GeneratorConfig, SamplingOptions
from imtalker.errors import InputError
from imtalker.generator.lip_closures import DOUBT, PARTED, LipClosures
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.generator.motion_statistics import READOUT_NAMES

SURE, NEVER = 6.0, -8.0  # log-odds
READOUT = torch.randn(32, 4, generator=torch.Generator().manual_seed(3))
CONFIG = GeneratorConfig(
    audio_dim=8, condition_dim=16, hidden_dim=32, num_layers=1, num_heads=2, motion_layout="explicit",
    statistics_dim=15, hears_lips=True,
)  # fmt: skip


def motion(opening: Tensor) -> Tensor:
    """Random motion ``(1, n, 32)`` whose lips are as far open as asked."""
    noise = torch.randn(1, len(opening), 32, generator=torch.Generator().manual_seed(4))
    direction = torch.linalg.pinv(READOUT.T)
    return noise + (opening - noise[0] @ READOUT[:, 0])[:, None] * direction[:, 0]


def heard(*frames: tuple[float, float]) -> Tensor:
    return torch.tensor([frames])


def gap(motion: Tensor) -> Tensor:
    return motion[0] @ READOUT[:, READOUT_NAMES.index("gap")]


def test_lips_meet_where_a_closure_is_sure_and_nothing_else_moves() -> None:
    before = motion(torch.full((5,), 0.9))
    after = LipClosures(READOUT).apply(before, heard(*[(NEVER, NEVER)] * 2, (SURE, NEVER), *[(NEVER, NEVER)] * 2))
    opening = gap(after)
    assert opening[2].abs() < 1e-5
    assert 0.9 > opening[1] > opening[2] and 0.9 > opening[3] > opening[2]  # the way there and back
    torch.testing.assert_close(opening[[0, 4]], gap(before)[[0, 4]])
    torch.testing.assert_close(after @ READOUT[:, 1:], before @ READOUT[:, 1:], atol=1e-4, rtol=0)


def test_closed_lips_stay_as_they_are() -> None:
    before = motion(torch.tensor([-0.02, -0.1, 0.0]))
    after = LipClosures(READOUT).apply(before, heard((SURE, NEVER), (SURE, NEVER), (0.0, NEVER)))
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def test_in_pauses_and_in_doubt_the_motion_is_the_sampled_one() -> None:
    before = motion(torch.tensor([0.0, 0.5, -0.01]))
    doubt = float(torch.tensor(DOUBT - 0.005).logit())
    after = LipClosures(READOUT).apply(before, heard((NEVER, SURE), (doubt, NEVER), (NEVER, -1.0)))
    assert torch.equal(after, before)


def test_speech_without_closures_holds_the_lips_apart() -> None:
    after = LipClosures(READOUT).apply(motion(torch.tensor([0.0, 0.8])), heard((NEVER, NEVER), (NEVER, NEVER)))
    assert gap(after)[0] > 0.9 * PARTED
    assert gap(after)[1] == pytest.approx(0.8, abs=1e-5)


def test_a_closure_goes_on_in_the_next_window() -> None:
    before = motion(torch.full((6,), 0.5))
    odds = heard(*[(NEVER, SURE)] * 2, (SURE, NEVER), *[(NEVER, SURE)] * 3)
    whole = LipClosures(READOUT).apply(before, odds)
    windows = LipClosures(READOUT)
    parts = [windows.apply(before[:, :3], odds[:, :3]), windows.apply(before[:, 3:], odds[:, 3:])]
    torch.testing.assert_close(torch.cat(parts, 1), whole)


def test_streamed_features_close_the_same_lips() -> None:
    torch.manual_seed(0)
    model = MotionGenerator(CONFIG).eval()
    model.readout.copy_(READOUT)
    features = torch.randn(1, 60, CONFIG.feature_dim, generator=torch.Generator().manual_seed(1))
    features[:, 10:13, 8] = 9.0
    options = SamplingOptions(num_steps=2)

    def run(pieces) -> Tensor:
        return torch.cat(list(model.generate(pieces, torch.zeros(1, 32), options=options)), 1)

    whole = run(features)
    assert torch.equal(whole, run(iter(features.split([7, 50, 3], 1))))
    assert gap(whole)[10:13].max() < 1e-3


def test_lips_need_readings() -> None:
    with pytest.raises(InputError, match="statistics_dim"):
        MotionGenerator(replace(CONFIG, statistics_dim=0))
