"""Evaluation results as tables for the terminal."""

from collections.abc import Sequence

import numpy as np

from imtalker.evaluate.evaluation import EvaluationReport
from imtalker.evaluate.metrics import OTHER_DATA, OUR_NETWORKS, PAPER, PROTOCOLS, Metric, Mode, metrics_of

# Columns of an ablation, by the keys of the catalogue.
_ABLATION_KEYS: dict[Mode, tuple[str, ...]] = {
    "audio": ("fid", "fvd", "sync_c", "sync_d", "lip_correlation", "lip_offset", "closure_rate", "csim", "lmd"),
    "self": ("psnr", "ssim", "psnr_face", "psnr_mouth", "sharpness", "csim", "lmd", "gaze_mae", "ghost_cells"),
}
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
    if report.measuring_errors:
        errors = ", ".join(f"{name} {value:.1f}" for name, value in report.measuring_errors.items())
        lines.append(f"Errors of the measuring itself on these rendered clips, degrees: {errors}.")
    lines += _skipped(report)
    return "\n".join(lines)


def ablation_table(reports: Sequence[EvaluationReport]) -> str:
    """Settings as rows, as in the paper's table 3."""
    first = reports[0]
    catalogue = {metric.key: metric for metric in metrics_of(first.mode)}
    metrics = [catalogue[key] for key in _ABLATION_KEYS[first.mode]]
    names = max(len("setting"), *(len(report.setting) for report in reports))
    cells = [
        [metric.title, *(_cell(report, metric) for report in reports)] for metric in metrics
    ]  # by column, since each is as wide as its widest cell
    lines = [f"{first.mode} protocol, {len(first.scores)} clips of '{first.dataset}', preset {first.preset}", ""]
    for row, name in enumerate(("setting", *(report.setting for report in reports))):
        lines.append(f"{name:<{names}}" + "".join(f"{c[row]:>{max(map(len, c)) + 2}}" for c in cells))
    lines += ["", *(f"{key} not available: {reason}" for key, reason in first.unavailable.items())]
    return "\n".join(lines + _skipped(first))


def _cell(report: EvaluationReport, metric: Metric) -> str:
    return "n/a" if metric.key in report.unavailable else format_value(metric, report.summary[metric.key].mean)


def _skipped(report: EvaluationReport) -> list[str]:
    if not report.skipped:
        return []
    return [f"Skipped clips: {len(report.skipped)}", *(f"  {skip.name}: {skip.reason}" for skip in report.skipped)]
