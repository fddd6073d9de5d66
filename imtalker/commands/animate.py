"""``imtalker animate``: one video, a batch, or the video of a recipe once more."""

import argparse
import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

from imtalker.commands.animate_jobs import CLIPS, SOUNDS, Job, check_job, plan_jobs
from imtalker.commands.animate_options import add_options
from imtalker.commands.animator import AnimateSettings, Animator
from imtalker.commands.exit_codes import DONE, INTERRUPTED, PARTLY
from imtalker.commands.output import print_run
from imtalker.commands.progress import InterruptOnce, with_progress
from imtalker.errors import ImTalkerError
from imtalker.media.atomic import checked_target

logger = logging.getLogger(__name__)

NAMES, EXTRA = ("animate",), None


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("animate", help="make a talking video from a portrait and speech, clip or motion")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the videos; returns the exit code."""
    settings = AnimateSettings.read(arguments)  # before the models: a typing mistake should show at once
    if arguments.recipe:
        jobs, batch = [Job(Path(arguments.recipe), None, _remade_target(arguments))], False
    else:
        kinds = CLIPS if arguments.video else SOUNDS
        jobs, batch = plan_jobs(arguments.portrait, arguments.video or arguments.audio, kinds, arguments.output)
    for job in jobs:
        check_job(job)
    if arguments.save_motion and not batch:
        checked_target(arguments.save_motion, (".safetensors",))
    animator = Animator(settings, settings.load(arguments.device))
    if not batch:
        with InterruptOnce() as stop:
            result = _make(animator, jobs[0], stop)
        _report(arguments, result, [result], [])
        return INTERRUPTED if result["stopped"] else DONE
    return _run_batch(arguments, jobs, animator)


def _run_batch(arguments: argparse.Namespace, jobs: list[Job], animator: Animator) -> int:
    results: list[dict] = []
    failures: list[dict] = []
    stopped = False
    with InterruptOnce() as stop:
        for job in jobs:
            try:
                results.append(_make(animator, job, stop))
            except ImTalkerError as error:
                failures.append({"portrait": str(job.portrait), "driver": str(job.driver), "error": str(error)})
                logger.warning("%s: %s", job.output.name, error)
            stopped = bool(results and results[-1]["stopped"])
            if stopped:
                break
    _report(arguments, {"results": results, "failures": failures}, results, failures)
    return INTERRUPTED if stopped else PARTLY if failures else DONE


def _make(animator: Animator, job: Job, stop: InterruptOnce) -> dict:
    stop.armed = False  # nothing to save yet: Ctrl-C ends the program at once
    facts = animator.make(job, partial(with_progress, stop=stop))
    return {**facts, "stopped": stop.requested}


def _remade_target(arguments: argparse.Namespace) -> Path:
    name = f"{Path(arguments.recipe).stem}-again.mp4"
    target = Path(arguments.output or name)
    return target / name if target.is_dir() else target


def _report(arguments: argparse.Namespace, facts: dict, results: list[dict], failures: list[dict]) -> None:
    from imtalker.commands.info import versions

    if arguments.json:
        print(json.dumps({**facts, "versions": versions()}))  # noqa: T201
        return
    for result in results:
        print_run(result)
    if failures:
        names = ", ".join(Path(failure["portrait"]).name for failure in failures)
        print(f"{len(failures)} of {len(failures) + len(results)} failed: {names}", file=sys.stderr)  # noqa: T201
