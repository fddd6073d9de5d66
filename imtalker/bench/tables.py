"""The benchmark's numbers as Markdown tables: for the terminal and for ``benchmarks/README.md``.

Everything is made from the JSON-able form, so that old results can be shown again.
"""

from collections.abc import Mapping
from typing import Any

Report = Mapping[str, Any]  # as ``BenchReport.as_dict`` gives it; numbers that are not known are None


def text_tables(report: Report) -> str:
    """All tables of one run."""
    machine = report["machine"].items()
    facts = ", ".join(f"{name} {value}" if name in ("python", "torch", "cuda") else value for name, value in machine)
    lines = [f"preset {report['preset']} ({report['weights']}), {report['dtype']}, {facts}", "", *_stage_table(report)]
    limits = report["limits"]
    lines += [
        "",
        f"Machine: matrix product {limits['matmul'] / 1e9:.0f} GFLOP/s, 3x3 convolution "
        f"{limits['convolution'] / 1e9:.0f} GFLOP/s, copying {limits['bandwidth'] / 1e9:.1f} GB/s.",
    ]
    for line in (reference_line(report), run_line(report), bound_line(report), _compiled_line(report)):
        lines += ["", line] if line else []
    for curve in report["curves"]:
        lines += ["", *_curve_table(curve)]
    return "\n".join(lines)


def summary_table(reports: list[Report]) -> str:
    """One row for each run: how fast, how far from the machine's limit."""
    lines = [
        "| preset | device | type | frames/s | times real time | first frame s | render ms a frame | of the limit |"
    ]
    lines.append("|---|---|---|--:|--:|--:|--:|--:|")
    for report in reports:
        run, rendering = report["run"], _rendering(report)
        device = report["machine"].get("gpu") or report["machine"]["processor"]
        bound = frames_bound(report)
        share = "" if bound is None else f"{1000 / rendering['per_frame'] / bound:.0%}"
        lines.append(
            f"| {report['preset']} | {device} | {report['dtype']} | {run['frames_per_second']:.1f} "
            f"| {run['times_real_time']:.2f} | {run['first_frame']:.2f} | {rendering['per_frame']:.1f} | {share} |"
        )
    return "\n".join(lines)


def frames_bound(report: Report) -> float | None:
    """Frames per second if rendering ran at the machine's best measured arithmetic; None without a count."""
    rendering = _rendering(report)
    if not rendering["flops"]:
        return None
    best = max(report["limits"]["matmul"], report["limits"]["convolution"])
    return best / (rendering["flops"] / report["batch_size"])


def reference_line(report: Report) -> str:
    """The fast path of the renderer against the straightforward one."""
    reference = report["reference"]
    if reference["ratio"] is None:
        return f"Reference path: not available: {reference['reason']}."
    line = (
        f"Reference path {1000 * reference['reference']['median']:.1f} ms a frame, "
        f"fast path {1000 * reference['fast']['median']:.1f} ms: {reference['ratio']:.2f} times faster, "
        f"largest difference {reference['largest_difference']:.1e}."
    )
    slow, fast = reference.get("reference_memory"), reference.get("fast_memory")
    if slow is not None and fast is not None:
        line += f" Memory beside the weights: reference {slow / 2**20:.0f} MiB, fast {fast / 2**20:.0f} MiB."
    return line


def run_line(report: Report) -> str:
    """A whole run, from files to a file."""
    run = report["run"]
    memory = "" if run["host_memory"] is None else f", process {run['host_memory'] / 2**20:.0f} MiB"
    if run["device_memory"] is not None:
        memory += f", GPU {run['device_memory'] / 2**20:.0f} MiB"
    return (
        f"Whole run of {run['seconds_of_video']:g} s: {run['frames_per_second']:.1f} frames/s, "
        f"{run['times_real_time']:.2f} times real time, first frame after {run['first_frame']:.2f} s{memory}."
    )


def bound_line(report: Report) -> str:
    """What the machine would allow if rendering were nothing but arithmetic at its measured best."""
    bound, rendering = frames_bound(report), _rendering(report)
    if bound is None:
        return ""
    reached = 1000 / rendering["per_frame"]
    return (
        f"Rendering takes {rendering['flops'] / report['batch_size'] / 1e9:.2f} GFLOP a frame: at most {bound:.0f} "
        f"frames/s here, {reached:.1f} reached ({reached / bound:.0%})."
    )


def _rendering(report: Report) -> Mapping[str, Any]:
    return next(stage for stage in report["stages"] if stage["name"] == "rendering")


def _stage_table(report: Report) -> list[str]:
    lines = ["| stage | one call | median ms | best ms | ms a frame | GFLOP | of the product's peak |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|")
    for stage in report["stages"]:
        flops, median = stage["flops"], stage["timing"]["median"]
        count = "" if flops is None else f"{flops / 1e9:.2f}"
        share = "" if flops is None else f"{flops / median / report['limits']['matmul']:.0%}"
        frame = "" if stage["per_frame"] is None else f"{stage['per_frame']:.2f}"
        times = f"{1000 * median:.2f} | {1000 * stage['timing']['best']:.2f}"
        lines.append(f"| {stage['name']} | {stage['unit']} | {times} | {frame} | {count} | {share} |")
    return lines


def _compiled_line(report: Report) -> str:
    if report["compiled"] is None:
        return ""
    eager, compiled = (timing["median"] * 1000 for timing in report["compiled"])
    return f"Rendering {report['batch_size']} frames: eager {eager:.1f} ms, compiled {compiled:.1f} ms."


def _curve_table(curve: Mapping[str, Any]) -> list[str]:
    lines = [f"| {curve['x_title']} | ms a frame | process MiB | GPU MiB |", "|--:|--:|--:|--:|"]
    for point in curve["points"]:
        cells = [
            "" if value is None else f"{value:.{digits}f}"
            for value, digits in (
                (point["milliseconds"], 2),
                (_mebibytes(point["host_memory"]), 0),
                (_mebibytes(point["device_memory"]), 0),
            )
        ]
        lines.append(f"| {point['x']:g} | {' | '.join(cells)} |")
    if any(point["milliseconds"] is None for point in curve["points"]):
        lines += ["", "Without a time: too long here; one picture stood for all, everything else ran."]
    if curve["left_out"]:
        lines += ["", "Left out, too slow here: " + ", ".join(f"{x:g}" for x in curve["left_out"]) + "."]
    return lines


def _mebibytes(size: int | None) -> float | None:
    return None if size is None else size / 2**20
