"""A batch checked whole before its first video: files, options, names of the results, weights."""

import argparse
import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from imtalker.commands import dub_options
from imtalker.commands.animate_jobs import Job, check_target, video_name
from imtalker.commands.animate_options import parse_sampling
from imtalker.commands.animator import AnimateSettings
from imtalker.commands.batching.options import Command, commands, parse_cell
from imtalker.commands.batching.table import Cells, Problem, read_table
from imtalker.errors import ImTalkerError, InputError
from imtalker.media.atomic import checked_target
from imtalker.media.container import existing_file, usable_sound
from imtalker.media.folders import expanded
from imtalker.media.image import probe_picture
from imtalker.media.video import probe_video

logger = logging.getLogger(__name__)

Probe = Callable[[Path], object]
FILES: dict[str, Probe] = {  # options that name a file, and what must be there; the rest is read with the options
    "portrait": probe_picture,
    "audio": usable_sound,
    "video": probe_video,
    "head_from": probe_video,
    "style_from": probe_video,
    "motion": lambda path: existing_file(path, "motion file"),
    "controls": lambda path: existing_file(path, "controls file"),
    "text_file": lambda path: existing_file(path, "text file"),
    "recipe": lambda path: existing_file(path, "recipe"),
}


@dataclass(frozen=True)
class Row:
    """One video to make."""

    number: int
    command: str  # "animate" or "dub"
    arguments: argparse.Namespace  # as the command line would give them; paths are absolute
    output: Path
    key: str  # SHA-256 of all that decides the frames: options, contents of the files, weights

    @property
    def job(self) -> Job:
        """The same as ``animate`` plans it."""
        given = self.arguments
        driver = next(iter(given.video or given.audio), None)
        portrait = given.recipe or given.portrait[0]
        return Job(Path(portrait), driver and Path(driver), self.output)


def read_rows(path: Path, folder: Path) -> tuple[list[Row], list[Problem]]:
    """All rows of a file, and everything that is wrong; nothing is written.

    Args:
        path: the table; file names in it count from its own folder.
        folder: where the results go.

    Raises:
        InputError: the file itself cannot be read.
    """
    cells, problems = read_table(path)
    reader = _Reader(path.resolve().parent, folder.resolve())
    rows = []
    for row in cells:
        try:
            rows.append(reader.read(row))
        except _BadRowError as error:
            problems += error.problems
    return rows, sorted([*problems, *_clashes(rows)], key=lambda problem: problem.row)


class _BadRowError(Exception):
    def __init__(self, problems: list[Problem]):
        super().__init__(problems)
        self.problems = problems


class _Reader:
    def __init__(self, base: Path, folder: Path):
        self._base, self._folder = base, folder
        self._commands = commands()
        self._checked: dict[tuple[str, Path], str] = {}  # (option, file) -> its SHA-256

    def read(self, cells: Cells) -> Row:
        """Raises _BadRowError."""
        command = self._commands["dub" if cells.values.keys().isdisjoint({"portrait", "recipe"}) else "animate"]
        values = command.defaults()
        problems: list[Problem] = []
        files: dict[str, list[str]] = {}
        for name, cell in cells.values.items():
            try:
                if name != "output":
                    values.update(self._cell(command, name, cell, files))
            except ImTalkerError as error:
                problems.append(Problem(cells.number, name, str(error)))
        if not problems:
            what = "is needed for a row without a portrait (dubbing)" if command.name == "dub" else "is needed"
            missing = command.missing(values)
            problems = [Problem(cells.number, name, f"nothing stands here, but {name} {what}") for name in missing]
        if problems:
            raise _BadRowError(problems)
        arguments = argparse.Namespace(**values)
        try:
            output = self._target(str(cells.values.get("output") or _name_of(arguments)), (".mp4",))
            if arguments.save_motion:
                arguments.save_motion = str(self._target(arguments.save_motion, (".safetensors",)))
            weights = _check(command.name, arguments)
        except ImTalkerError as error:
            message = str(error)
            raise _BadRowError([Problem(cells.number, _column(message, cells), message)]) from error
        return Row(cells.number, command.name, arguments, output, _key(command, values, files, weights))

    def _cell(self, command: Command, name: str, cell: Any, files: dict[str, list[str]]) -> dict[str, Any]:
        action = command.options.get(name)
        if action is None:
            elsewhere = [other.name for other in self._commands.values() if name in other.options]
            of = f"of {elsewhere[0]}, not of {command.name}" if elsewhere else "of neither animate nor dub"
            raise InputError(f"this option is {of}; see imtalker {command.name} --help")
        value = parse_cell(action, cell)
        if action.dest in FILES:
            path = self._base / expanded(value[0] if isinstance(value, list) else value)
            if (action.dest, path) not in self._checked:
                from imtalker.weights.file import file_sha256

                FILES[action.dest](path)
                self._checked[action.dest, path] = file_sha256(path)
            files[action.dest] = [path.name, self._checked[action.dest, path]]
            value = [str(path)] if isinstance(value, list) else str(path)
        elif action.dest == "preset" and (self._base / value).is_dir():
            value = str(self._base / value)
        return {action.dest: value}

    def _target(self, name: str, suffixes: tuple[str, ...]) -> Path:
        target = (self._folder / name).resolve()
        if not target.is_relative_to(self._folder) or target == self._folder:
            raise InputError(f"output {name} lies outside of {self._folder}; give a name inside it")
        if target.suffix.lower() not in suffixes:
            raise InputError(f"output {name} must end in {' or '.join(suffixes)}; rename it")
        return target


