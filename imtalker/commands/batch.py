"""``imtalker batch``: a table of videos to make, on this machine or on a Ray cluster."""

import argparse
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imtalker.commands.exit_codes import BAD_INPUT, DONE, INTERRUPTED, PARTLY
from imtalker.commands.output import print_progress
from imtalker.errors import InputError, OutputError

if TYPE_CHECKING:
    from imtalker.commands.batching.ledger import Outcome
    from imtalker.commands.batching.rows import Row

NAMES, EXTRA = ("batch",), "cluster"

LISTED = 100  # problems told at once
DESCRIPTION = """\
Make the videos of a table, one row each. Columns are options of animate by their names (portrait, audio or text or
video, yaw, seed, ...); a row without a portrait is dubbed, with the options of dub (video, audio, ...). The column
output names the result inside DIR. Paths count from the table's folder. All rows are checked before the first is made.
Started again, the same command makes what is missing. What became of each row stands in DIR/results.jsonl."""


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("batch", help="make the videos of a table, one row each", description=DESCRIPTION)
    add = parser.add_argument
    add("jobs", metavar="JOBS", help="table of the videos: .csv with a header, or .jsonl")
    add("-o", "--output", required=True, metavar="DIR", help="folder of the results; made if missing")
    add("--workers", type=int, metavar="N", help="at once, on Ray (default: one a GPU, without GPUs one a machine)")
    add(
        "--on",
        default="local",
        metavar="local|ray|ray://HOST",
        help="this process; Ray, on this machine or where RAY_ADDRESS says; a Ray cluster (default: %(default)s)",
    )
    add("--device", default="auto", help="of every worker: auto, cpu, cuda, cuda:N or mps")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the videos; returns the exit code."""
    _check(arguments)
    from imtalker.commands.batching.ledger import summary, working_in
    from imtalker.commands.batching.rows import prepare_targets, read_rows

    if arguments.on != "local":
        import ray  # noqa: F401 # pyright: ignore[reportMissingImports] (missing: told before any work)
    folder = Path(arguments.output)
    rows, problems = read_rows(Path(arguments.jobs), folder)
    if problems:
        for problem in problems[:LISTED]:
            print_progress(f"imtalker: {arguments.jobs}, {problem}")
        more = f", {len(problems) - LISTED} more like these" if len(problems) > LISTED else ""
        print_progress(f"imtalker: {len(problems)} mistakes{more}; nothing was made")
        return BAD_INPUT
    try:
        folder.mkdir(parents=True, exist_ok=True)
        prepare_targets(rows)
    except OSError as error:
        raise OutputError(f"output folder {folder} cannot be made ({error.strerror}); choose another") from error
    ended: list[Outcome] = []
    stopped = False
    with working_in(folder, rows) as ledger:
        to_make = [row for row in rows if not ledger.is_finished(row)]
        progress = _Progress(len(to_make))
        try:
            with closing(_start(arguments, to_make)) as outcomes:
                for outcome in outcomes:
                    ledger.write(outcome)
                    ended.append(outcome)
                    progress.tell(outcome)
        except KeyboardInterrupt:
            stopped = True
    print_progress(f"{summary(ended, len(rows) - len(to_make), len(rows))}; see {folder / 'results.jsonl'}")
    failed = any(outcome.facts is None for outcome in ended)
    return INTERRUPTED if stopped else PARTLY if failed else DONE


def _check(arguments: argparse.Namespace) -> None:
    if arguments.on not in ("local", "ray") and not arguments.on.startswith("ray://"):
        raise InputError(f"--on is {arguments.on!r}; give local, ray or ray://HOST")
    if arguments.workers is not None and arguments.workers < 1:
        raise InputError(f"--workers is {arguments.workers}; give 1 or more")
    if arguments.on == "local" and (arguments.workers or 1) > 1:
        raise InputError(f"{arguments.workers} workers need Ray; add --on ray")


def _start(arguments: argparse.Namespace, rows: list["Row"]) -> Generator["Outcome"]:
    if arguments.on == "local":
        from imtalker.commands.batching.worker import run_here

        yield from run_here(rows, arguments.device)
    elif rows:
        from imtalker.commands.batching.cluster import run_on_ray

        address = None if arguments.on == "ray" else arguments.on
        yield from run_on_ray(rows, arguments.workers, address, arguments.device)


class _Progress:
    """A line for each row that ends: what came of it, rows done, frames per second, time left."""

    def __init__(self, rows: int):
        self._rows, self._done, self._frames = rows, 0, 0
        self._start = time.monotonic()

    def tell(self, outcome: "Outcome") -> None:
        self._done += 1
        self._frames += 0 if outcome.facts is None else outcome.facts["frames"]
        seconds = max(time.monotonic() - self._start, 1e-6)
        minutes, rest = divmod(round(seconds / self._done * (self._rows - self._done)), 60)
        ending = f"failed, {outcome.error}" if outcome.facts is None else "made"
        where = f"{self._done} of {self._rows} rows, {self._frames / seconds:.1f} frames/s, {minutes}:{rest:02} left"
        print_progress(f"{outcome.row.output.name} {ending} ({where})")
