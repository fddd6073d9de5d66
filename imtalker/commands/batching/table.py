"""The file of a batch: CSV with a header, or JSON Lines -> rows of named cells."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imtalker.errors import InputError
from imtalker.media.container import existing_file


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with one row; the message names the value and the remedy."""

    row: int
    column: str | None
    message: str

    def __str__(self) -> str:
        where = f"row {self.row}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.message}"


@dataclass(frozen=True)
class Cells:
    """One row: the names of options without dashes, and what stands there; empty cells are left out."""

    number: int  # as a spreadsheet or an editor counts: a CSV's header is row 1
    values: dict[str, Any] = field(default_factory=dict)


def read_table(path: Path) -> tuple[list[Cells], list[Problem]]:
    """The rows of a file, and what is wrong with those that cannot be read.

    Raises:
        InputError: missing, of another kind, not text, or without a row.
    """
    kinds = {".csv": _read_csv, ".jsonl": _read_json_lines}
    if path.suffix.lower() not in kinds:
        raise InputError(f"jobs {path} must end in {' or '.join(kinds)}; rename or convert it")
    try:
        text = existing_file(path, "jobs").read_text(encoding="utf-8-sig")
    except ValueError as error:
        raise InputError(f"jobs {path} is not text in UTF-8 ({error}); save it as CSV in UTF-8") from error
    rows: list[Cells] = []
    problems: list[Problem] = []
    for found in kinds[path.suffix.lower()](text):
        (rows if isinstance(found, Cells) else problems).append(found)  # pyright: ignore[reportArgumentType]
    if not rows and not problems:
        raise InputError(f"jobs {path} has no rows; write one row for each video")
    return rows, problems


def _read_csv(text: str) -> Iterator[Cells | Problem]:
    header = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text), delimiter=";" if header.count(";") > header.count(",") else ",", strict=True)
    number = 0
    try:
        columns = [_name(column) for column in next(lines, [])]
        twice = next((column for column in columns if column and columns.count(column) > 1), None)
        if twice is not None:
            yield Problem(1, twice, "this column is there twice; leave one out")
        for number, cells in enumerate(lines, 2):
            filled = [cell.strip() for cell in cells]
            if not any(filled):
                continue
            if any(filled[len(columns) :]):
                yield Problem(number, None, f"{len(cells)} cells under {len(columns)} names; quote cells with commas")
                continue
            pairs = zip(columns, filled, strict=False)
            yield Cells(number, {column: cell for column, cell in pairs if cell})
    except csv.Error as error:
        yield Problem(number + 1, None, f"not CSV from here on ({error}); mend its quotes")


def _read_json_lines(text: str) -> Iterator[Cells | Problem]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            yield Problem(number, None, f"not JSON ({error}); write one object a line")
            continue
        if not isinstance(values, dict):
            yield Problem(number, None, f'{line.strip()[:40]!r} is no JSON object; write {{"portrait": ...}}')
            continue
        yield Cells(number, {_name(key): value for key, value in values.items() if value not in (None, "")})


def _name(column: str) -> str:
    return column.strip().removeprefix("--").replace("_", "-")
