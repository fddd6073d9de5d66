"""Where the numbers of a command go: tables or JSON on the terminal, files beside them."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from imtalker.errors import OutputError

STDOUT = "-"


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """``--json`` prints JSON instead of tables, ``--json OUT`` writes it to a file beside the printed tables."""
    parser.add_argument(
        "--json", nargs="?", const=STDOUT, metavar="OUT", help="all numbers: into OUT, or printed instead of tables"
    )


def write_numbers(content: Any, table: str, target: str | None) -> None:
    """Print a table or the numbers, as asked for by the option above.

    Raises:
        OutputError: the file cannot be written.
    """
    numbers = json.dumps(content, indent=2, allow_nan=False) + "\n"
    sys.stdout.write(numbers if target == STDOUT else table + "\n")
    if target not in (None, STDOUT):
        write_text(Path(target), numbers)


def write_text(path: Path, content: str) -> None:
    """Write a file.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}; choose another place") from error


def print_progress(line: str) -> None:
    """One line about what is being done."""
    sys.stderr.write(f"{line}\n")
