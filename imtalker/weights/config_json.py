"""JSON values -> configuration dataclasses, strictly checked: one reader for weight files, training and recipes."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from imtalker.errors import InputError

Config = TypeVar("Config")


def config_from_dict(config_type: type[Config], values: Any, source: str, base: Config | None = None) -> Config:
    """A dataclass, nested ones included, from the values of a JSON object.

    Args:
        source: names the values in messages.
        base: whose values fill what is missing; by default the defaults of the class.

    Raises:
        InputError: no object, unknown fields, values of another type, or a field without default is missing.
    """
    hints = typing.get_type_hints(config_type)
    fields = [field.name for field in dataclasses.fields(config_type)]  # pyright: ignore[reportArgumentType]
    if not isinstance(values, Mapping):
        raise InputError(f"{source}: {values!r:.60} is no JSON object; use the fields {', '.join(fields)}")
    base = _defaults(config_type) if base is None else base
    unknown = [name for name in values if name not in fields]
    if unknown:
        raise InputError(
            f"{source}: {', '.join(unknown)}: no fields of {config_type.__name__}; use {', '.join(fields)}"
        )
    changed: dict[str, Any] = {}
    wrong: list[str] = []
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]):
            changed[name] = config_from_dict(hints[name], value, f"{source}: {name}", getattr(base, name, None))
            continue
        changed[name] = _tuples(value)
        if not _matches(changed[name], hints[name]):
            wrong.append(f"{name} is {value!r:.60}, not {_shown(hints[name])}")
    if wrong:
        raise InputError(f"{source}: {', '.join(wrong)}; mend these fields of {config_type.__name__}")
    if base is not None:
        return dataclasses.replace(base, **changed)  # pyright: ignore[reportArgumentType]
    try:
        return config_type(**changed)
    except TypeError as error:
        raise InputError(f"{source}: incomplete ({error}); use the fields {', '.join(fields)}") from error


def _defaults(config_type: type[Config]) -> Config | None:
    needed = (
        field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        for field in dataclasses.fields(config_type)  # pyright: ignore[reportArgumentType]
    )
    return None if any(needed) else config_type()


def _matches(value: object, hint: Any) -> bool:
    """Whether a JSON value fits a field: numbers, strings, literals, tuples, dictionaries and None."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in arguments
    if origin in (types.UnionType, typing.Union):
        return any(_matches(value, argument) for argument in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if arguments[1:] == (Ellipsis,):
            return all(_matches(entry, arguments[0]) for entry in value)
        return len(value) == len(arguments) and all(map(_matches, value, arguments))
    if origin is dict:
        return isinstance(value, dict) and all(_matches(entry, arguments[1]) for entry in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return value is None if hint is type(None) else type(value) is hint


def _tuples(value: Any) -> Any:
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")
