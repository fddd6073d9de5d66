"""Make sample files or portraits: python -m tools.synthetic_people {portraits,speech,clips,mouths,random,stress}."""

import argparse
import logging
from pathlib import Path

from tools.synthetic_people.clips import (
    CLIP_SCRIPTS,
    CLIP_SIZE,
    COUNTERFACTUAL_SCRIPTS,
    EVALUATION_SCRIPTS,
    render_clip,
)
from tools.synthetic_people.mouth_clips import write_mouth_clips
from tools.synthetic_people.random_portraits import write_random
from tools.synthetic_people.renderer import PersonRenderer
from tools.synthetic_people.sample_portraits import write_portraits
from tools.synthetic_people.sample_speech import write_speech
from tools.synthetic_people.stress import STRESS_SCRIPTS, write_stress

SCRIPTS = {"demo": CLIP_SCRIPTS, "evaluation": EVALUATION_SCRIPTS, "counterfactual": COUNTERFACTUAL_SCRIPTS}


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.synthetic_people", description=(__doc__ or "").splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("portraits", "sample portraits"),
        ("speech", "sample speech"),
        ("clips", "driving clips"),
        ("stress", "clips that are hard on the motion transfer, to evaluate on"),
    ):
        command = commands.add_parser(name, help=f"make the {text}")
        command.add_argument("--out", type=Path, required=True, help="folder")
        command.add_argument("--names", nargs="+", help="only these; default: all")
    commands.choices["clips"].add_argument("--set", choices=SCRIPTS, default="demo")
    commands.choices["clips"].add_argument("--size", type=int, default=CLIP_SIZE, help="pixels")
    commands.choices["stress"].add_argument("--size", type=int, default=512, help="pixels")
    for name, text, size in (
        ("random", "portraits of random people", 512),
        ("mouths", "clips of random people to learn mouths from, each with its counterfactual", 256),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--out", type=Path, required=True, help="folder")
        command.add_argument("--first-seed", type=int, default=1000)
        command.add_argument("--count", type=int, default=16)
        command.add_argument("--size", type=int, default=size, help="pixels")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Entry point."""
    arguments = parse_arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.command == "portraits":
        write_portraits(out, arguments.names)
    elif arguments.command == "speech":
        write_speech(out, arguments.names)
    elif arguments.command == "random":
        write_random(out, arguments.first_seed, arguments.count, arguments.size)
    elif arguments.command == "mouths":
        write_mouth_clips(out, arguments.first_seed, arguments.count, arguments.size)
    elif arguments.command == "stress":
        studio = PersonRenderer(arguments.size)
        for script in STRESS_SCRIPTS:
            if not arguments.names or script.name in arguments.names:
                write_stress(studio, script, out)
    else:
        studio = PersonRenderer(arguments.size)
        for script in SCRIPTS[arguments.set]:
            if not arguments.names or script.name in arguments.names:
                render_clip(studio, script, out)


if __name__ == "__main__":
    main()
