"""The argument parser of all commands."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from imtalker.commands.exit_codes import BAD_INPUT


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line.

    Args:
        add_options: adds the options when the command is used: what it must import for them costs no other command.
    """

    def __init__(self, *args: Any, add_options: Callable[[argparse.ArgumentParser], None] | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._add_options = add_options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As the base class."""
        if self._add_options is not None:
            add_options, self._add_options = self._add_options, None
            add_options(self)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End the program."""
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")
