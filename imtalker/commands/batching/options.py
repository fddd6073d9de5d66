"""Cells of a row -> the options of ``animate`` or ``dub``, by the definitions that the command line has."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imtalker.commands import animate_options, dub_options
from imtalker.errors import InputError

OF_THE_BATCH = {"help", "output", "json", "device"}  # said once for all rows, or by a column of its own
YES, NO = {"yes", "true", "1", "x"}, {"no", "false", "0"}
KINDS: dict[Any, str] = {int: "whole number", float: "number"}


@dataclass(frozen=True)
class Command:
    """A command that rows can ask for, and its options by name."""

    name: str
    options: Mapping[str, argparse.Action]

    @classmethod
    def of(cls, name: str, add_options: Callable[[argparse.ArgumentParser], None]) -> "Command":
        """Read the options from what describes them on the command line."""
        parser = argparse.ArgumentParser(add_help=False)
        add_options(parser)
        named = {o.removeprefix("--"): action for action in parser._actions for o in action.option_strings}
        return cls(name, {o: action for o, action in named.items() if action.dest not in OF_THE_BATCH})

    def defaults(self) -> dict[str, Any]:
        """What the command line has where nothing is given."""
        values: dict[str, Any] = {}
        for action in self.options.values():
            values.setdefault(action.dest, action.default)
        return values

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """Options that the command cannot do without and that are not given."""
        return [name for name, action in self.options.items() if action.required and values.get(action.dest) is None]


def commands() -> dict[str, Command]:
    """Both commands."""
    both = {"animate": animate_options.add_options, "dub": dub_options.add_options}
    return {name: Command.of(name, add_options) for name, add_options in both.items()}


def parse_cell(action: argparse.Action, cell: Any) -> Any:
    """The value of an option; raises InputError."""
    if isinstance(cell, dict | list):
        raise InputError(f"{cell!r} is more than one value; give one")
    text = str(cell).strip()
    if action.nargs == 0:
        if text.lower() not in YES | NO:
            raise InputError(f"{text!r} is neither yes nor no; write one of these, or nothing")
        return action.const if text.lower() in YES else action.default
    if isinstance(cell, bool):
        raise InputError(f"{cell!r} is no value of this option; give a {KINDS.get(action.type, 'text')}")
    try:
        value = action.type(text) if callable(action.type) else text
    except ValueError as error:
        raise InputError(f"{text!r} is no {KINDS.get(action.type, 'usable value')}; give one") from error
    if action.choices is not None and value not in action.choices:
        raise InputError(f"{text!r} is unknown; choose one of {', '.join(map(str, action.choices))}")
    return [value] if action.nargs == "+" else value
