"""Options of ``imtalker animate`` and what they mean to the pipeline."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

from PIL import ImageColor

from imtalker.config import SamplingOptions, Solver
from imtalker.errors import InputError
from imtalker.generator.motion_style import MotionStyle
from imtalker.speech.text import DEFAULT_VOICE, VOICES, check_text, read_text

ANGLES = ("yaw", "pitch", "roll", "gaze_x", "gaze_y")
SAMPLING = {
    "steps": "num_steps",
    "guidance": "guidance_scale",
    "pose_guidance": "pose_guidance",
    "gaze_guidance": "gaze_guidance",
    "solver": "solver",
    "seed": "seed",
    "noise": "noise",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """All options, in groups."""
    add = parser.add_argument_group("input and output").add_argument
    add("--portrait", nargs="+", default=[], metavar="P", help="picture(s) or a folder of them")
    add("--audio", nargs="+", default=[], metavar="A", help="speech: audio or video file(s), or a folder")
    add("--video", nargs="+", default=[], metavar="V", help="driving clip(s), or a folder")
    add_text_options(add)
    add("--motion", metavar="F", help="motion saved before (.safetensors); --audio then only gives the sound")
    add("--recipe", metavar="R", help="make a video again: its recipe (.json), or the finished video itself")
    add("-o", "--output", metavar="OUT.mp4", help="the video; for a batch a folder")
    add("--save-motion", metavar="F", help="also save the motion (.safetensors), to use on other portraits")
    add("--side-by-side", action="store_true", help="also write input beside result, OUT-side-by-side.mp4")
    add("--label", action="store_true", help="write 'AI-generated' into a corner")
    add("--json", action="store_true", help="print one JSON object with timings and versions")
    add("--force", action="store_true", help="with --recipe: take files and weights that differ from the recipe's")

    add = parser.add_argument_group("models").add_argument
    add("--preset", metavar="tiny|base|DIR", help="models to use (default: tiny)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--dtype", default="auto", help="auto, float32, mixed (on CPUs with bfloat16), float16 or bfloat16")

    add = parser.add_argument_group("sampling (audio-driven; the preset's values by default)").add_argument
    add(
        "--steps",
        type=int,
        metavar="N",
        help="network evaluations per window (official nfe=10 is 9 of these)",
    )
    add("--guidance", type=float, metavar="W", help="guidance by the speech; 1 is off")
    add("--pose-guidance", type=float, metavar="W", help="guidance by the head controls; 1 is off")
    add("--gaze-guidance", type=float, metavar="W", help="guidance by the gaze controls; 1 is off")
    add("--solver", choices=get_args(Solver), help="of the flow's differential equation")
    add("--seed", type=int, metavar="S", help="same seed, same video")
    add("--noise", choices=("stream", "repeat"), help="one noise stream per clip, or the same in every window")

    add = parser.add_argument_group("controls (audio-driven; degrees)").add_argument
    add("--yaw", type=float, metavar="D", help="nose to the right of the picture")
    add("--pitch", type=float, metavar="D", help="nose up")
    add("--roll", type=float, metavar="D", help="head tilted counter-clockwise")
    add("--gaze-x", type=float, metavar="D", help="eyes to the right of the picture")
    add("--gaze-y", type=float, metavar="D", help="eyes up")
    add(
        "--controls",
        metavar="FILE",
        help=".csv or .npz with columns yaw, pitch, roll, gaze_x, ..., one row a frame",
    )
    add("--head-from", metavar="CLIP", help="take head motion and gaze of this clip, the lips from the speech")
    add(
        "--relative",
        action="store_true",
        help="video-driven: add the driver's change to the portrait's own pose",
    )

    add = parser.add_argument_group("style (audio-driven; 1 is as most people speak)").add_argument
    add("--expressiveness", type=float, metavar="X", help="of the whole face and the head, 0 to 3")
    add("--head", type=float, metavar="X", help="amount of the head's motion, 0 to 3")
    add("--mouth", type=float, metavar="X", help="how far the mouth opens, 0.25 to 2")
    add("--brows", type=float, metavar="X", help="liveliness of the brows, 0 to 3")
    add("--smile", type=float, metavar="X", help="kept during speech, 0 to 1; by default the portrait's")
    add("--blinks", type=float, metavar="N", help="a minute, 2 to 60; 17 by default")
    add("--style-from", metavar="CLIP", help="speak in the manner of this clip; the options above override it")

    add = parser.add_argument_group("framing").add_argument
    add("--face", type=int, metavar="N", help="which face of the portrait, 0 the largest")
    add("--crop", default="auto", metavar="L,T,SIDE[,ANGLE]", help="square of the portrait: left, top, side in pixels")
    add("--no-crop", dest="crop", action="store_const", const="none", help="use the whole picture")
    add("--video-face", type=int, metavar="N", help="which face of the driving clip")
    add("--video-crop", default="auto", metavar="L,T,SIDE|none", help="square of the driving clip")
    add("--size", type=int, metavar="N", help="side of the result in pixels (tiny: 512 or 256; default: the larger)")
    add("--paste-back", action="store_true", help="put the result back into the whole picture")
    add(
        "--max-side",
        type=int,
        default=1920,
        metavar="N",
        help="longer side of a whole picture at most, 128 to 4096 pixels (default: 1920)",
    )
    add("--background", default="white", metavar="COLOUR", help="behind transparent parts: a name or #rrggbb")


def add_text_options(add: Callable[..., Any]) -> None:
    """A text in the place of speech, and its voice; ``add`` is the ``add_argument`` of a group."""
    add("--text", metavar="WORDS", help="what a synthetic voice says: English, up to 10,000 characters")
    add("--text-file", metavar="F", help="the same, read from a file in UTF-8")
    add("--voice", choices=VOICES, help="of --text; heart (the default) works offline, others are fetched once")
    add("--speed", type=float, metavar="X", help="of the voice, 0.5 to 2")


def check_options(arguments: argparse.Namespace) -> None:
    """Raise InputError for options that contradict each other."""
    if arguments.recipe:
        _check_recipe_options(arguments)
        return
    if arguments.force:
        raise InputError("--force is for --recipe; leave it out")
    if not arguments.portrait:
        raise InputError("there is no portrait; give --portrait, or the --recipe of a video")
    check_text_options(arguments)
    given = [name for name in ("audio", "video", "motion") if getattr(arguments, name)]
    texts = given_texts(arguments)
    if not given and not texts:
        raise InputError("nothing to animate with; give --audio, --text, --video or --motion")
    if given and texts:
        raise InputError(f"{texts[0]} cannot be used with --{given[0]}; choose one")
    if "video" in given and len(given) > 1:
        raise InputError(f"--video cannot be used with --{given[0] if given[0] != 'video' else given[1]}; choose one")
    if given not in (["audio"], []):
        only_audio = [*SAMPLING, *ANGLES, *MotionStyle.names(), "style_from", "controls", "head_from"]
        wrong = [name for name in only_audio if getattr(arguments, name) is not None]
        if wrong:
            raise InputError(f"--{wrong[0].replace('_', '-')} is for --audio or --text alone; leave it out")
    if arguments.relative and given != ["video"]:
        raise InputError("--relative is for --video; leave it out")


def given_texts(arguments: argparse.Namespace) -> list[str]:
    """The options given that say a text; an empty one is one, too."""
    return [f"--{n.replace('_', '-')}" for n in ("text", "text_file") if getattr(arguments, n) is not None]


def check_text_options(arguments: argparse.Namespace) -> None:
    """Raise InputError for options of a text that contradict each other."""
    texts = given_texts(arguments)
    if len(texts) > 1:
        raise InputError("--text cannot be used with --text-file; choose one")
    for name in ("voice", "speed"):
        if getattr(arguments, name) is not None and not texts:
            raise InputError(f"--{name} is for --text or --text-file; leave it out")


def parse_text(arguments: argparse.Namespace) -> tuple[str, str, float] | None:
    """Text, voice and speed as asked for and checked; None if there is no text to say."""
    if not given_texts(arguments):
        return None
    text = read_text(arguments.text_file) if arguments.text is None else arguments.text
    voice, speed = arguments.voice or DEFAULT_VOICE, 1.0 if arguments.speed is None else arguments.speed
    return check_text(text, voice, speed), voice, speed


def _check_recipe_options(arguments: argparse.Namespace) -> None:
    check_left_to_recipe(arguments, add_options, {"portrait", "audio", "video", "motion", "head_from"})
    for name in ("portrait", "audio", "video"):
        if len(getattr(arguments, name)) > 1:
            raise InputError(f"a recipe has one {name}; give one --{name}")


def check_left_to_recipe(
    arguments: argparse.Namespace, add: Callable[[argparse.ArgumentParser], None], files: set[str]
) -> None:
    """Raise InputError for an option that the recipe sets.

    Args:
        add: adds the command's options to a parser.
        files: names of those that say where a file of the recipe is.
    """
    parser = argparse.ArgumentParser()
    add(parser)
    open_to_choice = {"recipe", "preset", "device", "dtype", "output", "save_motion", "side_by_side", "json", "force"}
    for name, default in vars(parser.parse_args([])).items():
        if name not in open_to_choice | files and getattr(arguments, name) != default:
            raise InputError(f"--{name.replace('_', '-')} is set by the recipe; leave it out")


def recipe_files(arguments: argparse.Namespace) -> dict[str, str]:
    """Where the command line says that the files of a recipe are; see ``InputFiles.given``."""
    named = {
        "portrait": arguments.portrait[0] if arguments.portrait else None,
        "speech": arguments.audio[0] if arguments.audio else None,
        "driving": arguments.video[0] if arguments.video else None,
        "head_from": arguments.head_from,
        "motion": arguments.motion,
    }
    return {entry: path for entry, path in named.items() if path is not None}


def parse_colour(text: str) -> tuple[int, int, int]:
    """A colour name or #rrggbb as RGB."""
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise InputError(f"background {text!r} is no colour; use a name or #rrggbb") from error
    return red, green, blue


def parse_sampling(arguments: argparse.Namespace, defaults: SamplingOptions) -> SamplingOptions:
    """The preset's sampling with what was given on the command line."""
    given = {field: getattr(arguments, name) for name, field in SAMPLING.items()}
    return replace(defaults, **{field: value for field, value in given.items() if value is not None})


def parse_controls(arguments: argparse.Namespace) -> Any:
    """``MotionControls`` from a file, overridden by single options; None if nothing was asked for."""
    from imtalker.generator.controls import MotionControls

    controls = None if arguments.controls is None else MotionControls.from_file(arguments.controls)
    given = {name: getattr(arguments, name) for name in ANGLES}
    given = {name: value for name, value in given.items() if value is not None}
    style = replace_given(MotionStyle(), arguments)
    if style != MotionStyle():
        given["style"] = style
    return replace(controls or MotionControls(), **given) if given else controls


def replace_given(style: MotionStyle, arguments: argparse.Namespace) -> MotionStyle:
    """The style with the options that were given in place of its own."""
    given = {name: getattr(arguments, name) for name in MotionStyle.names()}
    return replace(style, **{name: value for name, value in given.items() if value is not None})
