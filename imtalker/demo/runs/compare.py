"""The same portrait and speech under different settings on the same noise: one synchronised video and a table."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imtalker.demo.runs.gpu import RenderClip
from imtalker.demo.runs.jobs import ClipJob, with_motion
from imtalker.demo.runs.requests import KINDS
from imtalker.demo.runs.run import Finished, Progress, Stopped, run_clip
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from imtalker.media.side_by_side import SideBySide
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.motion_clip import load_motion
from imtalker.pipeline.timing import Timings

STEPS = (4, 10, 25)
GUIDANCES = (1.0, 2.0, 3.0)
MAX_CELL = 512  # longest side of a cell, pixels


@dataclass(frozen=True)
class Variant:
    """One cell of a comparison."""

    name: str
    job: ClipJob
    borrows_motion: bool = False  # of the first variant


@dataclass(frozen=True)
class CompareProgress:
    """Which variant is under way and how far."""

    name: str
    index: int
    count: int
    run: Progress | None = None  # None: the videos are being put together


@dataclass(frozen=True)
class Comparison:
    """The synchronised video and one report per variant."""

    video: Path
    names: list[str]
    reports: list[dict[str, Any]]

    def rows(self) -> list[dict[str, Any]]:
        """The table: seconds, first frame, speed, one row per variant."""
        return [
            {
                "variant": name,
                "total_seconds": report["total_seconds"],
                "motion_seconds": round(report["seconds"].get("motion_generation", 0.0), 3),
                "first_frame_seconds": report["first_frame_seconds"],
                "frames_per_second": report["frames_per_second"],
                "times_real_time": report["times_real_time"],
            }
            for name, report in zip(self.names, self.reports, strict=True)
        ]


def make_variants(
    kind: str, job: ClipJob, other: ClipJob | None = None, pose: MotionControls | None = None
) -> list[Variant]:
    """The cells of one kind of comparison.

    Args:
        job: the run they have in common, with its options.
        other: the same with the second portrait, for "portraits".
        pose: what is held in the variant with a pose, for "pose".

    Raises:
        InputError: unknown kind, or something it needs is missing.
    """
    assert job.options is not None
    if kind == "steps":
        return [
            Variant(f"{steps} steps", replace(job, options=replace(job.options, num_steps=steps, solver="euler")))
            for steps in STEPS
        ]
    if kind == "guidance":
        return [
            Variant(f"guidance {scale:g}", replace(job, options=replace(job.options, guidance_scale=scale)))
            for scale in GUIDANCES
        ]
    if kind == "pose":
        if pose is None:
            raise InputError("there is no head pose to compare with; set yaw, pitch or roll to other than 0")
        return [
            Variant("free head", replace(job, controls=None)),
            Variant("held pose", replace(job, controls=pose)),
        ]
    if kind == "portraits":
        if other is None:
            raise InputError("there is no second portrait; add a picture or choose a sample")
        return [Variant("first portrait", job), Variant("second portrait", other, borrows_motion=True)]
    raise InputError(f"unknown comparison {kind!r:.60}; choose one of {', '.join(KINDS)}")


def run_comparison(
    variants: list[Variant],
    render: RenderClip,
    folder: Path,
    facts: dict[str, Any],
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[CompareProgress | Comparison | Stopped]:
    """Run the variants one after the other, then put them side by side.

    A stop finishes the variant under way as far as it came and leaves out the rest.

    Raises:
        InputError: a run failed.
    """
    done: list[Finished] = []
    for index, variant in enumerate(variants):
        job = variant.job
        if variant.borrows_motion:
            job = with_motion(job, load_motion(done[0].motion))
        place = folder / f"variant-{index}"
        place.mkdir()
        for event in run_clip(job, render, place, facts, timings=Timings(), should_stop=should_stop):
            if isinstance(event, Finished):
                done.append(event)
            elif isinstance(event, Progress):
                yield CompareProgress(variant.name, index, len(variants), event)
        if should_stop():
            break
    if not done:
        yield Stopped()
        return
    yield CompareProgress("", len(done), len(variants))
    names = [variant.name for variant in variants[: len(done)]]
    video = _joined(folder / "comparison.mp4", names, done, variants[0].job)
    for finished in done:
        shutil.rmtree(finished.video.parent)
    yield Comparison(video, names, [finished.report for finished in done])


def _joined(path: Path, names: list[str], done: list[Finished], job: ClipJob) -> Path:
    side = max(max(finished.report["width"], finished.report["height"]) for finished in done)
    grid = SideBySide(names, (side, side), MAX_CELL)
    recipe = {"comparison": names, "runs": [finished.report["recipe"] for finished in done]}
    with VideoWriter(path, grid.size, audio=job.sound, audio_offset=job.sound_offset, recipe=recipe) as writer:
        for frame in grid.join_videos([finished.video for finished in done]):
            writer.write(frame)
    return path
