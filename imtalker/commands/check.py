"""``imtalker check``: is one finished video in order?"""

import argparse
import json
import sys
from typing import Any

from imtalker.commands.exit_codes import DONE, PARTLY

NAMES, EXTRA = ("check",), "evaluate"


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("check", help="check a finished video", description="Check one finished video.")
    add = parser.add_argument
    add("video", metavar="VIDEO")
    add("--audio", metavar="FILE", help="the speech it was made from")
    add("--portrait", metavar="FILE", help="the picture it was made from")
    add("--recipe", metavar="FILE", help="what was asked for, JSON; default: the one in the video")
    add("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check and print; PARTLY where something is wrong."""
    from imtalker.evaluate.check import check_video
    from imtalker.pipeline.recipe import read_recipe

    recipe = None if arguments.recipe is None else read_recipe(arguments.recipe)
    report = check_video(arguments.video, arguments.audio, arguments.portrait, recipe)
    sys.stdout.write((json.dumps(report.as_dict(), indent=2) if arguments.json else str(report)) + "\n")
    return DONE if report.ok else PARTLY
