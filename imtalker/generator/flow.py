"""Sampling as pure functions: time grid, solvers of the flow's ODE, classifier-free guidance, noise (eq. 12)."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from imtalker.config import SAMPLING_LIMITS, SamplingOptions
from imtalker.errors import InputError

Velocity = Callable[[Tensor, Tensor], Tensor]  # (x, t scalar) -> dx/dt, shaped like x
Solver = Callable[[Velocity, Tensor, Tensor, Tensor], Tensor]  # (velocity, x, t, dt) -> x at t + dt


def euler_step(velocity: Velocity, x: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """First order, one evaluation."""
    return x + dt * velocity(x, t)


def midpoint_step(velocity: Velocity, x: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """Second order, two evaluations."""
    return x + dt * velocity(x + dt / 2 * velocity(x, t), t + dt / 2)


def heun_step(velocity: Velocity, x: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """Second order, two evaluations."""
    first = velocity(x, t)
    return x + dt / 2 * (first + velocity(x + dt * first, t + dt))


SOLVERS: dict[str, tuple[Solver, int]] = {  # step and its network evaluations
    "euler": (euler_step, 1),
    "midpoint": (midpoint_step, 2),
    "heun": (heun_step, 2),
}


def check_options(options: SamplingOptions) -> None:
    """Raise ``InputError`` for the first option that cannot be used."""
    if options.solver not in SOLVERS:
        raise InputError(f"solver {options.solver!r:.60} is unknown; choose one of {', '.join(SOLVERS)}")
    for name, limits in SAMPLING_LIMITS.items():
        limits.check(name, getattr(options, name), " (1 is off)" if "guidance" in name else "")
    evaluations = SOLVERS[options.solver][1]
    if options.num_steps % evaluations:
        raise InputError(
            f"num_steps is {options.num_steps}, but {options.solver} spends {evaluations} network evaluations per "
            f"step; give a multiple of {evaluations}"
        )
    if options.noise not in ("stream", "repeat"):
        raise InputError(f"noise is {options.noise!r:.60}; choose 'stream' or 'repeat'")


def time_grid(num_steps: int, solver: str = "euler") -> Tensor:
    """Times from 0 (noise) to 1 (motion) for ``num_steps`` network evaluations.

    The official ``nfe=10`` counts grid points, not evaluations: it is ``num_steps=9`` with Euler.
    """
    return torch.linspace(0, 1, num_steps // SOLVERS[solver][1] + 1)


def integrate(velocity: Velocity, x: Tensor, times: Tensor, solver: str = "euler") -> Tensor:
    """State at ``times[-1]`` of dx/dt = velocity(x, t) from ``x`` at ``times[0]``."""
    step = SOLVERS[solver][0]
    times = times.to(x.device)
    for t, t_next in pairwise(times):
        x = step(velocity, x, t, t_next - t)
    return x


def apply_guidance(conditional: Tensor, nulled: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """Classifier-free guidance with a scale per condition; ``v_i`` is the velocity with condition i null.

    For one condition this is eq. 12, ``v_1 + w (v - v_1)``; each further one adds ``(w_i - 1) (v - v_i)``,
    so that a scale of 1 changes nothing.
    """
    if not nulled:
        return conditional
    guided = nulled[0] + scales[0] * (conditional - nulled[0])
    for velocity, scale in zip(nulled[1:], scales[1:], strict=True):
        guided = guided + (scale - 1) * (conditional - velocity)
    return guided


def noise_windows(shape: Sequence[int], seed: int, mode: str = "stream") -> Iterator[Tensor]:
    """Standard normal noise, one tensor per window, drawn on the CPU so that every device gets the same.

    ``"stream"`` continues one random stream through the clip; ``"repeat"`` gives every window the same noise,
    as the official sampler does with a fixed seed.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        if mode == "repeat":
            generator.manual_seed(seed)
        yield torch.randn(*shape, generator=generator)
