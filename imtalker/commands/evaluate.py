"""``imtalker evaluate``: the paper's tables on any clips."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from imtalker.errors import InputError
from imtalker.evaluate.dataset import BUNDLED, Dataset, read_dataset
from imtalker.evaluate.dubbing import evaluate_dubbing
from imtalker.evaluate.evaluation import ABLATIONS, ablate, evaluate
from imtalker.evaluate.metrics import MODES
from imtalker.evaluate.output import add_json_option, write_numbers, write_text
from imtalker.evaluate.protocols import Evaluator
from imtalker.evaluate.reference_networks import FID_FILE, FVD_FILE, LPIPS_FILE, SYNCNET_FILE, load_reference_networks
from imtalker.evaluate.report_html import html_page
from imtalker.evaluate.report_text import ablation_table, text_table
from imtalker.pipeline.talking_head import load_pipeline

DUB = "dub"  # a protocol of its own, see evaluate/dubbing


def build_parser() -> argparse.ArgumentParser:
    """Options of ``imtalker evaluate``."""
    parser = argparse.ArgumentParser(prog="imtalker evaluate", description="Measure the quality of a preset on clips.")
    parser.add_argument("--data", default=BUNDLED, metavar="DIR", help=f"folder of clips (default: {BUNDLED})")
    parser.add_argument("--mode", choices=(*MODES, DUB), default="self", help="protocol (default: %(default)s)")
    parser.add_argument("--preset", default="tiny", help="preset or folder of weights (default: %(default)s)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--crop", action="store_true", help="cut squares round the faces; else whole pictures are used")
    parser.add_argument("--max-seconds", type=float, default=60.0, help="of each clip (default: %(default)s)")
    parser.add_argument("--clips", type=int, metavar="N", help="only the first N clips")
    parser.add_argument("--ablate", choices=sorted(ABLATIONS), help="the paper's table 3 (audio protocol)")
    files = f"{LPIPS_FILE}, {FID_FILE}, {FVD_FILE}, {SYNCNET_FILE}"
    parser.add_argument("--weights", type=Path, metavar="DIR", help=f"folder that holds any of {files}")
    add_json_option(parser)
    parser.add_argument("--html", type=Path, metavar="OUT", help="write a page with plots and pictures")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; 0: all clips were used, 1: some were skipped."""
    arguments = build_parser().parse_args(argv)
    mode = "audio" if arguments.ablate else arguments.mode
    dataset = read_dataset(arguments.data, with_sound=mode in ("audio", DUB), limit=arguments.clips)
    if mode == DUB:
        return _evaluate_dubbing(arguments, dataset)
    networks = load_reference_networks(arguments.weights)
    pipeline = load_pipeline(arguments.preset, arguments.device, arguments.dtype)
    evaluator = Evaluator(pipeline, networks, arguments.crop, arguments.max_seconds)
    if arguments.ablate:
        reports = ablate(evaluator, dataset, arguments.ablate, _progress)
        table = ablation_table(reports)
    else:
        reports = [evaluate(evaluator, dataset, mode, _progress)]
        table = text_table(reports[0])
    write_numbers([report.as_dict() for report in reports], table, arguments.json)
    if arguments.html is not None:
        write_text(arguments.html, html_page(reports))
    return 1 if reports[0].skipped else 0


def _evaluate_dubbing(arguments: argparse.Namespace, dataset: Dataset) -> int:
    if arguments.html is not None or arguments.weights is not None:
        raise InputError("--html and --weights are not for --mode dub; leave them out")
    pipeline = load_pipeline(arguments.preset, arguments.device, arguments.dtype)
    report = evaluate_dubbing(pipeline, dataset, arguments.max_seconds, _progress)
    write_numbers(report.as_dict(), report.table(), arguments.json)
    return 1 if report.skipped else 0


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")
