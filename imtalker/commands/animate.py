"""``imtalker animate``: one video or a batch."""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from imtalker.commands.animate_options import (
    add_options,
    check_options,
    parse_colour,
    parse_controls,
    parse_sampling,
)
from imtalker.commands.batch import CLIPS, SOUNDS, Job, plan_jobs
from imtalker.errors import ImTalkerError, InputError
from imtalker.media.atomic import checked_target
from imtalker.media.framing import Crop, parse_crop

logger = logging.getLogger(__name__)

PARTLY, INTERRUPTED = 1, 130


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("animate", help="make a talking video from a portrait and speech, clip or motion")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the videos; returns the exit code."""
    check_options(arguments)
    kinds = CLIPS if arguments.video else SOUNDS
    jobs, batch = plan_jobs(arguments.portrait, arguments.video or arguments.audio, kinds, arguments.output)
    for job in jobs:
        _check_target(job)
    if arguments.save_motion and not batch:
        checked_target(arguments.save_motion, (".safetensors",))
    animator = _Animator(arguments)
    if not batch:
        with _GentleStop() as stop:
            result = animator.make(jobs[0], stop)
        _report(arguments, result, [result], [])
        return INTERRUPTED if result["stopped"] else 0
    return _run_batch(arguments, jobs, animator)


def _run_batch(arguments: argparse.Namespace, jobs: list[Job], animator: "_Animator") -> int:
    results: list[dict] = []
    failures: list[dict] = []
    stopped = False
    with _GentleStop() as stop:
        for job in jobs:
            try:
                results.append(animator.make(job, stop))
            except ImTalkerError as error:
                failures.append({"portrait": str(job.portrait), "driver": str(job.driver), "error": str(error)})
                logger.warning("%s: %s", job.output.name, error)
            stopped = bool(results and results[-1]["stopped"])
            if stopped:
                break
    _report(arguments, {"results": results, "failures": failures}, results, failures)
    return INTERRUPTED if stopped else PARTLY if failures else 0


class _Animator:
    """Models loaded once, portraits understood once."""

    def __init__(self, arguments: argparse.Namespace):
        self._crop: Crop = parse_crop(arguments.crop)
        self._video_crop: Crop = parse_crop(arguments.video_crop)
        self._background = parse_colour(arguments.background)
        self._controls = parse_controls(arguments)  # before the models: a typing mistake should show at once
        self._arguments = arguments

        from imtalker.pipeline.motion_clip import load_motion
        from imtalker.pipeline.talking_head import load_pipeline

        self._motion = load_motion(arguments.motion) if arguments.motion else None
        report = logger.warning  # shown without -v: a first download takes minutes
        self._pipeline = load_pipeline(arguments.preset, arguments.device, arguments.dtype, progress=report)
        self._options = parse_sampling(arguments, self._pipeline.preset.sampling)

    def make(self, job: Job, stop: "_GentleStop") -> dict:
        """Make one video; returns the facts for ``--json``."""
        from imtalker.pipeline.animation import save_video
        from imtalker.pipeline.motion_clip import save_motion
        from imtalker.pipeline.timing import Timings

        stop.armed = False  # nothing to save yet: Ctrl-C ends the program at once
        timings = Timings()
        portrait = self._pipeline.encode_source(
            job.portrait,
            face=self._arguments.face,
            crop=self._crop,
            background=self._background,
            timings=timings,
        )
        animation = self._animate(portrait, job, timings)
        chunks = _watched(animation, stop)
        compare = None
        if self._arguments.compare:
            compare = job.output.with_name(f"{job.output.stem}-compare.mp4")
            chunks = self._compared(chunks, animation, portrait, job, compare)
        save_video(chunks, job.output, animation.audio, animation.recipe, animation.audio_offset, timings)
        saved = self._motion_target(job)
        if saved is not None and timings.frames:
            save_motion(saved, animation.motion)
        return {
            "output": str(job.output) if timings.frames else None,
            "compare": str(compare) if compare else None,
            "motion": str(saved) if saved else None,
            "stopped": stop.requested,
            "size": [animation.size[1], animation.size[0]],
            "duration_seconds": timings.frames / 25,
            "preset": self._pipeline.preset.name,
            "revision": self._pipeline.models.revision,
            "device": str(self._pipeline.device),
            "dtype": str(self._pipeline.dtype).removeprefix("torch."),
            **timings.as_dict(),
        }

    def _animate(self, portrait: Any, job: Job, timings: Any) -> Any:
        arguments = self._arguments
        common = {"paste_back": arguments.paste_back, "label": arguments.label, "timings": timings}
        if self._motion is not None:
            return self._pipeline.render_motion(portrait, self._motion, audio=job.driver, **common)
        if job.driver is None:
            raise InputError("nothing to animate with; give --audio, --video or --motion")
        if arguments.video:
            return self._pipeline.animate_from_video(
                portrait,
                job.driver,
                face=arguments.video_face,
                crop=self._video_crop,
                relative=arguments.relative,
                **common,
            )
        return self._pipeline.animate_from_audio(
            portrait, job.driver, self._controls, self._options, head_from=arguments.head_from, **common
        )

    def _compared(self, chunks: Iterator, animation: Any, portrait: Any, job: Job, path: Path) -> Iterator:
        """The same chunks; a second video beside the first shows input and result."""
        from imtalker.media.crop import crop_and_resize
        from imtalker.media.side_by_side import SideBySide
        from imtalker.media.video import read_frames
        from imtalker.media.video_writer import VideoWriter

        if self._arguments.video and job.driver:
            pair = SideBySide(read_frames(job.driver), ("driver", "result"))
        else:
            still = portrait.image
            if not self._arguments.paste_back:
                still = crop_and_resize(still, portrait.box, animation.size[0])
            pair = SideBySide(still, ("portrait", "result"))
        writer = None
        try:
            for chunk in chunks:
                frames = pair(chunk.frames)
                if writer is None:
                    writer = VideoWriter(
                        path,
                        frames.shape[1:3],
                        chunk.fps,
                        animation.audio,
                        animation.audio_offset,
                        animation.recipe,
                    )
                writer.write(frames)
                yield chunk
            if writer is not None:
                writer.close()
        finally:
            if writer is not None:
                writer.abort()

    def _motion_target(self, job: Job) -> Path | None:
        if not self._arguments.save_motion:
            return None
        target = Path(self._arguments.save_motion)
        return target / f"{job.output.stem}.safetensors" if target.is_dir() else target


class _GentleStop:
    """Ctrl-C while frames come out ends the video there and finishes the file; a second one ends at once."""

    def __init__(self) -> None:
        self.armed = False
        self.requested = False

    def __enter__(self) -> "_GentleStop":
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.armed or self.requested:
            raise KeyboardInterrupt
        self.requested = True


def _watched(animation: Any, stop: _GentleStop) -> Iterator:
    """The chunks of an animation with a progress bar, until a stop is asked for."""
    from tqdm import tqdm

    with tqdm(total=animation.total or None, unit=" frames", disable=None, file=sys.stderr) as bar:
        for chunk in animation:
            stop.armed = True
            yield chunk
            bar.update(len(chunk.frames))
            if stop.requested:
                animation.close()
                return


def _check_target(job: Job) -> None:
    target = checked_target(job.output, (".mp4",))
    for source in (job.portrait, job.driver):
        if source is not None and target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"output {target} is also an input; choose another name")


def _report(arguments: argparse.Namespace, facts: dict, results: list[dict], failures: list[dict]) -> None:
    from imtalker.commands.info import versions

    if arguments.json:
        print(json.dumps({**facts, "versions": versions()}))  # noqa: T201
        return
    for result in results:
        if result["output"] is None:
            print("stopped before the first frame; nothing was written", file=sys.stderr)  # noqa: T201
            continue
        early = "stopped early, " if result["stopped"] else ""
        length = f"{result['duration_seconds']:.2f} s of video in {result['total_seconds']:.1f} s"
        speed = f"{result['frames_per_second']:.1f} frames/s, first {result['first_frame_seconds']:.2f} s"
        print(f"{result['output']}: {early}{length} ({speed})")  # noqa: T201
    if failures:
        names = ", ".join(Path(failure["portrait"]).name for failure in failures)
        print(f"{len(failures)} of {len(failures) + len(results)} failed: {names}", file=sys.stderr)  # noqa: T201
