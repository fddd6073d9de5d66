"""Options of ``imtalker dub`` and what they mean."""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from imtalker.commands.animate_jobs import check_target
from imtalker.commands.animate_options import (
    add_text_options,
    check_left_to_recipe,
    check_text_options,
    given_texts,
    parse_text,
)
from imtalker.config import SamplingOptions, Solver
from imtalker.dubbing.options import ENGINES
from imtalker.errors import InputError

LEVELS = {"keep": 1.0, "drop": 0.0}
SAMPLING = {"steps": "num_steps", "guidance": "guidance_scale", "solver": "solver", "seed": "seed"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """All options, in groups."""
    add = parser.add_argument_group("input and output").add_argument
    add("--video", metavar="V", help="the clip; its pictures, size and frame rate are kept")
    add("--audio", metavar="A", help="the new speech: an audio or video file")
    add_text_options(add)
    add("--recipe", metavar="R", help="make a dubbed video again: its recipe (.json), or the video itself")
    add("-o", "--output", metavar="OUT.mp4", help="the video, or a folder for it")
    add("--save-motion", metavar="F", help="also save the motion of the lips (.safetensors)")
    add("--side-by-side", action="store_true", help="also write original beside dubbed, OUT-side-by-side.mp4")
    add("--label", action="store_true", help="write 'AI-generated' into a corner")
    add("--json", action="store_true", help="print one JSON object with timings and versions")
    add("--force", action="store_true", help="with --recipe: take files and weights that differ from the recipe's")

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
    add(
        "--engine",
        choices=ENGINES,
        help="what draws the mouth (default: completion, where its weights are)",
    )
    add(
        "--adapt",
        type=float,
        default=0.0,
        metavar="S",
        help="spend about S seconds on getting to know this video first, up to 600; 60 to 90 are worth it (default: 0)",
    )
    add("--background-sound", default="drop", metavar="keep|drop|LEVEL", help="the clip's own sound under the speech")

    add = parser.add_argument_group("models and sampling (the preset's values by default)").add_argument
    add("--preset", default="tiny", metavar="tiny|DIR", help="models to use (default: tiny)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--dtype", default="auto", help="auto, float32, mixed (on CPUs with bfloat16), float16 or bfloat16")
    add("--steps", type=int, metavar="N", help="network evaluations per window")
    add("--guidance", type=float, metavar="W", help="guidance by the speech; 1 is off")
    add("--solver", choices=get_args(Solver), help="of the flow's differential equation")
    add("--seed", type=int, metavar="S", help="same seed, same video")


def check_options(arguments: argparse.Namespace) -> None:
    """Raise InputError for options that contradict each other, are out of range, or leave out what is needed."""
    if arguments.recipe:
        check_left_to_recipe(arguments, add_options, {"video", "audio"})
        return
    if arguments.force:
        raise InputError("--force is for --recipe; leave it out")
    if not arguments.video:
        raise InputError("there is no clip; give --video, or the --recipe of a dubbed video")
    check_text_options(arguments)
    texts = given_texts(arguments)
    if arguments.audio and texts:
        raise InputError(f"{texts[0]} cannot be used with --audio; choose one")
    if not arguments.audio and not texts:
        raise InputError("there is no new speech; give --audio or --text")
    parse_text(arguments)
    parse_options(arguments)


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
        adapt=arguments.adapt,
        label=arguments.label,
    )


def parse_sampling(arguments: argparse.Namespace, defaults: SamplingOptions) -> SamplingOptions:
    """The preset's sampling with what was given on the command line."""
    given = {field: getattr(arguments, name) for name, field in SAMPLING.items()}
    return replace(defaults, **{field: value for field, value in given.items() if value is not None})


def output_target(arguments: argparse.Namespace) -> Path:
    """Where the video goes; never over an input."""
    if arguments.recipe:
        sources, name = [arguments.recipe, arguments.video, arguments.audio], f"{Path(arguments.recipe).stem}-again.mp4"
    else:
        said = Path(arguments.audio or arguments.text_file or "dubbed").stem
        sources, name = [arguments.video, arguments.audio], f"{Path(arguments.video).stem}_{said}.mp4"
    target = Path(arguments.output or name)
    return check_target(target / name if target.is_dir() else target, [Path(source) for source in sources if source])


def _number(text: str, name: str, choice: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name} is {text!r}; give {choice}")
    return value
