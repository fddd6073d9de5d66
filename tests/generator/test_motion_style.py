"""Laws of styles: what is made with an amount measures as that amount; bad options are named."""

from typing import Any

import numpy as np
import pytest
import torch

from imtalker.errors import InputError
from imtalker.generator.motion_statistics import (
    RESPONSE_GRID,
    amounts_to_ask,
    count_blinks,
    measured_style,
    motion_amounts,
    style_condition,
)
from imtalker.generator.motion_style import LIMITS, STYLE_DIM, STYLE_NAMES, MotionStyle

READOUT = torch.zeros(32, 4)
READOUT[8:12] = torch.eye(4)
TYPICAL = torch.tensor([0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5, 1.0, 1.0])


def sway(amount: float) -> torch.Tensor:
    """Four seconds in which every channel moves ``amount`` times as far as is typical; two blinks, a smile of 0.3."""
    wave = torch.sin(torch.arange(100) * 2 * torch.pi / 50)
    motion = torch.zeros(100, 32)
    deviations = [0.2, 0.1, 0.1, 0.1, 0.1, 0.1]
    for channel, deviation in enumerate(deviations):
        motion[:, channel] = amount * deviation * 2**0.5 * wave
    motion[:, 6:8] = amount * 0.1 * 2**0.5 * wave[:, None] - motion[:, :2]
    motion[:, 8] = amount * 0.25 * (1 + wave) / 0.95
    motion[[20, 21, 70, 71], 9] = -1.0
    motion[:, 10] = amount * 0.1 * 2**0.5 * wave
    motion[:, 11] = 0.3
    return motion


@pytest.mark.parametrize("amount", [0.25, 1.0, 2.0])
def test_amounts_measure_as_they_were_made(amount: float) -> None:
    found = motion_amounts(sway(amount), READOUT, TYPICAL)
    torch.testing.assert_close(found[:7], torch.full((7,), amount), rtol=0.06, atol=0.01)
    style = measured_style(sway(amount), READOUT, TYPICAL)
    assert style.head == pytest.approx(amount, rel=0.06)
    assert style.blinks == pytest.approx(30) and style.smile == pytest.approx(0.3)


def test_a_measured_style_asks_for_what_was_measured() -> None:
    style = measured_style(sway(1.5), READOUT, TYPICAL)
    asked = dict(zip(STYLE_NAMES, style.amounts(0.0), strict=True))
    found = dict(zip(STYLE_NAMES, motion_amounts(sway(1.5), READOUT, TYPICAL).tolist(), strict=True))
    assert {**asked, "gaze": 0} == pytest.approx({**found, "gaze": 0}, rel=0.06)


def test_expressiveness_scales_everything_together() -> None:
    calm, lively = (np.array(MotionStyle(expressiveness=x).amounts(0.5)) for x in (0.5, 2.0))
    assert len(calm) == STYLE_DIM
    np.testing.assert_allclose((lively / calm)[[0, 1, 2, 3, 5]], 4)
    np.testing.assert_allclose(lively[6] / calm[6], 2)
    np.testing.assert_allclose(lively[7:], calm[7:])


def test_a_smile_is_kept_unless_another_is_asked_for() -> None:
    assert MotionStyle().amounts(0.4)[-1] == 0.4 and MotionStyle(smile=0.1).amounts(0.4)[-1] == 0.1
    assert MotionStyle().amounts(-0.2)[-1] == 0  # who frowns is asked for no smile


def test_the_condition_keeps_the_amount() -> None:
    amounts = torch.tensor([[0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.0], [3.0] * 8 + [1.0]])
    difference = style_condition(amounts).diff(dim=0)[0]
    torch.testing.assert_close(difference[:-1], torch.full((8,), np.log(12), dtype=torch.float32))
    assert torch.isfinite(style_condition(torch.zeros(STYLE_DIM))).all()


def test_blinks_are_counted_once_each() -> None:
    aperture = torch.ones(50)
    aperture[10:13] = torch.tensor([0.3, 0.0, 0.4])
    aperture[30:35] = torch.tensor([0.4, 0.1, 0.6, 0.3, 0.8])  # shut once, half open between
    assert count_blinks(aperture) == 2


@pytest.mark.parametrize("name", LIMITS)
def test_options_out_of_range_are_named(name: str) -> None:
    values: list[Any] = [LIMITS[name][1] + 0.1, LIMITS[name][0] - 0.1, float("nan"), "much", True]
    for value in values:
        with pytest.raises(InputError, match=name):
            MotionStyle(**{name: value})


def test_a_clip_too_short_for_statistics_is_refused() -> None:
    with pytest.raises(InputError, match="two seconds"):
        measured_style(torch.zeros(20, 32), READOUT, TYPICAL)


def test_a_measured_response_is_undone() -> None:
    grid = torch.tensor(RESPONSE_GRID)
    response = grid.repeat(STYLE_DIM, 1)
    response[0] = 0.5 * grid**0.5  # a network that moves less, and changes less, than it is told
    asked = torch.full((STYLE_DIM,), 0.5)
    told, expected = amounts_to_ask(asked, response)
    assert told[0] == pytest.approx(1.0, rel=0.01) and expected[0] == pytest.approx(0.5, rel=0.01)
    torch.testing.assert_close(told[1:], asked[1:], rtol=1e-3, atol=1e-3)
    # Where no telling is enough the end of the grid is told, and what it lacks is known.
    told, expected = amounts_to_ask(torch.full((STYLE_DIM,), 3.0), response)
    assert told[0] == pytest.approx(3.0, rel=0.01) and expected[0] == pytest.approx(0.5 * 3**0.5, rel=0.01)
