"""``imtalker dub``: a video and new speech -> the same video with new lips."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imtalker.commands.animate_options import parse_text
from imtalker.commands.dub_options import add_options, check_options, output_target, parse_options, parse_sampling
from imtalker.commands.exit_codes import DONE, INTERRUPTED
from imtalker.commands.output import print_run
from imtalker.commands.progress import InterruptOnce, with_progress
from imtalker.errors import InputError
from imtalker.media.atomic import checked_target

if TYPE_CHECKING:  # networks are loaded when there is something to dub
    from imtalker.dubbing.clip import DubClip
    from imtalker.pipeline.animation import Animation
    from imtalker.pipeline.inputs import Speech
    from imtalker.pipeline.talking_head import TalkingHeadPipeline
    from imtalker.pipeline.timing import Timings

logger = logging.getLogger(__name__)

NAMES, EXTRA = ("dub",), None
Run = Callable[["TalkingHeadPipeline", "Timings", Callable[[int, int], None]], "tuple[DubClip, Speech, Animation]"]


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
    recipe = _recipe(arguments) if arguments.recipe else None
    start = _again(arguments, recipe) if recipe else _anew(arguments)

    from imtalker.dubbing.dub import original_beside, plan_of
    from imtalker.dubbing.options import DubOptions
    from imtalker.pipeline.animation import save_video
    from imtalker.pipeline.loading import load_working_pipeline
    from imtalker.pipeline.motion_clip import save_motion
    from imtalker.pipeline.timing import Timings

    preset = arguments.preset or (recipe or {}).get("preset") or "tiny"
    dtype = (recipe or {}).get("dtype", "auto") if arguments.dtype == "auto" else arguments.dtype
    loaded = load_working_pipeline(preset, arguments.device, dtype, keep_preset=True, progress=logger.warning)
    timings = Timings()
    with InterruptOnce() as stop:
        with _following() as progress:
            clip, speech, animation = start(loaded.pipeline, timings, progress)
        for remark in animation.remarks:
            logger.warning("%s: %s", clip.path.name, remark)
        sound = {"audio": animation.audio, "audio_offset": animation.audio_offset, "recipe": animation.recipe}
        beside = []
        if arguments.side_by_side:
            plan = plan_of(clip, speech, DubOptions(length=animation.recipe["dubbing"]["length"]))
            path = target.with_name(f"{target.stem}-side-by-side.mp4")
            beside = [original_beside(path, clip, plan, **sound)]
        save_video(with_progress(animation, stop), target, **sound, timings=timings, also=beside, fps=animation.fps)
    if arguments.save_motion and timings.frames:
        save_motion(arguments.save_motion, animation.motion)
    seconds = float(timings.frames / animation.fps)
    facts = {
        "output": str(target) if timings.frames else None,
        "side_by_side": str(beside[0].path) if beside else None,
        "motion": arguments.save_motion if timings.frames else None,
        "remarks": [asdict(remark) for remark in (*loaded.remarks, *animation.remarks)],
        "stopped": stop.requested,
        "size": [animation.size[1], animation.size[0]],
        "video_frame_rate": round(float(animation.fps), 4),
        "duration_seconds": round(seconds, 3),
        "preset": loaded.pipeline.preset.name,
        "revision": loaded.pipeline.models.revision,
        "device": str(loaded.pipeline.device),
        "dtype": str(loaded.pipeline.dtype).removeprefix("torch."),
        "recipe": animation.recipe,
        **timings.as_dict(),
        "times_real_time": round(seconds / timings.total, 3),
    }
    _report(arguments.json, facts)
    return INTERRUPTED if stop.requested else DONE


def _anew(arguments: argparse.Namespace) -> Run:
    """A run as the options say; they are checked here."""
    options, said = parse_options(arguments), parse_text(arguments)

    def start(
        pipeline: "TalkingHeadPipeline", timings: "Timings", progress: Callable[[int, int], None]
    ) -> "tuple[DubClip, Speech, Animation]":
        from imtalker.dubbing.clip import DubClip
        from imtalker.dubbing.dub import dub
        from imtalker.pipeline.inputs import Speech
        from imtalker.speech import speak

        clip = DubClip.read(arguments.video)
        with timings.measure("speaking" if said else "audio_encoding"):
            speech = speak(*said) if said else Speech.read(arguments.audio)
        sampling = parse_sampling(arguments, pipeline.preset.sampling)
        run = dub(
            pipeline, clip, speech, options, sampling, engine=arguments.engine, timings=timings, progress=progress
        )  # fmt: skip
        return clip, speech, run

    return start


def _again(arguments: argparse.Namespace, recipe: dict[str, Any]) -> Run:
    """The run of a recipe once more."""

    def start(
        pipeline: "TalkingHeadPipeline", timings: "Timings", progress: Callable[[int, int], None]
    ) -> "tuple[DubClip, Speech, Animation]":
        from imtalker.dubbing.remake import remake_dub
        from imtalker.pipeline.remake import InputFiles
        from imtalker.speech import speak_again

        given = {"edited": arguments.video, "speech": arguments.audio}
        given = {entry: path for entry, path in given.items() if path is not None}
        files = InputFiles(given, (Path(arguments.recipe).parent, Path()), arguments.force)
        with timings.measure("speaking"):
            spoken = speak_again(recipe, files.force)
        return remake_dub(pipeline, recipe, files, timings, spoken, progress)

    return start


def _recipe(arguments: argparse.Namespace) -> dict[str, Any]:
    from imtalker.dubbing.remake import check_dub_recipe
    from imtalker.pipeline.recipe import read_recipe

    recipe = read_recipe(arguments.recipe)
    if recipe is None:
        raise InputError(f"{arguments.recipe} carries no recipe; give a video made by imtalker or its JSON")
    check_dub_recipe(recipe)
    return recipe


@contextmanager
def _following() -> Iterator[Callable[[int, int], None]]:
    """A progress bar of the first pass."""
    from tqdm import tqdm

    with tqdm(unit=" frames", desc="following the face", disable=None, leave=False, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _report(as_json: bool, facts: dict) -> None:
    from imtalker.commands.info import versions

    if as_json:
        print(json.dumps({**facts, "versions": versions()}))  # noqa: T201
        return
    print_run(facts)
