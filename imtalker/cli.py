"""The command line ``imtalker``: words for people, exit codes for scripts. 0 done, 1 partly, 2 bad input."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from imtalker.errors import ImTalkerError, InputError
from imtalker.version import __version__

logger = logging.getLogger(__name__)

PARTLY, BAD_INPUT, INTERRUPTED = 1, 2, 130

# Commands that live beside what they run; each module has main(argv) -> exit code or None.
ELSEWHERE = {
    "bench": ("imtalker.bench.bench", "measure speed and memory"),
    "evaluate": ("imtalker.commands.evaluate", "measure the quality of videos or of a preset"),
    "check": ("imtalker.evaluate.check", "check a finished video"),
    "train-renderer": ("imtalker.train.renderer", "train the renderer"),
    "train-motion": ("imtalker.train.motion_encoder", "train the renderer's motion encoder"),
    "train-audio": ("imtalker.train.audio_encoder", "train the audio encoder"),
    "train-generator": ("imtalker.train.generator", "train the motion generator"),
}
PACKAGES = {"imtalker.train": "imtalker[train]", "imtalker.evaluate": "imtalker[evaluate]"}


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    from imtalker.commands import animate, convert, dub, info

    parser = Parser(prog="imtalker", description="One portrait and speech or a driving video become a talking video.")
    parser.add_argument("--version", action="version", version=f"imtalker {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what is being done")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for module in (animate, dub, convert, info):
        module.add_parser(commands)
    for name, (_, summary) in ELSEWHERE.items():
        commands.add_parser(name, help=summary, add_help=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(format="imtalker: %(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        if argv and argv[0] in ELSEWHERE:
            return _run_elsewhere(argv[0], argv[1:])
        arguments = build_parser().parse_args(argv)
        if arguments.verbose:
            logging.getLogger("imtalker").setLevel(logging.INFO)
        return arguments.run(arguments)
    except ImTalkerError as error:
        return _complain(str(error), BAD_INPUT)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "out of memory" not in str(error):  # torch's own kind says so
            raise
        return _complain("out of memory; use a smaller picture, another device or dtype", PARTLY)
    except KeyboardInterrupt:
        return _complain("stopped; nothing was written", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone away
        sys.stderr.close()
        return PARTLY


def _run_elsewhere(name: str, argv: list[str]) -> int:
    module_name, _ = ELSEWHERE[name]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        package = next(extra for prefix, extra in PACKAGES.items() if module_name.startswith(prefix))
        raise InputError(f"{name} needs {error.name}, which is not installed; run: pip install '{package}'") from error
    return module.main(argv) or 0


def _complain(message: str, code: int) -> int:
    print("imtalker: " + " ".join(message.split()), file=sys.stderr)  # noqa: T201 (the command line talks)
    return code