def prepare_targets(rows: Iterable[Row]) -> None:
    """Make the folders of the results. Raises OutputError and InputError where one cannot be written."""
    for row in rows:
        row.output.parent.mkdir(parents=True, exist_ok=True)
        given = row.arguments
        sources = [value for dest in FILES if (value := getattr(given, dest, None))]
        check_target(row.output, [Path(value[0] if isinstance(value, list) else value) for value in sources])
        if given.save_motion:
            Path(given.save_motion).parent.mkdir(parents=True, exist_ok=True)
            checked_target(given.save_motion, (".safetensors",))


def results_of(row: Row) -> list[Path]:
    """The files a row makes."""
    beside = row.output.with_name(f"{row.output.stem}-side-by-side.mp4")
    also = [beside] if getattr(row.arguments, "side_by_side", False) else []
    return [row.output, *also, *([Path(row.arguments.save_motion)] if row.arguments.save_motion else [])]


def _check(command: str, arguments: argparse.Namespace) -> str:
    """Everything that the options say without the networks; returns the SHA-256 of the weights."""
    from imtalker.generator.flow import check_options

    if command == "dub":
        dub_options.check_options(arguments)
        preset, weights = _weights(arguments.preset)
        check_options(dub_options.parse_sampling(arguments, preset.sampling))
        return weights
    settings = AnimateSettings.read(arguments)
    name, _, size = settings.models
    preset, weights = _weights(name)
    preset.renderer.check_size(size)
    check_options(parse_sampling(arguments, preset.sampling))
    return weights


@cache
def _weights(preset: str) -> Any:
    from imtalker.weights.load import describe_weights

    return describe_weights(preset, logger.warning)


def _name_of(arguments: argparse.Namespace) -> str:
    first, second = getattr(arguments, "portrait", None) or arguments.video, arguments.audio
    if getattr(arguments, "recipe", None):
        first, second = arguments.recipe, None
    elif hasattr(arguments, "portrait"):
        second = arguments.video or arguments.audio
    paths = [Path(value[0] if isinstance(value, list) else value) if value else None for value in (first, second)]
    assert paths[0] is not None
    return video_name(paths[0], paths[1])


def _column(message: str, cells: Cells) -> str | None:
    """The column a message speaks of: an option it names, or a value it repeats."""
    named = [name for name in cells.values if f"--{name} " in message]
    repeated = [name for name, value in cells.values.items() if len(str(value)) > 3 and str(value) in message]
    worded = [name for name in cells.values if name.replace("-", " ") in message.replace("_", " ")]
    return next(iter([*named, *worded, *repeated]), None)


def _key(command: Command, values: dict[str, Any], files: dict[str, list[str]], weights: str) -> str:
    places = {"save_motion", "force", "preset"}  # what the weights are is told by their checksum
    defaults = command.defaults()
    given = {name: value for name, value in values.items() if value != defaults[name] and name not in places}
    content = {"command": command.name, "options": given | files, "weights": weights}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _clashes(rows: list[Row]) -> list[Problem]:
    """Rows that would write the same file."""
    problems, taken = [], {}
    for row in rows:
        for target in results_of(row):
            other = taken.setdefault(target, row.number)
            if other != row.number:
                column = "output" if target.suffix == ".mp4" else "save-motion"
                name = target.name
                problems.append(Problem(row.number, column, f"{name} is made by row {other}; give another name"))
    return problems
