"""Numbers of a run in words and tables for the page; everything from outside is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from imtalker.config import FRAME_RATE
from imtalker.demo.errors import sentence

STAGES = {  # in the order of the journey
    "reading": "Reading files, finding the face",
    "crop": "Cutting out the face",
    "source_encoding": "Understanding the portrait",
    "speaking": "Speaking the text",
    "audio_encoding": "Listening to the speech",
    "motion_generation": "Making the motion",
    "decoding": "Reading the clip",
    "motion_encoding": "Reading its motion",
    "tracking": "Following the face",
    "rendering": "Drawing the frames",
    "blending": "Laying them into the clip",
    "paste_back": "Putting them into the whole picture",
    "encoding": "Writing the video",
    "streaming": "Preparing the live view",
    "side_by_side": "Writing the side-by-side view",
}


def timing_table(report: Mapping[str, Any]) -> str:
    """The report of a run as HTML: the headline numbers, then every stage with its share."""
    total = report["total_seconds"] or 1e-9
    facts = [
        (f"{report['times_real_time']:.2f}×", "real time"),
        (_seconds(report["first_frame_seconds"]), "to the first frame"),
        (f"{report['frames_per_second']:.1f}", "frames per second"),
        (f"{report['frames']}", f"frames, {report['duration_seconds']:.1f} s"),
    ]
    chips = "".join(f"<li><b>{value}</b><span>{escape(name)}</span></li>" for value, name in facts)
    stages = dict(report["seconds"])
    names = [name for name in STAGES if name in stages] + [name for name in stages if name not in STAGES]
    rows = [(STAGES.get(name, name.replace("_", " ")), stages[name]) for name in names]
    rest = total - sum(stages.values())
    if rest > 0.005:
        rows.append(("Handing over to the page", rest))
    body = "".join(
        f"<tr><th scope='row'>{escape(words)}</th><td>{seconds:.2f} s</td>"
        f"<td class='it-share'><i style='width:{min(100.0, 100 * seconds / total):.1f}%'></i></td></tr>"
        for words, seconds in rows
    )
    body += f"<tr class='it-sum'><th scope='row'>Together</th><td>{total:.2f} s</td><td></td></tr>"
    return (
        f"<div class='it-report'><ul class='it-chips'>{chips}</ul>"
        "<table class='it-table'><thead><tr><th scope='col'>Stage</th><th scope='col'>Time</th>"
        f"<th scope='col'>Share</th></tr></thead><tbody>{body}</tbody></table>"
        f"<p class='it-fine'>{escape(_machine(report))}</p></div>"
    )


def remark_list(report: Mapping[str, Any]) -> str:
    """What a person should know about what went into a run; empty where that is nothing."""
    items = "".join(f"<li>{escape(sentence(remark['words']))}</li>" for remark in report.get("remarks", ()))
    return f"<div class='it-verdict'><ul>{items}</ul></div>" if items else ""


def comparison_table(rows: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> str:
    """One row per variant."""
    head = ("Variant", "Total", "Motion", "First frame", "Frames/s", "Real time")
    columns = "".join(f"<th scope='col'>{name}</th>" for name in head)
    body = "".join(
        f"<tr><th scope='row'>{escape(row['variant'])}</th><td>{row['total_seconds']:.2f} s</td>"
        f"<td>{row['motion_seconds']:.2f} s</td><td>{_seconds(row['first_frame_seconds'])}</td>"
        f"<td>{row['frames_per_second']:.1f}</td><td>{row['times_real_time']:.2f}×</td></tr>"
        for row in rows
    )
    return (
        f"<div class='it-report'><table class='it-table'><thead><tr>{columns}</tr></thead><tbody>{body}</tbody>"
        f"</table><p class='it-fine'>{escape(_machine(report))}</p></div>"
    )


def check_table(findings: Sequence[Mapping[str, Any]]) -> str:
    """What the self-check found: a mark, a number and a sentence each."""
    marks = {True: "✓", False: "✗", None: "–"}
    spoken = {True: "in order", False: "not in order", None: "not judged"}
    body = "".join(
        f"<tr><td aria-label='{spoken[item['ok']]}'>{marks[item['ok']]}</td>"
        f"<th scope='row'>{escape(item['title'])}</th><td>{escape(item['value_text'])}</td>"
        f"<td>{escape(item['verdict'])}</td></tr>"
        for item in findings
    )
    head = "<th scope='col'></th><th scope='col'>Check</th><th scope='col'>Value</th><th scope='col'>Meaning</th>"
    return (
        f"<div class='it-report'><table class='it-table it-check'><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def status(words: str, share: float | None = None, tone: str = "busy") -> str:
    """The line under the button: what is happening, with a bar while it does.

    Args:
        share: 0..1; None: no bar.
        tone: busy, done, stopped or idle.
    """
    bar = ""
    if share is not None:
        percent = round(100 * min(max(share, 0.0), 1.0))
        bar = (
            f"<div class='it-bar' role='progressbar' aria-valuemin='0' aria-valuemax='100' "
            f"aria-valuenow='{percent}' aria-label='Progress'><i style='width:{percent}%'></i></div>"
        )
    return f"<div class='it-status it-{tone}' role='status' aria-live='polite'><span>{escape(words)}</span>{bar}</div>"


def waiting_words(place: int, seconds: float | None) -> str:
    """While others come first: "2 runs come first, about 40 s"."""
    words = "One run comes first" if place == 1 else f"{place} runs come first"
    if seconds is None:
        return words + "…"
    return f"{words}, about {_rough(seconds)}"


def progress_words(
    done: int, total: int, seconds: float, fps: float = FRAME_RATE, looking: bool = False, adapting: bool = False
) -> str:
    """How far the drawing is: "Drawing 2.4 of 6.0 s, 40 %, about 5 s left"; before it, the looking at a clip and the
    adapting to it."""
    percent = f"{100 * done // max(total, 1)} %"
    what = "Looking at the clip," if looking else "Drawing"
    words = f"{what} {done / fps:.1f} of {total / fps:.1f} s, {percent}"
    if adapting:
        words = f"Adapting to the clip, {percent}"
    if 0 < done < total and seconds > 1 and not looking:
        words += f", about {_rough(seconds / done * (total - done))} left"
    return words


def finished_words(report: Mapping[str, Any], kept: bool = False) -> str:
    """The line after a run."""
    length, total = f"{report['duration_seconds']:.1f} s", f"{report['total_seconds']:.1f} s"
    if report["stopped"]:
        return f"Stopped. The {length} made so far are below as a complete video."
    if kept:
        return f"Ready: {length}, made in {total} by an earlier visitor of this sample."
    return f"Ready: {length} of video in {total}."


def _rough(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _machine(report: Mapping[str, Any]) -> str:
    parts = [
        f"{report['device']}",
        report["precision"],
        f"preset {report['preset']}",
        f"{report['width']}×{report['height']}",
        report["software"],
    ]
    return " · ".join(str(part) for part in parts)
