"""Evaluation results as one self-contained HTML page for people who would rather look than read."""

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np

from imtalker.config import FRAME_RATE
from imtalker.evaluate.evaluation import EvaluationReport
from imtalker.evaluate.metrics import OUR_NETWORKS, PAPER, PROTOCOLS, Metric, Mode, metrics_of
from imtalker.evaluate.protocols import ClipScore
from imtalker.evaluate.report_text import format_value
from imtalker.evaluate.svg import line_plot, stacked_bar, strip_plot

# What ranks the clips of a protocol, and what is drawn over time.
_RANKING: dict[Mode, str] = {"self": "psnr", "cross": "aed", "audio": "lip_correlation"}
_OVER_TIME: dict[Mode, str] = {"self": "psnr", "cross": "aed", "audio": "lmd"}
_THUMBNAIL = 112  # pixels
_ARROWS = {"higher": "&#8593;", "lower": "&#8595;", "none": ""}

_STYLE = """
:root { --ink: #1d2430; --soft: #667085; --line: #d7dce3; --paper: #fff; --card: #f5f7fa; --good: #2e8b57;
  --bad: #c8453b; --dot: #3b82c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf0; --soft: #9aa4b2; --line: #38414f; --paper: #151a21;
  --card: #1e2530; --good: #5fc48d; --bad: #f07a6f; --dot: #6aa8e0; } }
body { margin: 0 auto; max-width: 960px; padding: 28px 20px 60px; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 10px; }
p { margin: 6px 0; } .soft { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; } td, th { padding: 5px 8px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); } th { color: var(--soft); font-weight: 500; font-size: 13px; }
td:first-child, th:first-child { text-align: left; } td.text { text-align: left; white-space: normal; }
.scroll { overflow-x: auto; } b.mean { font-size: 16px; }
.film { display: grid; grid-template-columns: 152px 64px repeat(8, 1fr); gap: 3px; align-items: center;
  margin: 6px 0 18px; } .film img { width: 100%; display: block; border-radius: 3px; } .film span { font-size: 12px;
  color: var(--soft); text-align: center; } .film .source { grid-row: 1 / span 3; padding-right: 8px; }
.card { background: var(--card); border-radius: 8px; padding: 12px 14px; margin: 10px 0; }
svg { max-width: 100%; height: auto; } .card svg { width: 100%; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg .axis, svg .grid { stroke: var(--line); } svg .dot { fill: var(--dot); fill-opacity: .75; }
svg .median { stroke: var(--ink); stroke-width: 2; } svg .curve { fill: none; stroke-width: 1; stroke: var(--soft);
  stroke-opacity: .45; } svg .curve.best { stroke: var(--good); stroke-width: 2; stroke-opacity: 1; }
svg .curve.worst { stroke: var(--bad); stroke-width: 2; stroke-opacity: 1; }
svg text.best { fill: var(--good); } svg text.worst { fill: var(--bad); }
.best { color: var(--good); } .worst { color: var(--bad); }
details summary { cursor: pointer; margin: 8px 0; }
"""


