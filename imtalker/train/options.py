"""Training configurations from JSON files."""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from imtalker.config_json import config_from_dict
from imtalker.errors import InputError

Config = TypeVar("Config")


def configure_logging() -> None:
    """Log lines with the time, as long runs need."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def config_from_json(config_type: type[Config], path: Path | None) -> Config:
    """A configuration dataclass (nested ones too) from a JSON object; missing fields keep their defaults.

    Raises InputError for an unreadable file or an unknown field.
    """
    values: Any = {}
    if path is not None:
        try:
            values = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a readable JSON file ({error}); check the path and the commas") from error
    return config_from_dict(config_type, values, str(path))


def config_of_command(config_type: type[Config], parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> Config:
    """Add ``--config`` to a parser and read its file at once, so that its values become the other options' defaults."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for each in (parser, first):
        each.add_argument(
            "--config", type=Path, help=f"JSON with fields of {config_type.__name__}; options override it"
        )
    return config_from_json(config_type, first.parse_known_args(argv)[0].config)
