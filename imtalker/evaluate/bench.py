"""``imtalker bench``: how fast, how much memory, how far from the machine's limits."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from imtalker import __version__
from imtalker.checkpoint import Models
from imtalker.devices import resolve_device, resolve_dtype
from imtalker.errors import OutputError
from imtalker.evaluate.bench_curves import Curve, all_curves
from imtalker.evaluate.bench_stages import (
    EndToEnd,
    ReferenceRatio,
    StageTiming,
    compare_with_reference,
    run_end_to_end,
    time_compiled,
    time_stages,
)
from imtalker.evaluate.bench_tools import MachineLimits, Timing, describe_machine, machine_limits
from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.pipeline import TalkingHeadPipeline, load_pipeline
from imtalker.presets import get_preset
from imtalker.renderer import Renderer


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
    say: Callable[[str], None] = lambda line: None,
) -> BenchReport:
    """Measure a pipeline.

    Args:
        full: also the curves, and compilation on a GPU; takes many minutes instead of about one.
        seconds: how long each stage is repeated; 2 by default, 5 in the full measurement.
        say: receives a line before every part.
    """
    seconds = seconds or (5.0 if full else 2.0)
    say("the machine's limits")
    limits = machine_limits(pipeline.device, pipeline.dtype, min(seconds, 1.0))
    say("stages")
    stages = time_stages(pipeline, seconds)
    say("reference path of the renderer")
    reference = compare_with_reference(pipeline, seconds)
    say("a whole run")
    run_end_to_end(pipeline, 1.0)  # warms up what the stages have not touched
    run = run_end_to_end(pipeline, 8.0 if full else 4.0)
    compiled = time_compiled(pipeline, seconds) if full and pipeline.device.type == "cuda" else None
    curves = list(all_curves(pipeline, seconds / 2, 300.0, say)) if full else []
    return BenchReport(
        pipeline.preset.name,
        pipeline.models.revision,
        str(pipeline.device),
        str(pipeline.dtype).removeprefix("torch."),
        pipeline.batch_size,
        describe_machine(pipeline.device),
        limits,
        stages,
        reference,
        compiled,
        run,
        curves,
    )


def random_pipeline(preset: str, device: str, dtype: str) -> TalkingHeadPipeline:
    """A pipeline with random weights in the shapes of a preset: its speed is the same.

    Raises:
        InputError: unknown preset, device or type.
    """
    known, where = get_preset(preset), resolve_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = Renderer(known.renderer), MotionGenerator(known.generator), AudioEncoder(known.audio)
    for network in networks:
        network.eval().requires_grad_(False).to(where)
    renderer = networks[0].to(resolve_dtype(dtype, where))
    return TalkingHeadPipeline(Models(renderer, networks[1], networks[2], known, "random weights", {}))


def text_tables(report: BenchReport) -> str:
    """The tables of one run, as Markdown."""
    facts = ", ".join(report.machine.values())
    lines = [f"preset {report.preset} ({report.weights}), {report.dtype}, {facts}", ""]
    lines.append("| stage | one call | median ms | best ms | ms a frame | GFLOP | of the product's peak |")
    lines.append("|---|---|--:|--:|--:|--:|--:|")
    for stage in report.stages:
        flops = "" if stage.flops is None else f"{stage.flops / 1e9:.2f}"
        share = "" if stage.flops is None else f"{stage.flops / stage.timing.median / report.limits.matmul:.0%}"
        frame = "" if stage.per_frame is None else f"{stage.per_frame:.2f}"
        times = f"{1000 * stage.timing.median:.2f} | {1000 * stage.timing.best:.2f}"
        lines.append(f"| {stage.name} | {stage.unit} | {times} | {frame} | {flops} | {share} |")
    limits = report.limits
    convolution, product = (f"{value / 1e9:.0f} GFLOP/s" for value in (limits.convolution, limits.matmul))
    lines.append("")
    lines.append(
        f"Machine: matrix product {product}, 3x3 convolution {convolution}, copying {limits.bandwidth / 1e9:.1f} GB/s."
    )
    lines += ["", _reference_line(report.reference), "", _run_line(report.run), _bound_line(report)]
    if report.compiled is not None:
        eager, compiled = (timing.median * 1000 for timing in report.compiled)
        lines += ["", f"Rendering {report.batch_size} frames: eager {eager:.1f} ms, compiled {compiled:.1f} ms."]
    for curve in report.curves:
        lines += ["", *_curve_table(curve)]
    return "\n".join(lines)


def _reference_line(reference: ReferenceRatio) -> str:
    if reference.fast is None or reference.reference is None:
        return f"Reference path: not available: {reference.reason}."
    return (
        f"Reference path {1000 * reference.reference.median:.1f} ms a frame, "
        f"fast path {1000 * reference.fast.median:.1f} ms: {reference.ratio:.2f} times faster, "
        f"largest difference {reference.largest_difference:.1e}."
    )


def _run_line(run: EndToEnd) -> str:
    memory = "" if run.host_memory is None else f", process {run.host_memory / 2**20:.0f} MiB"
    if run.device_memory is not None:
        memory += f", GPU {run.device_memory / 2**20:.0f} MiB"
    return (
        f"Whole run of {run.seconds_of_video:g} s: {run.frames_per_second:.1f} frames/s, "
        f"{run.times_real_time:.2f} times real time, first frame after {run.first_frame:.2f} s{memory}."
    )


def _bound_line(report: BenchReport) -> str:
    """What the machine would allow if rendering were nothing but convolutions at its measured best."""
    stage = next(stage for stage in report.stages if stage.name == "rendering")
    if not stage.flops:
        return ""
    best = max(report.limits.matmul, report.limits.convolution)
    bound = best / (stage.flops / report.batch_size)
    reached = report.batch_size / stage.timing.median
    flops = stage.flops / report.batch_size / 1e9
    return (
        f"Rendering takes {flops:.2f} GFLOP a frame: at most {bound:.0f} frames/s here, {reached:.1f} reached "
        f"({reached / bound:.0%})."
    )


def _curve_table(curve: Curve) -> list[str]:
    lines = [f"| {curve.x_title} | ms a frame | process MiB | GPU MiB |", "|--:|--:|--:|--:|"]
    for point in curve.points:
        host = "" if point.host_memory is None else f"{point.host_memory / 2**20:.0f}"
        device = "" if point.device_memory is None else f"{point.device_memory / 2**20:.0f}"
        lines.append(f"| {point.x:g} | {point.milliseconds:.2f} | {host} | {device} |")
    if curve.left_out:
        lines.append("Left out, too slow here: " + ", ".join(f"{x:g}" for x in curve.left_out))
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="imtalker bench", description="Measure speed and memory.")
    parser.add_argument("--preset", default="tiny", help="preset or folder of weights (default: %(default)s)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--full", action="store_true", help="also scaling curves; many minutes instead of about one")
    parser.add_argument("--random", action="store_true", help="random weights: as fast, no download")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all numbers")
    arguments = parser.parse_args(argv)
    load = random_pipeline if arguments.random else load_pipeline
    report = bench(
        load(arguments.preset, arguments.device, arguments.dtype),
        arguments.full,
        say=_say,
    )
    sys.stdout.write(text_tables(report) + "\n")
    if arguments.json is not None:
        try:
            arguments.json.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{arguments.json} cannot be written: {error.strerror}; choose another place") from error
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
