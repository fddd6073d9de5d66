"""Solvers converge at their order, count evaluations honestly; guidance and noise keep their laws."""

import math
from dataclasses import replace

import pytest
import torch

from imtalker.config import SamplingOptions
from imtalker.errors import InputError
from imtalker.generator.flow import apply_guidance, check_options, integrate, noise_windows, time_grid


def solve(num_steps: int, solver: str) -> float:
    """Error at t = 1 of dx/dt = -x + t, x(0) = 1, whose solution is 2 exp(-t) + t - 1."""
    start = torch.ones(1, dtype=torch.float64)
    times = time_grid(num_steps, solver).double()
    end = integrate(lambda x, t: t - x, start, times, solver)
    return abs(float(end) - 2 * math.exp(-1))


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_error_falls_with_the_order_of_the_solver(solver: str, order: int) -> None:
    ratio = solve(32, solver) / solve(64, solver)
    assert ratio == pytest.approx(2**order, rel=0.1)


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
def test_num_steps_counts_network_evaluations(solver: str) -> None:
    calls = []
    integrate(lambda x, t: calls.append(t) or x, torch.ones(2), time_grid(8, solver), solver)
    assert len(calls) == 8


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
def test_a_straight_flow_is_solved_exactly_by_any_solver(solver: str) -> None:
    noise, motion = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    end = integrate(lambda x, t: motion - noise, noise, time_grid(2, solver), solver)
    torch.testing.assert_close(end, motion)


def test_official_nfe_10_is_nine_euler_steps() -> None:
    torch.testing.assert_close(time_grid(9), torch.linspace(0, 1, 10))


def test_guidance_on_one_condition_is_equation_12() -> None:
    conditional, null = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(apply_guidance(conditional, [null], [3.0]), null + 3 * (conditional - null))
    torch.testing.assert_close(apply_guidance(conditional, [null], [0.0]), null)


def test_guidance_scales_of_one_change_nothing_and_effects_add() -> None:
    v, a, b = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(apply_guidance(v, [a, b], [1.0, 1.0]), v)
    torch.testing.assert_close(apply_guidance(v, [a, b], [2.0, 3.0]), v + (v - a) + 2 * (v - b))
    torch.testing.assert_close(apply_guidance(v, [a, b], [2.0, 3.0]), apply_guidance(v, [b, a], [3.0, 2.0]))


def test_noise_stream_is_one_draw_and_repeat_is_its_beginning() -> None:
    stream, repeat = noise_windows((4, 2), 7, "stream"), noise_windows((4, 2), 7, "repeat")
    first, second = next(stream), next(stream)
    assert not torch.equal(first, second)
    assert torch.equal(next(noise_windows((4, 2), 7)), first)
    assert torch.equal(next(repeat), first) and torch.equal(next(repeat), first)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_steps": 0}, "num_steps"),
        ({"num_steps": 2.5}, "num_steps"),
        ({"num_steps": 5, "solver": "heun"}, "num_steps"),
        ({"solver": "rk45"}, "solver"),
        ({"guidance_scale": math.nan}, "guidance_scale"),
        ({"guidance_scale": -1.0}, "guidance_scale"),
        ({"pose_guidance": 1000.0}, "pose_guidance"),
        ({"gaze_guidance": "2"}, "gaze_guidance"),
        ({"seed": -1}, "seed"),
        ({"noise": "pink"}, "noise"),
    ],
)
def test_bad_options_name_the_value(change: dict, named: str) -> None:
    check_options(SamplingOptions())
    with pytest.raises(InputError, match=named):
        check_options(replace(SamplingOptions(), **change))
