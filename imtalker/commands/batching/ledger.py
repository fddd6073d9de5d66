"""``results.jsonl``: what became of each row, one line as it ends; and by that, which rows need not be made again."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from imtalker.commands.batching.rows import Row, results_of
from imtalker.errors import InputError, OutputError
from imtalker.media.atomic import remove_leftovers, write_error
from imtalker.pipeline.recipe import read_recipe

NAME = "results.jsonl"


@dataclass(frozen=True)
class Outcome:
    """How a row has ended."""

    row: Row
    facts: dict[str, Any] | None  # of the finished video; None: it failed
    error: str | None = None


class Ledger:
    """The results of one folder."""

    def __init__(self, folder: Path):
        self._path = folder / NAME
        self._last: dict[str, dict[str, Any]] = {}  # result's name -> its last line
        for entry in self._read():
            self._last[entry["output"]] = entry

    def _read(self) -> Iterator[dict[str, Any]]:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # a machine that went down while writing
                continue
            if isinstance(entry, dict) and isinstance(entry.get("output"), str):
                yield entry

    def is_finished(self, row: Row) -> bool:
        """Whether the row's results are there: made from the same row, and the video still the file that was made."""
        entry = self._last.get(self._name(row))
        if entry is None or entry.get("outcome") != "done" or entry.get("key") != row.key:
            return False
        if not all(file.is_file() for file in results_of(row)):
            return False
        return row.output.stat().st_size == entry.get("bytes") and _recipe_checksum(row.output) == entry.get("recipe")

    def write(self, outcome: Outcome) -> None:
        """Add a line.

        Raises:
            OutputError: the disk is full.
        """
        row = outcome.row
        entry: dict[str, Any] = {"row": row.number, "output": self._name(row)}
        if outcome.facts is None:
            entry |= {"outcome": "failed", "error": outcome.error}
        else:
            kept = ("size", "frames", "duration_seconds", "total_seconds", "device", "remarks")
            entry |= {"outcome": "done", **{name: outcome.facts[name] for name in kept if name in outcome.facts}}
            entry |= {"bytes": row.output.stat().st_size, "recipe": _recipe_checksum(row.output)}
        entry |= {"key": row.key, "ended": datetime.now(UTC).isoformat(timespec="seconds")}
        self._last[entry["output"]] = entry
        try:
            with self._path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    torn = file.read(1) != b"\n"
                    file.write(b"\n" if torn else b"")
                file.write(json.dumps(entry).encode() + b"\n")
        except OSError as error:
            raise write_error(self._path, error) from error

    def _name(self, row: Row) -> str:
        return row.output.relative_to(self._path.parent.resolve()).as_posix()


@contextmanager
def working_in(folder: Path, rows: list[Row]) -> Iterator[Ledger]:
    """The ledger of a folder that no other batch works in; what killed writers left there is removed before and after.

    Raises:
        InputError: another batch is at work there.
    """
    lock = FileLock(folder / ".batch.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"another batch is at work in {folder}; wait for it, or give another folder") from error
    except OSError as error:
        raise OutputError(f"output folder {folder} may not be written ({error}); choose another") from error
    try:
        _tidy(rows)
        yield Ledger(folder)
        _tidy(rows)
    finally:
        lock.release()
        (folder / ".batch.lock").unlink(missing_ok=True)


def summary(outcomes: list[Outcome], skipped: int, rows: int) -> str:
    """What a batch came to, in one line."""
    count = Counter("failed" if outcome.facts is None else "made" for outcome in outcomes)
    words = [f"{count['made']} made", f"{skipped} were there already", f"{count['failed']} failed"]
    left = rows - skipped - len(outcomes)
    return f"{rows} rows: " + ", ".join(words + ([f"{left} left"] if left else []))


def _tidy(rows: list[Row]) -> None:
    for row in rows:
        for target in results_of(row):
            remove_leftovers(target)


def _recipe_checksum(video: Path) -> str | None:
    try:
        recipe = read_recipe(video)
    except InputError:
        return None
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
