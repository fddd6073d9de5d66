"""Files that appear complete or not at all: written under a hidden name beside the target, then renamed."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imtalker.errors import OutputError
from imtalker.media.folders import expanded


def checked_target(path: str | Path, suffixes: tuple[str, ...]) -> Path:
    """A path a result can be written to.

    Raises:
        OutputError: wrong suffix, a folder of that name, no such folder, or the folder may not be written.
    """
    if "\0" in str(path):
        raise OutputError(f"output {str(path)!r} is not a usable path; leave out the null character")
    target = expanded(path)
    if target.suffix.lower() not in suffixes:
        raise OutputError(f"output {target} must end in {' or '.join(suffixes)}; rename it")
    folder = target.parent
    try:
        if target.is_dir():
            raise OutputError(f"output {target} is a folder; add a file name")
        if not folder.is_dir():
            raise OutputError(f"output folder {folder} does not exist; create it or choose another")
    except (OSError, ValueError) as error:
        raise OutputError(f"output {str(target)!r} is not a usable path ({error}); choose another") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"output folder {folder} may not be written; choose another or change its permissions")
    return target


def hidden_sibling(target: Path) -> Path:
    """An unused hidden name in the same folder, with the same suffix (so that a rename is atomic)."""
    return target.with_name(f".{target.stem[:100]}-{secrets.token_hex(4)}{target.suffix}")


def remove_leftovers(target: Path) -> None:
    """Remove what writers of this file have left that were killed; none may be at work."""
    pattern = re.compile(re.escape(f".{target.stem[:100]}-") + "[0-9a-f]{8}" + re.escape(target.suffix))
    for file in target.parent.glob(".*"):
        if pattern.fullmatch(file.name):
            with suppress(OSError):
                file.unlink()


@contextmanager
def atomic_file(path: str | Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Give a hidden path to write to; rename it to ``path`` on success, remove it on any error.

    Raises:
        OutputError: the target cannot be written, or the disk is full.
    """
    target = checked_target(path, suffixes)
    hidden = hidden_sibling(target)
    try:
        yield hidden
        os.replace(hidden, target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        with suppress(OSError):
            hidden.unlink()


def write_error(target: Path, error: OSError) -> OutputError:
    """What a failed write means to the person who asked for it."""
    return OutputError(
        f"output {target} cannot be written ({error.strerror or error}); free space or choose another place"
    )
