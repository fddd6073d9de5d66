"""Training configurations from JSON files and options."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from imtalker.errors import InputError
from imtalker.weights.config_json import config_from_dict

Config = TypeVar("Config")


def configure_logging() -> None:
    """Log lines with the time, as long runs need."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)


def read_config(
    config_type: type[Config], path: Path | None = None, options: Mapping[str, Any] | None = None
) -> Config:
    """A configuration dataclass (nested ones too) from a JSON object; missing fields keep their defaults.

    Args:
        path: the JSON file.
        options: override it: "field" or "field.inner" -> value; None and names that are no fields do not count.

    Raises:
        InputError: an unreadable file, an unknown field or a value of another type.
    """
    values: Any = {}
    if path is not None:
        try:
            values = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a readable JSON file ({error}); check the path and the commas") from error
    config = config_from_dict(config_type, values, str(path))
    fields = {field.name for field in dataclasses.fields(config_type)}  # pyright: ignore[reportArgumentType]
    given: dict[str, Any] = {}
    for name, value in (options or {}).items():
        field, _, inner = name.partition(".")
        if value is None or field not in fields:
            continue
        if inner:
            given.setdefault(field, {})[inner] = value
        else:
            given[field] = value
    return config_from_dict(config_type, given, "options", config)
