"""The command line ``imtalker``: words for people, exit codes for scripts (``commands/exit_codes``)."""

import argparse
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from imtalker.commands import animate, batch, bench, check, convert, dub, evaluate, info, train
from imtalker.commands.exit_codes import BAD_INPUT, INTERRUPTED, PARTLY
from imtalker.commands.parser import Parser
from imtalker.errors import ImTalkerError, InputError
from imtalker.version import __version__

logger = logging.getLogger(__name__)

CHECKOUT = Path(__file__).resolve().parents[1]  # of the repository, unless a wheel was installed
COMMANDS = (animate, dub, batch, convert, info, bench, evaluate, check, train)


def build_parser() -> Parser:
    """All commands and their options."""
    parser = Parser(prog="imtalker", description="One portrait and speech or a driving video become a talking video.")
    parser.add_argument("--version", action="version", version=f"imtalker {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what is being done")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for module in COMMANDS:
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(format="imtalker: %(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        return run_command(argv)
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


def run_command(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code.

    Raises:
        ImTalkerError: whatever is wrong; also a package of an extra that is not installed.
    """
    try:
        arguments: argparse.Namespace = build_parser().parse_args(argv)
        if arguments.verbose:
            logging.getLogger("imtalker").setLevel(logging.INFO)
        return arguments.run(arguments)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("imtalker"):  # a fault of ours is not the user's
            raise
        command = next((word for word in argv if not word.startswith("-")), "")
        extra = next((module.EXTRA for module in COMMANDS if command in module.NAMES), None)
        raise InputError(f"{command} needs {error.name}, which is not installed; run: {_installs(extra)}") from error


def _installs(extra: str | None) -> str:
    """The command that installs everything an extra of pyproject.toml names, or, None, all that is always needed."""
    if (CHECKOUT / "pyproject.toml").is_file():
        return f"make -C {shlex.quote(str(CHECKOUT))} {'setup-dev' if extra else 'setup'}"
    return f"pip install 'imtalker[{extra}]'" if extra else "pip install imtalker"


def _complain(message: str, code: int) -> int:
    print("imtalker: " + " ".join(message.split()), file=sys.stderr)  # noqa: T201 (the command line talks)
    return code
