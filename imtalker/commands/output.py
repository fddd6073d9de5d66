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


def print_run(facts: dict[str, Any]) -> None:
    """One line about a finished video: its length, and how fast it was made."""
    if facts["output"] is None:
        sys.stderr.write("stopped before the first frame; nothing was written\n")
        return
    early = "stopped early, " if facts["stopped"] else ""
    length = f"{facts['duration_seconds']:.2f} s of video in {facts['total_seconds']:.1f} s"
    speed = f"{facts['frames_per_second']:.1f} frames/s, first {facts['first_frame_seconds']:.2f} s"
    sys.stdout.write(f"{facts['output']}: {early}{length} ({speed})\n")


def print_progress(line: str) -> None:
    """One line about what is being done."""
    sys.stderr.write(f"{line}\n")