def html_page(reports: Sequence[EvaluationReport]) -> str:
    """One page: a single report, or the rows of an ablation one after the other."""
    first = reports[0]
    title = f"IMTalker, {first.mode} protocol on {first.dataset}, preset {first.preset}"
    body = [f"<h1>{escape(title)}</h1>", f"<p>{escape(PROTOCOLS[first.mode])}</p>"]
    facts = ", ".join(f"{key} {value}" for key, value in first.environment.items())
    body.append(f'<p class="soft">{len(first.scores)} clips; weights {escape(first.revision)}; {escape(facts)}.</p>')
    if len(reports) > 1:
        body.append(_ablation(reports))
    for report in reports:
        body.append(_report(report))
    body.append(_definitions(first.mode))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _report(report: EvaluationReport) -> str:
    heading = f"<h2>{escape(report.setting)}</h2>" if report.setting else "<h2>At a glance</h2>"
    parts = [heading, _overview(report)]
    ranked = _ranked(report)
    if ranked:
        parts.append("<h2>Best and worst clip</h2>")
        metric = _metric(report.mode, _RANKING[report.mode])
        for kind, score in (("best", ranked[0]), ("worst", ranked[-1])):
            value = f"{metric.title} {format_value(metric, score.values[metric.key])} {metric.unit}"
            parts.append(f'<p><b class="{kind}">{kind}</b>: {escape(_name(score))}, {escape(value)}</p>{_film(score)}')
        over_time = _metric(report.mode, _OVER_TIME[report.mode])
        parts.append(f"<h2>{escape(over_time.title)} over time</h2>")
        curves = {score.clip: score.curves[over_time.key] for score in report.scores if over_time.key in score.curves}
        marks = {ranked[0].clip: "best"} if len(ranked) == 1 else {ranked[0].clip: "best", ranked[-1].clip: "worst"}
        unit = f"{over_time.title}, {over_time.unit}" if over_time.unit else over_time.title
        parts.append(f'<div class="card">{line_plot(curves, FRAME_RATE, unit, marks)}</div>')
    parts.append("<h2>Where the time goes</h2>")
    parts.append(f'<div class="card">{stacked_bar(_stages_per_frame(report.scores), "ms a frame")}</div>')
    parts.append(_clip_table(report))
    if report.skipped:
        rows = "".join(f"<li>{escape(skip.name)}: {escape(skip.reason)}</li>" for skip in report.skipped)
        parts.append(f"<h2>Skipped clips: {len(report.skipped)}</h2><ul>{rows}</ul>")
    return "".join(parts)


def _overview(report: EvaluationReport) -> str:
    names = [score.clip for score in report.scores]
    rows = []
    for metric in metrics_of(report.mode):
        paper = PAPER[report.mode].get(metric.key)
        paper_cell = "" if paper is None else f"{paper:g}" + ("*" if metric.note == OUR_NETWORKS else "")
        label = f"{escape(metric.title)} {_ARROWS[metric.better]}"
        if metric.key in report.unavailable:
            reason = escape(report.unavailable[metric.key])
            cells = f'<td class="text soft" colspan="4">not available: {reason}</td><td>{paper_cell}</td><td></td>'
        else:
            summary = report.summary[metric.key]
            spread = f"&#177; {format_value(metric, summary.deviation)}" if summary.count > 1 else ""
            plot = strip_plot([score.values.get(metric.key, np.nan) for score in report.scores], names)
            cells = (
                f'<td><b class="mean">{format_value(metric, summary.mean)}</b> {escape(metric.unit)}</td>'
                f'<td class="soft">{spread}</td><td>{format_value(metric, report.copied[metric.key].mean)}</td>'
                f"<td>{format_value(metric, report.recorded[metric.key].mean)}</td>"
                f"<td>{paper_cell}</td><td>{plot}</td>"
            )
        rows.append(f'<tr><td title="{escape(metric.definition)}">{label}</td>{cells}</tr>')
    measuring = ""
    if report.measuring_errors:
        errors = ", ".join(f"{name} {value:.1f}" for name, value in report.measuring_errors.items())
        known = f"These clips are rendered, so the truth is known too: measuring errs by {errors} degrees."
        measuring = f'<p class="soft">{known}</p>'
    return (
        '<div class="scroll"><table><tr><th>metric</th><th>mean</th><th>spread</th><th>copy</th><th>recordings</th>'
        f"<th>paper, HDTF</th><th>one dot a clip, bar: median</th></tr>{''.join(rows)}</table></div>"
        '<p class="soft">&#8593; higher is better, &#8595; lower is better. Copy: the portrait standing still. '
        "Recordings: what the clips themselves reach. * measured by other networks in the paper: not comparable. "
        "All the paper's numbers are of other "
        f"clips and of its own large model.</p>{measuring}"
    )


