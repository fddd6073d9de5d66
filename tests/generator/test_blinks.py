"""Blinks as often as asked for, whatever the network does by itself."""

import numpy as np
import pytest
import torch
from torch import Tensor

from imtalker.generator.blinks import BLINK, BlinkRate
from imtalker.generator.motion_statistics import READOUT_NAMES, count_blinks

LIDS = READOUT_NAMES.index("lids")
MINUTE = 1500  # frames


@pytest.fixture
def readout() -> Tensor:
    return torch.randn(32, 4, generator=torch.Generator().manual_seed(0))


def motion(readout: Tensor, blinks_at: list[int], frames: int = MINUTE) -> Tensor:
    """``(1, frames, 32)``: some motion whose lids are open but for blinks at these frames."""
    moving = 0.05 * torch.randn(frames, 32, generator=torch.Generator().manual_seed(1))
    opening = torch.full((frames,), 0.95)
    for frame in blinks_at:
        opening[frame : frame + len(BLINK)] = (0.95 * BLINK)[: max(0, frames - frame)]
    wanted = moving @ readout
    wanted[:, LIDS] = opening - 1
    return (moving + (wanted - moving @ readout) @ torch.linalg.pinv(readout))[None]


def edited(readout: Tensor, given: Tensor, blinks: float, seed: int = 0, window: int = 50) -> Tensor:
    rate = BlinkRate(readout, blinks, seed)
    return torch.cat([rate.apply(part) for part in given.split(window, dim=1)], dim=1)


def opening(readout: Tensor, moved: Tensor) -> Tensor:
    return 1 + (moved[0] @ readout)[:, LIDS]


@pytest.mark.parametrize("by_itself", [0, 13, 60])
@pytest.mark.parametrize("asked", [2, 5, 17, 40, 60])
def test_blinks_are_as_many_as_asked(readout, asked, by_itself):
    times = np.linspace(5, MINUTE - 20, by_itself).astype(int).tolist() if by_itself else []
    given = motion(readout, times)
    found = [count_blinks(opening(readout, edited(readout, given, asked, seed))) for seed in range(4)]
    assert np.mean(found) == pytest.approx(asked, rel=0.35, abs=2)


def test_four_seconds_hold_a_blink(readout):
    for seed in range(30):
        assert count_blinks(opening(readout, edited(readout, motion(readout, [], 100), 17.0, seed))) >= 1


def test_lids_alone_are_moved_and_never_stay_shut(readout):
    given = motion(readout, [40, 47, 96, 99, 140, 290])  # also across the borders of windows
    for asked in (2.0, 17.0, 60.0):
        result = edited(readout, given, asked)
        others = [column for column in range(4) if column != LIDS]
        assert torch.allclose((result @ readout)[..., others], (given @ readout)[..., others], atol=1e-4)
        lids = opening(readout, result)
        shut = "".join("x" if value < 0.5 else " " for value in lids.tolist()).split()
        assert max(map(len, shut)) <= 10 and lids.min() > -0.2  # 0.4 s


def test_the_seed_decides_and_shut_eyes_stay_shut(readout):
    given = motion(readout, [])
    assert torch.equal(edited(readout, given, 17.0), edited(readout, given, 17.0))
    assert not torch.equal(edited(readout, given, 17.0), edited(readout, given, 17.0, seed=1))
    asleep = given + torch.linalg.pinv(readout.T)[:, LIDS] * -0.9
    assert torch.equal(edited(readout, asleep, 17.0), asleep)
