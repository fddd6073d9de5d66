"""``imtalker bench``: measure speed and memory."""

import argparse
from typing import Any

from imtalker.commands.exit_codes import DONE
from imtalker.commands.output import add_json_option, print_progress, write_numbers

NAMES, EXTRA = ("bench",), None


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "bench", help="measure speed and memory", description="Measure speed and memory.", add_options=add_options
    )
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """All options."""
    from imtalker.bench.curves import CURVES

    add = parser.add_argument
    add("--preset", default="tiny", help="preset or folder of weights (default: %(default)s)")
    add("--device", default="auto")
    add("--dtype", default="auto")
    add("--full", action="store_true", help="also scaling curves; many minutes instead of about one")
    add("--curves", nargs="+", choices=CURVES, default=[], help="only these scaling curves")
    add(
        "--budget",
        type=float,
        default=300.0,
        metavar="S",
        help="longest run of a curve, seconds (default: %(default)g)",
    )
    add("--random", action="store_true", help="random weights: as fast, no download")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    from imtalker.bench import bench
    from imtalker.bench.tables import text_tables
    from imtalker.pipeline.talking_head import load_pipeline

    load = bench.random_pipeline if arguments.random else load_pipeline
    pipeline = load(arguments.preset, arguments.device, arguments.dtype)
    report = bench.bench(
        pipeline, arguments.full, curves=arguments.curves, budget=arguments.budget, log=print_progress
    ).as_dict()
    write_numbers(report, text_tables(report), arguments.json)
    return DONE
