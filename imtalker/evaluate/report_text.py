"""Evaluation results as tables for the terminal."""

from collections.abc import Sequence

import numpy as np

from imtalker.evaluate.evaluation import EvaluationReport
from imtalker.evaluate.metrics import OTHER_DATA, OUR_NETWORKS, PAPER, PROTOCOLS, Metric, metrics_of

_ABLATION_KEYS = ("fid", "fvd", "sync_c", "sync_d", "lip_correlation", "lip_offset", "closure_rate", "csim", "lmd")
_ARROWS = {"higher": "+", "lower": "-", "none": " "}
_MARKS = {OUR_NETWORKS: "a", OTHER_DATA: "b"}


def format_value(metric: Metric, value: float) -> str:
    """A value with the metric's digits; "-" when it is not known."""
    return f"{value:.{metric.digits}f}" if np.isfinite(value) else "-"


def text_table(report: EvaluationReport) -> str:
    """One protocol: a row for each metric."""
    lines = [
        f"{report.mode} protocol, {len(report.scores)} clips of '{report.dataset}', preset {report.preset}"
        f" ({report.revision}), {report.seconds:.0f} s",
        PROTOCOLS[report.mode],
        "",
        f"{'metric':<22}{'':<9}{'mean':>9} {'+-':>8}{'copy':>9}{'recorded':>10}{'paper':>9}",
    ]
    missing = []
    for metric in metrics_of(report.mode):
        if metric.key in report.unavailable:
            missing.append(f"{metric.title} not available: {report.unavailable[metric.key]}")
            continue
        summary = report.summary[metric.key]
        paper = PAPER[report.mode].get(metric.key)
        lines.append(
            f"{_ARROWS[metric.better]} {metric.title:<19} {metric.unit:<9}{format_value(metric, summary.mean):>9}"
            f" {format_value(metric, summary.deviation):>8}"
            f"{format_value(metric, report.copied[metric.key].mean):>9}"
            f"{format_value(metric, report.recorded[metric.key].mean):>10}"
            f"{'' if paper is None else f'{paper:g}':>9} {_MARKS.get(metric.note, '')}"
        )
    lines += ["", "+ higher is better, - lower is better; copy: the portrait standing still;"]
    lines.append("recorded: what the clips themselves reach.")
    lines.append(f"a {OUR_NETWORKS}; b {OTHER_DATA}. The paper's numbers are of HDTF at 512x512.")
    lines += missing
    if report.ruler:
        errors = ", ".join(f"{name} {value:.1f}" for name, value in report.ruler.items())
        lines.append(f"Errors of the measuring itself on these rendered clips, degrees: {errors}.")
    lines += _skipped(report)
    return "\n".join(lines)


def ablation_table(reports: Sequence[EvaluationReport]) -> str:
    """Settings as rows, as in the paper's table 3."""
    first = reports[0]
    metrics = [metric for metric in metrics_of("audio") if metric.key in _ABLATION_KEYS]
    metrics.sort(key=lambda metric: _ABLATION_KEYS.index(metric.key))
    head = "".join(f"{metric.title:>17}" for metric in metrics)
    lines = [f"audio protocol, {len(first.scores)} clips of '{first.dataset}', preset {first.preset}", ""]
    lines.append(f"{'setting':<14}{head}")
    for report in reports:
        cells = (
            "n/a" if metric.key in report.unavailable else format_value(metric, report.summary[metric.key].mean)
            for metric in metrics
        )
        lines.append(f"{report.setting:<14}" + "".join(f"{cell:>17}" for cell in cells))
    lines += ["", *(f"{key} not available: {reason}" for key, reason in first.unavailable.items())]
    return "\n".join(lines + _skipped(first))


def _skipped(report: EvaluationReport) -> list[str]:
    if not report.skipped:
        return []
    return [f"Skipped clips: {len(report.skipped)}", *(f"  {skip.name}: {skip.reason}" for skip in report.skipped)]
