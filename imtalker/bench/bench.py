"""The benchmark: how fast, how much memory, how far from the machine's limits."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from imtalker.bench.curves import CURVES, Curve, measure_curves
from imtalker.bench.stages import (
    EndToEnd,
    ReferenceRatio,
    StageTiming,
    compare_with_reference,
    run_end_to_end,
    time_compiled,
    time_stages,
)
from imtalker.bench.stopwatch import MachineLimits, Timing, describe_machine, machine_limits
from imtalker.devices import resolve_device, resolve_precision
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.pipeline.talking_head import TalkingHeadPipeline, made_fast
from imtalker.renderer import Renderer
from imtalker.version import __version__
from imtalker.weights.audio_encoder import build_audio_encoder
from imtalker.weights.load import Models
from imtalker.weights.presets import get_preset


@dataclass(frozen=True)
class BenchReport:
    """Everything one run of the benchmark found."""

    preset: str
    weights: str
    device: str
    dtype: str
    batch_size: int
    machine: dict[str, str]
    limits: MachineLimits
    stages: list[StageTiming]
    reference: ReferenceRatio
    compiled: tuple[Timing, Timing] | None  # eager, compiled
    run: EndToEnd
    curves: list[Curve]

    def as_dict(self) -> dict:
        """JSON-able; numbers that are not known are None."""
        report: dict[str, Any] = asdict(self)
        report["version"] = __version__
        report["run"]["times_real_time"] = self.run.times_real_time
        report["reference"]["ratio"] = self.reference.ratio
        return _without_nan(report)


def bench(
    pipeline: TalkingHeadPipeline,
    full: bool = False,
    seconds: float | None = None,
    curves: Sequence[str] = (),
    budget: float = 300.0,
    log: Callable[[str], None] = lambda line: None,
) -> BenchReport:
    """Measure a pipeline.

    Args:
        full: also the curves, and compilation on a GPU; takes many minutes instead of about one.
        seconds: how long each stage is repeated; 2 by default, 5 in the full measurement.
        curves: names out of ``CURVES``; all in the full measurement.
        budget: longest run for one point of a curve, seconds.
        log: receives a line before every part.
    """
    seconds = seconds or (5.0 if full else 2.0)
    log("the machine's limits")
    limits = machine_limits(pipeline.device, pipeline.dtype, min(seconds, 1.0))
    log("stages")
    stages = time_stages(pipeline, seconds)
    log("reference path of the renderer")
    reference = compare_with_reference(pipeline, seconds)
    log("a whole run")
    run_end_to_end(pipeline, 1.0)  # warms up what the stages have not touched
    run = run_end_to_end(pipeline, 8.0 if full else 4.0)
    compiled = time_compiled(pipeline, seconds) if full and pipeline.device.type == "cuda" else None
    wanted = curves or (tuple(CURVES) if full else ())
    measured = list(measure_curves(pipeline, wanted, seconds / 2, budget, log))
    return BenchReport(
        pipeline.preset.name,
        pipeline.models.revision,
        str(pipeline.device),
        pipeline.precision,
        pipeline.batch_size,
        describe_machine(pipeline.device),
        limits,
        stages,
        reference,
        compiled,
        run,
        measured,
    )


def random_pipeline(preset: str, device: str, dtype: str) -> TalkingHeadPipeline:
    """A pipeline with random weights in the shapes of a preset: its speed is the same.

    Raises:
        InputError: unknown preset, device or type.
    """
    known, where = get_preset(preset), resolve_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = Renderer(known.renderer), MotionGenerator(known.generator), build_audio_encoder(known.audio)
    for network in networks:
        network.eval().requires_grad_(False)
    models = Models(*networks, known, "random weights", {})
    return TalkingHeadPipeline(made_fast(models, resolve_precision(dtype, where), where))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