def _film(score: ClipScore) -> str:
    """Source picture, then recorded above made frames at a few moments."""
    shots = score.snapshots
    empty = ["<span></span>"] * (8 - len(shots))
    cells = [f'<div class="source">{_image(score.source_image, 2 * _THUMBNAIL)}<span>source</span></div><span></span>']
    cells += [f"<span>{shot.seconds:.1f} s</span>" for shot in shots] + empty
    recorded = "recorded" if score.source == score.clip else "driver"
    for name, pictures in ((recorded, [s.target for s in shots]), ("made", [s.result for s in shots])):
        cells += [f"<span>{name}</span>", *(_image(picture, _THUMBNAIL) for picture in pictures), *empty]
    return f'<div class="film">{"".join(cells)}</div>'


def _name(score: ClipScore) -> str:
    return score.clip if score.source == score.clip else f"{score.clip} moves {score.source}"


def _image(picture: np.ndarray, size: int) -> str:
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}">'


def _clip_table(report: EvaluationReport) -> str:
    metrics = [metric for metric in metrics_of(report.mode) if metric.per_clip and metric.key not in report.unavailable]
    head = "".join(f"<th>{escape(metric.title)}</th>" for metric in metrics)
    rows = []
    for score in report.scores:
        cells = "".join(f"<td>{format_value(m, score.values.get(m.key, np.nan))}</td>" for m in metrics)
        rows.append(f"<tr><td>{escape(_name(score))}</td>{cells}</tr>")
    table = f'<div class="scroll"><table><tr><th>clip</th>{head}</tr>{"".join(rows)}</table></div>'
    return f"<details><summary>Every clip</summary>{table}</details>"


def _ablation(reports: Sequence[EvaluationReport]) -> str:
    metrics = metrics_of(reports[0].mode)
    rows = []
    for metric in metrics:
        if metric.key in reports[0].unavailable:
            cells = f'<td class="text soft" colspan="{len(reports)}">not available</td>'
        else:
            cells = "".join(f"<td>{format_value(metric, report.summary[metric.key].mean)}</td>" for report in reports)
        rows.append(f"<tr><td>{escape(metric.title)} {_ARROWS[metric.better]}</td>{cells}</tr>")
    head = "".join(f"<th>{escape(report.setting)}</th>" for report in reports)
    return f'<h2>Ablation</h2><div class="scroll"><table><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'


def _definitions(mode: Mode) -> str:
    rows = ""
    for metric in metrics_of(mode):
        unit = f" {metric.unit}" if metric.unit else ""
        above = f"{metric.lowest:g}{unit} or more"
        limits = above if metric.highest is None else f"{metric.lowest:g} to {metric.highest:g}{unit}"
        definition = metric.definition[:1].upper() + metric.definition[1:]
        text = f"{definition}. {limits}. Source: {metric.source}; {metric.note}."
        rows += f'<tr><td>{escape(metric.title)}</td><td class="text">{escape(text)}</td></tr>'
    return f"<details open><summary>What the numbers mean</summary><table>{rows}</table></details>"


def _metric(mode: Mode, key: str) -> Metric:
    return next(metric for metric in metrics_of(mode) if metric.key == key)


def _ranked(report: EvaluationReport) -> list[ClipScore]:
    """Clips from best to worst; those without a value are left out."""
    metric = _metric(report.mode, _RANKING[report.mode])
    known = [score for score in report.scores if np.isfinite(score.values.get(metric.key, np.nan))]
    return sorted(known, key=lambda score: score.values[metric.key], reverse=metric.better == "higher")


def _stages_per_frame(scores: Sequence[ClipScore]) -> dict[str, float]:
    frames = sum(score.num_frames for score in scores)
    stages: dict[str, float] = {}
    for score in scores:
        for stage, seconds in score.stages.items():
            stages[stage] = stages.get(stage, 0.0) + 1000 * seconds / max(frames, 1)
    return stages
