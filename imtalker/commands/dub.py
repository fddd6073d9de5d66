"""``imtalker dub``: a video and new speech -> the same video with new lips."""

import argparse
import json
import logging
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imtalker.commands.animate_jobs import check_target, video_name
from imtalker.commands.exit_codes import DONE, INTERRUPTED
from imtalker.commands.output import print_run
from imtalker.commands.progress import InterruptOnce, Watch, with_progress
from imtalker.config import SamplingOptions
from imtalker.errors import InputError
from imtalker.media.atomic import checked_target

if TYPE_CHECKING:
    from imtalker.pipeline.talking_head import TalkingHeadPipeline

logger = logging.getLogger(__name__)

NAMES, EXTRA = ("dub",), None
LEVELS = {"keep": 1.0, "drop": 0.0}


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("dub", help="give a person in a video new lips for new speech")
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """All options, in groups."""
    add = parser.add_argument_group("input and output").add_argument
    add("--video", required=True, metavar="V", help="the clip; its pictures, size and frame rate are kept")
    add("--audio", required=True, metavar="A", help="the new speech: an audio or video file")
    add("-o", "--output", metavar="OUT.mp4", help="the video, or a folder for it")
    add("--save-motion", metavar="F", help="also save the motion of the lips (.safetensors)")
    add("--label", action="store_true", help="write 'AI-generated' into a corner")
    add("--json", action="store_true", help="print one JSON object with timings and versions")

    add = parser.add_argument_group("dubbing").add_argument
    add("--face", type=int, metavar="N", help="whose lips, 0 the largest face; needed where several people are seen")
    add(
        "--length",
        choices=("audio", "video"),
        default="audio",
        help="as long as the speech, the clip running back and forth; or as long as the clip, its rest untouched",
    )
    add("--keep-pauses", action="store_true", help="keep the old mouth where the speech is silent for over 0.6 s")
    add("--articulation", default="own", metavar="own|X", help="how far the mouth opens: as in the clip, or 0.6 to 1.4")
    add("--reference", default="auto", metavar="auto|S", help="a moment of the clip, seconds, with the lips at rest")
    add("--engine", choices=("renderer",), default="renderer", help="what draws the mouth (default: %(default)s)")
    add("--background-sound", default="drop", metavar="keep|drop|LEVEL", help="the clip's own sound under the speech")

    add = parser.add_argument_group("models and sampling (the preset's values by default)").add_argument
    add("--preset", default="tiny", metavar="tiny|DIR", help="models to use (default: tiny)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--dtype", default="auto", help="auto, float32, float16 or bfloat16")
    add("--steps", type=int, metavar="N", help="network evaluations per window")
    add("--guidance", type=float, metavar="W", help="guidance by the speech; 1 is off")
    add("--solver", choices=("euler", "midpoint", "heun"), help="of the flow's differential equation")
    add("--seed", type=int, metavar="S", help="same seed, same video")


def run(arguments: argparse.Namespace) -> int:
    """Make the video; returns the exit code."""
    parse_options(arguments)  # before the models: a typing mistake should show at once
    target = _target(arguments)
    if arguments.save_motion:
        checked_target(arguments.save_motion, (".safetensors",))
    pipeline = load(arguments, arguments.device)
    with InterruptOnce() as stop, ExitStack() as first_pass:
        progress = first_pass.enter_context(_following())

        def watch(animation: Any) -> Iterable:
            first_pass.close()  # its bar gives way to the next one
            return with_progress(animation, stop)

        facts = make(pipeline, arguments, target, watch, progress)
    facts["stopped"] = stop.requested
    _report(arguments.json, facts)
    return INTERRUPTED if stop.requested else DONE


def load(arguments: argparse.Namespace, device: str) -> "TalkingHeadPipeline":
    """The models. Raises InputError and WeightsError, see ``load_pipeline``."""
    from imtalker.pipeline.talking_head import load_pipeline

    return load_pipeline(arguments.preset, device, arguments.dtype, progress=logger.warning)


def make(
    pipeline: "TalkingHeadPipeline",
    arguments: argparse.Namespace,
    target: Path,
    watch: Watch,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Make one video; returns the facts about it.

    Args:
        watch: gives the chunks on; may end the run early, which leaves a shorter video.
        progress: of the first pass: frames followed, frames to follow.
    """
    from imtalker.dubbing.dub import dub
    from imtalker.pipeline.animation import save_video
    from imtalker.pipeline.motion_clip import save_motion
    from imtalker.pipeline.timing import Timings

    timings = Timings()
    animation = dub(
        pipeline, arguments.video, arguments.audio, parse_options(arguments),
        parse_sampling(arguments, pipeline.preset.sampling),
        engine=arguments.engine, timings=timings, progress=progress,
    )  # fmt: skip
    save_video(
        watch(animation), target, animation.audio, animation.recipe, animation.audio_offset, timings, fps=animation.fps
    )
    if arguments.save_motion and timings.frames:
        save_motion(arguments.save_motion, animation.motion)
    seconds = float(timings.frames / animation.fps)
    return {
        "output": str(target) if timings.frames else None,
        "motion": arguments.save_motion if timings.frames else None,
        "size": [animation.size[1], animation.size[0]],
        "video_frame_rate": round(float(animation.fps), 4),
        "duration_seconds": round(seconds, 3),
        "preset": pipeline.preset.name,
        "device": str(pipeline.device),
        "recipe": animation.recipe,
        **timings.as_dict(),
        "times_real_time": round(seconds / timings.total, 3),
    }


def parse_sampling(arguments: argparse.Namespace, defaults: SamplingOptions) -> SamplingOptions:
    """The preset's sampling with what was given on the command line."""
    given = {
        "num_steps": arguments.steps,
        "guidance_scale": arguments.guidance,
        "solver": arguments.solver,
        "seed": arguments.seed,
    }
    return replace(defaults, **{name: value for name, value in given.items() if value is not None})


def parse_options(arguments: argparse.Namespace) -> Any:
    """``DubOptions`` from the command line; raises InputError."""
    from imtalker.dubbing.options import DubOptions

    articulation = arguments.articulation
    if articulation != "own":
        articulation = _number(articulation, "articulation", "own, or a number such as 1.1")
    level = LEVELS.get(arguments.background_sound)
    if level is None:
        level = _number(arguments.background_sound, "background sound", "keep, drop, or a level such as 0.3")
    reference = None
    if arguments.reference != "auto":
        reference = _number(arguments.reference, "reference", "auto, or seconds such as 1.5")
    return DubOptions(
        face=arguments.face,
        length=arguments.length,
        keep_pauses=arguments.keep_pauses,
        articulation=articulation,
        reference=reference,
        background_sound=level,
        label=arguments.label,
    )


def _number(text: str, name: str, choice: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name} is {text!r}; give {choice}")
    return value


def _target(arguments: argparse.Namespace) -> Path:
    video, audio = Path(arguments.video), Path(arguments.audio)
    target = Path(arguments.output or video_name(video, audio))
    return check_target(target / video_name(video, audio) if target.is_dir() else target, (video, audio))


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
