"""``imtalker evaluate``: the paper's tables on any clips."""

import argparse
from pathlib import Path
from typing import Any

from imtalker.commands.exit_codes import DONE, PARTLY
from imtalker.commands.output import add_json_option, print_progress, write_numbers, write_text
from imtalker.errors import InputError

NAMES, EXTRA = ("evaluate",), "evaluate"
DUB = "dub"  # a protocol of its own, see evaluate/dubbing


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure the quality of videos or of a preset",
        description="Measure the quality of a preset on clips.",
        add_options=add_options,
    )
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """All options."""
    from imtalker.dubbing.options import ENGINES
    from imtalker.evaluate.ablation import ABLATIONS
    from imtalker.evaluate.dataset import BUNDLED
    from imtalker.evaluate.metrics import MODES
    from imtalker.evaluate.reference_networks import FID_FILE, FVD_FILE, LPIPS_FILE, SYNCNET_FILE

    add = parser.add_argument
    add("--data", default=BUNDLED, metavar="DIR", help=f"folder of clips (default: {BUNDLED})")
    add("--mode", choices=(*MODES, DUB), default="self", help="protocol (default: %(default)s)")
    add(
        "--engine",
        choices=ENGINES,
        help="with --mode dub: what draws the mouths (default: completion, where its weights are)",
    )
    add(
        "--sounds",
        type=int,
        metavar="N",
        help="with --mode dub: of how many other clips each says the words (default: 1)",
    )
    add("--preset", default="tiny", help="preset or folder of weights (default: %(default)s)")
    add("--device", default="auto")
    add("--dtype", default="auto")
    add("--size", type=int, metavar="N", help="side of the frames made, pixels (default: the preset's)")
    add("--crop", action="store_true", help="cut squares round the faces; else whole pictures are used")
    add("--max-seconds", type=float, default=60.0, help="of each clip (default: %(default)s)")
    add("--clips", type=int, metavar="N", help="only the first N clips")
    add(
        "--ablate",
        choices=tuple(ABLATIONS),
        help="one table, whatever --mode says: the paper's table 3 (steps, conditions: audio protocol), "
        "or what each part of the renderer is worth (parts: self protocol)",
    )
    files = f"{LPIPS_FILE}, {FID_FILE}, {FVD_FILE}, {SYNCNET_FILE}"
    add("--weights", type=Path, metavar="DIR", help=f"folder that holds any of {files}")
    add_json_option(parser)
    add("--html", type=Path, metavar="OUT", help="write a page with plots and pictures")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; PARTLY where clips were skipped."""
    from imtalker.evaluate.ablation import ABLATIONS, ablate
    from imtalker.evaluate.dataset import read_dataset
    from imtalker.evaluate.evaluation import evaluate
    from imtalker.evaluate.protocols import Evaluator
    from imtalker.evaluate.reference_networks import load_reference_networks
    from imtalker.evaluate.report_html import html_page
    from imtalker.evaluate.report_text import ablation_table, text_table
    from imtalker.pipeline.talking_head import load_pipeline

    mode = ABLATIONS[arguments.ablate].mode if arguments.ablate else arguments.mode
    dataset = read_dataset(arguments.data, with_sound=mode in ("audio", DUB), limit=arguments.clips)
    if mode == DUB:
        return _evaluate_dubbing(arguments, dataset)
    for name in ("engine", "sounds"):
        if getattr(arguments, name) is not None:
            raise InputError(f"--{name} is for --mode dub; leave it out")
    networks = load_reference_networks(arguments.weights)
    pipeline = load_pipeline(arguments.preset, arguments.device, arguments.dtype, size=arguments.size)
    evaluator = Evaluator(pipeline, networks, arguments.crop, arguments.max_seconds)
    if arguments.ablate:
        reports = ablate(evaluator, dataset, arguments.ablate, print_progress)
        table = ablation_table(reports)
    else:
        reports = [evaluate(evaluator, dataset, mode, print_progress)]
        table = text_table(reports[0])
    write_numbers([report.as_dict() for report in reports], table, arguments.json)
    if arguments.html is not None:
        write_text(arguments.html, html_page(reports))
    return PARTLY if reports[0].skipped else DONE


def _evaluate_dubbing(arguments: argparse.Namespace, dataset: Any) -> int:
    from imtalker.evaluate.dubbing import evaluate_dubbing
    from imtalker.pipeline.talking_head import load_pipeline

    if arguments.html is not None or arguments.weights is not None:
        raise InputError("--html and --weights are not for --mode dub; leave them out")
    pipeline = load_pipeline(arguments.preset, arguments.device, arguments.dtype, size=arguments.size)
    sounds = 1 if arguments.sounds is None else arguments.sounds
    report = evaluate_dubbing(pipeline, dataset, arguments.max_seconds, print_progress, arguments.engine, sounds)
    write_numbers(report.as_dict(), report.table(), arguments.json)
    return PARTLY if report.skipped else DONE
