"""The benchmark's tools give known answers, and its tables hold together on a small random pipeline."""

import json
import time
from dataclasses import asdict, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from imtalker.bench import bench as bench_module
from imtalker.bench import curves as bench_curves
from imtalker.bench import tables as bench_tables
from imtalker.bench.bench import BenchReport, bench, random_pipeline
from imtalker.bench.curves import batch_curve, length_curve, resolution_curve, steps_curve, threads_curve
from imtalker.bench.stages import EndToEnd, compare_with_reference, run_end_to_end
from imtalker.bench.stopwatch import PeakMemory, count_flops, machine_limits, time_call, time_calls
from imtalker.bench.tables import summary_table, text_tables
from imtalker.cli import run_command
from imtalker.errors import InputError, OutputError
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.renderer import Renderer
from tests.support.small_configs import OFFICIAL_SMALL
from tests.support.standin import small_models, small_pipeline

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipeline() -> TalkingHeadPipeline:
    return small_pipeline()


@pytest.fixture(scope="module")
def report(pipeline) -> BenchReport:
    return bench(pipeline, seconds=0.01, curves=["batch"])


def test_stopwatch_tells_slow_from_fast():
    slow, fast = time_calls([lambda: time.sleep(0.02), lambda: time.sleep(0.002)], CPU, seconds=0.1)
    assert slow.median > 0.02 > fast.best >= 0.002
    assert slow.best <= slow.median <= slow.worst and slow.calls == fast.calls >= 3
    assert time_call(lambda: None, CPU, seconds=0).calls == 3


def test_flops_are_counted_twice_per_multiplication():
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert count_flops(lambda: a @ b) == 2 * 3 * 5 * 7
    image, kernel = torch.ones(1, 4, 8, 8), torch.ones(6, 4, 3, 3)
    assert count_flops(lambda: F.conv2d(image, kernel, padding=1)) == 2 * 4 * 6 * 9 * 64


def test_peak_memory_sees_what_was_freed_again():
    with PeakMemory(CPU) as nothing:
        pass
    with PeakMemory(CPU) as memory:
        np.ones(16 << 20, np.float64)  # 128 MiB
    assert nothing.host is not None and memory.host is not None and memory.device is None
    assert memory.host - nothing.host > 100 << 20


def test_machine_limits_are_plausible():
    limits = machine_limits(CPU, torch.float32, 0.05)
    assert 1e8 < limits.matmul < 1e15 and 1e8 < limits.convolution < 1e15 and 1e7 < limits.bandwidth < 1e13


def test_tables_of_a_small_pipeline(report):
    names = [stage.name for stage in report.stages]
    assert [curve.name for curve in report.curves] == ["batch"]
    assert names[0] == "face detection and crop" and "rendering" in names and "video encoding" in names
    assert all(stage.timing.median > 0 for stage in report.stages)
    assert report.run.frames_per_second > 0 and 0 < report.run.first_frame
    # The tiny architecture has no reference path: said, not hidden.
    assert "official architecture only" in report.reference.reason
    text = text_tables(report.as_dict())
    assert "| rendering |" in text and "Reference path: not available" in text and "times real time" in text
    content = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert content["reference"]["ratio"] is None and content["machine"]["torch"] == torch.__version__


def test_reference_path_is_compared_in_the_same_run():
    models = small_models()
    torch.manual_seed(0)
    renderer = Renderer(OFFICIAL_SMALL).eval().requires_grad_(False)
    preset = replace(models.preset, renderer=OFFICIAL_SMALL)
    official = TalkingHeadPipeline(replace(models, renderer=renderer, preset=preset))
    ratio = compare_with_reference(official, 0.02)
    assert ratio.fast is not None and ratio.reference is not None
    assert ratio.ratio == ratio.reference.median / ratio.fast.median > 0
    assert ratio.largest_difference < 1e-3 and ratio.fast_memory is not None and ratio.reference_memory is not None
    curve = resolution_curve(official, 0.01)
    assert [point.x for point in curve.points] == [64, 128, 256]


def test_curves_have_their_points(pipeline):
    assert [point.x for point in steps_curve(pipeline, 0.01).points] == [4, 10, 20, 50]
    batches = batch_curve(pipeline, 0.01)
    assert [point.x for point in batches.points] == [1, 2, 4, 8, 16]
    assert all(point.milliseconds > 0 and point.host_memory for point in batches.points)
    assert threads_curve(pipeline, 0.01).points[-1].x == torch.get_num_threads()
    assert [point.x for point in resolution_curve(pipeline, 0.01).points] == [32, 64, 128]
    lengths = length_curve(pipeline, budget=0.0)
    assert [point.x for point in lengths.points] == [5] and lengths.left_out == (30, 120, 600)


def test_a_run_too_long_to_draw_still_tells_its_memory(pipeline, monkeypatch):
    """What the length costs beside drawing is measured; the renderer is itself again afterwards."""
    monkeypatch.setattr(bench_curves, "LENGTHS", (1, 2))
    seconds = {"rendering": 3.0, "motion_generation": 0.01}
    run = EndToEnd(1, 0.1, 25.0, seconds, 1 << 30, None)
    clock = iter((0.0, 4.0, 4.0))
    monkeypatch.setattr(bench_curves, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    drawn = []

    def fake_run(pipeline, length):
        renderer = pipeline.models.renderer
        drawn.append("render" in vars(renderer))
        return run

    monkeypatch.setattr(bench_curves, "run_end_to_end", fake_run)
    curve = length_curve(pipeline, budget=5.0)
    assert drawn == [False, True] and "render" not in vars(pipeline.models.renderer)
    assert [(point.x, point.milliseconds) for point in curve.points] == [(1, 40.0), (2, None)]
    assert "one picture stood for all" in "\n".join(bench_tables._curve_table(asdict(curve)))


def test_whole_run_counts_its_frames(pipeline):
    run = run_end_to_end(pipeline, 1.0)
    assert run.times_real_time == pytest.approx(run.frames_per_second / 25)
    assert {"rendering", "motion_generation", "audio_encoding"} <= set(run.stages)


def test_command(pipeline, report, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(bench_module, "random_pipeline", lambda *_: pipeline)
    monkeypatch.setattr(bench_module, "bench", lambda *_, **options: asked.append(options["curves"]) or report)
    assert run_command(["bench", "--random", "--json", str(tmp_path / "b.json")]) == 0
    assert "| source encoding |" in capsys.readouterr().out
    written = json.loads((tmp_path / "b.json").read_text())
    assert written["preset"] == "tiny" and "| tiny |" in summary_table([written])
    assert run_command(["bench", "--random", "--curves", "batch", "length", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == written and asked == [[], ["batch", "length"]]
    with pytest.raises(OutputError, match="cannot be written"):
        run_command(["bench", "--random", "--json", str(tmp_path / "none" / "b.json")])
    monkeypatch.undo()
    with pytest.raises(InputError, match="unknown preset"):
        random_pipeline("huge", "cpu", "auto")


def test_readme_takes_the_tables(report):
    spec = spec_from_file_location("tables", Path(__file__).parents[2] / "benchmarks" / "tables.py")
    assert spec is not None and spec.loader is not None
    tables = module_from_spec(spec)
    spec.loader.exec_module(tables)
    page = f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n"
    once = tables.fill(page, [report.as_dict()])
    assert "| rendering |" in once and "old" not in once
    assert once.startswith("before\n") and once.endswith("\nafter\n") and tables.fill(once, [report.as_dict()]) == once
    with pytest.raises(SystemExit, match="lacks"):
        tables.fill("no marks", [])
