"""``imtalker dub``: a video and new speech -> the same video with new lips."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imtalker.commands.animate_options import parse_text
from imtalker.commands.dub_options import add_options, check_options, output_target, parse_options, parse_sampling
from imtalker.commands.exit_codes import DONE, INTERRUPTED
from imtalker.commands.output import print_run
from imtalker.commands.progress import InterruptOnce, Watch, with_progress
from imtalker.errors import InputError
from imtalker.media.atomic import checked_target

if TYPE_CHECKING:  # networks are loaded when there is something to dub
    from imtalker.dubbing.clip import DubClip
    from imtalker.pipeline.animation import Animation, FrameChunk
    from imtalker.pipeline.inputs import Speech
    from imtalker.pipeline.talking_head import TalkingHeadPipeline
    from imtalker.pipeline.timing import Timings

logger = logging.getLogger(__name__)

NAMES, EXTRA = ("dub",), None
Progress = Callable[[int, int, str], None] | None


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("dub", help="give a person in a video new lips for new speech")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the video; returns the exit code."""
    check_options(arguments)  # before the models: a typing mistake should show at once
    target = output_target(arguments)
    if arguments.save_motion:
        checked_target(arguments.save_motion, (".safetensors",))
    pipeline = load(arguments, arguments.device)
    with InterruptOnce() as stop, ExitStack() as before:
        progress = before.enter_context(_looking())

        def watch(animation: "Animation") -> Iterable["FrameChunk"]:
            before.close()  # its bar gives way to the next one
            return with_progress(animation, stop)

        facts = make(pipeline, arguments, target, watch, progress)
    facts["stopped"] = stop.requested
    _report(arguments.json, facts)
    return INTERRUPTED if stop.requested else DONE


def load(arguments: argparse.Namespace, device: str) -> "TalkingHeadPipeline":
    """The models, in the recipe's precision where one is given.

    Raises:
        InputError, WeightsError: see ``load_working_pipeline``; or the recipe is not one of a dubbed video.
    """
    from imtalker.pipeline.loading import load_working_pipeline

    dtype = arguments.dtype
    if dtype == "auto" and arguments.recipe:
        dtype = _recipe(arguments).get("dtype", "auto")
    report = logger.warning  # shown without -v: what had to be given up
    return load_working_pipeline(arguments.preset, device, dtype, keep_preset=True, progress=report).pipeline


def make(
    pipeline: "TalkingHeadPipeline",
    arguments: argparse.Namespace,
    target: Path,
    watch: Watch,
    progress: Progress = None,
) -> dict[str, Any]:
    """Make one video; returns the facts about it.

    Args:
        watch: gives the chunks on; may end the run early, which leaves a shorter video.
        progress: before anything is drawn, see ``Looked``.
    """
    from imtalker.dubbing.dub import original_beside, plan_of
    from imtalker.dubbing.options import DubOptions
    from imtalker.pipeline.animation import save_video
    from imtalker.pipeline.motion_clip import save_motion
    from imtalker.pipeline.timing import Timings

    timings = Timings()
    start = _again if arguments.recipe else _anew
    clip, speech, animation = start(pipeline, arguments, timings, progress)
    for remark in animation.early_remarks:
        logger.warning("%s: %s", clip.path.name, remark)
    sound = {"audio": animation.audio, "audio_offset": animation.audio_offset, "recipe": animation.recipe}
    beside = []
    if arguments.side_by_side:
        plan = plan_of(clip, speech, DubOptions(length=animation.recipe["dubbing"]["length"]))
        beside = [original_beside(target.with_name(f"{target.stem}-side-by-side.mp4"), clip, plan, **sound)]
    save_video(watch(animation), target, **sound, timings=timings, also=beside, fps=animation.fps)
    for remark in animation.late_remarks:
        logger.warning("%s: %s", clip.path.name, remark)
    if arguments.save_motion and timings.frames:
        save_motion(arguments.save_motion, animation.motion)
    seconds = float(timings.frames / animation.fps)
    return {
        "output": str(target) if timings.frames else None,
        "side_by_side": str(beside[0].path) if beside and timings.frames else None,
        "motion": arguments.save_motion if timings.frames else None,
        "remarks": [asdict(remark) for remark in animation.remarks],
        "size": [animation.size[1], animation.size[0]],
        "video_frame_rate": round(float(animation.fps), 4),
        "duration_seconds": round(seconds, 3),
        "preset": pipeline.preset.name,
        "revision": pipeline.models.revision,
        "device": str(pipeline.device),
        "dtype": pipeline.precision,
        "recipe": animation.recipe,
        **timings.as_dict(),
        "times_real_time": round(seconds / timings.total, 3),
    }


def _anew(
    pipeline: "TalkingHeadPipeline", arguments: argparse.Namespace, timings: "Timings", progress: Progress
) -> "tuple[DubClip, Speech, Animation]":
    """A run as the options say."""
    from imtalker.dubbing.clip import DubClip
    from imtalker.dubbing.dub import dub
    from imtalker.pipeline.inputs import Speech
    from imtalker.speech import speak

    said = parse_text(arguments)
    clip = DubClip.read(arguments.video)
    with timings.measure("speaking" if said else "audio_encoding"):
        speech = speak(*said) if said else Speech.read(arguments.audio)
    options, sampling = parse_options(arguments), parse_sampling(arguments, pipeline.preset.sampling)
    run = dub(
        pipeline, clip, speech, options, sampling, engine=arguments.engine, timings=timings, progress=progress
    )  # fmt: skip
    return clip, speech, run


def _again(
    pipeline: "TalkingHeadPipeline", arguments: argparse.Namespace, timings: "Timings", progress: Progress
) -> "tuple[DubClip, Speech, Animation]":
    """The run of a recipe once more."""
    from imtalker.dubbing.remake import remake_dub
    from imtalker.pipeline.remake import InputFiles
    from imtalker.speech import speak_again

    recipe = _recipe(arguments)
    given = {"edited": arguments.video, "speech": arguments.audio}
    given = {entry: path for entry, path in given.items() if path is not None}
    files = InputFiles(given, (Path(arguments.recipe).parent, Path()), arguments.force)
    with timings.measure("speaking"):
        spoken = speak_again(recipe, files.force)
    return remake_dub(pipeline, recipe, files, timings, spoken, progress)


def _recipe(arguments: argparse.Namespace) -> dict[str, Any]:
    from imtalker.dubbing.remake import check_dub_recipe
    from imtalker.pipeline.recipe import read_recipe

    recipe = read_recipe(arguments.recipe)
    if recipe is None:
        raise InputError(f"{arguments.recipe} carries no recipe; give a video made by imtalker or its JSON")
    check_dub_recipe(recipe)
    return recipe


@contextmanager
def _looking() -> Iterator[Callable[[int, int, str], None]]:
    """Progress bars, with the time that is left, of the look at the clip and of the adapting to it."""
    from tqdm import tqdm

    form = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(bar_format=form, disable=None, leave=False, file=sys.stderr) as bar:
        shown = ""

        def progress(done: int, total: int, doing: str) -> None:
            nonlocal shown
            if doing != shown:
                shown = doing
                bar.set_description(doing, refresh=False)
                bar.reset(total)
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _report(as_json: bool, facts: dict) -> None:
    from imtalker.commands.info import versions

    if as_json:
        print(json.dumps({**facts, "versions": versions()}))  # noqa: T201
        return
    print_run(facts)
