"""Folders that can really be written: caches without a home, temporary folders that belong to somebody else."""

import logging
import os
import secrets
import tempfile
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from imtalker.errors import OutputError

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "IMTALKER_CACHE"
GRADIO_VARIABLE = "GRADIO_TEMP_DIR"


def home_folder() -> Path | None:
    """The user's home; None in a container whose user has none."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if home.is_absolute() else None


def expanded(path: str | Path) -> Path:
    """The path with a leading ~ replaced; as it is where nobody has that home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def cache_folder() -> Path:
    """Where things are kept between runs.

    ``IMTALKER_CACHE``, else ``imtalker`` in the user's cache folder, else, without a home, in a private folder of the
    temporary one.

    Raises:
        OutputError: there is no home and no temporary folder that can be written.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    home = home_folder()
    if chosen:
        return expanded(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    if cache and Path(cache).is_absolute():
        return Path(cache) / "imtalker"
    return private_folder("cache") if home is None else home / ".cache" / "imtalker"


def ensure_home() -> Path | None:
    """Give the process a home if it has none, for libraries that end without one.

    Call it before they are imported.

    Returns:
        The folder that was set as HOME; None where nothing had to be done.

    Raises:
        OutputError: no temporary folder can be written.
    """
    if home_folder() is not None:
        return None
    folder = private_folder("home")
    os.environ["HOME"] = str(folder)
    logger.warning("this user has no home; %s is used", folder)
    return folder


def ensure_gradio_folder(environment: MutableMapping[str, str] = os.environ) -> None:
    """Where Gradio's temporary folder cannot be written, perhaps as it belongs to somebody else, choose one of our own.

    Call it before Gradio is imported: some of its modules look once and for all.

    Raises:
        OutputError: no temporary folder can be written.
    """
    usual = environment.get(GRADIO_VARIABLE) or str(Path(tempfile.gettempdir()) / "gradio")
    folder = str(writable_folder(usual, "gradio"))
    if folder != usual:
        environment[GRADIO_VARIABLE] = folder


def writable_folder(preferred: str | Path, name: str) -> Path:
    """``preferred`` if it can be made and written, else a private temporary folder; says so once in the log.

    Raises:
        OutputError: neither can be written.
    """
    folder = Path(preferred)
    if _is_writable(folder):
        return folder
    other = private_folder(name)
    logger.warning("%s cannot be written, perhaps it belongs to another user; %s is used", folder, other)
    return other


def private_folder(name: str) -> Path:
    """A folder in the temporary folder that only this user can read, the same one each time.

    A folder of that name that belongs to somebody else, or a link, is never used.

    Raises:
        OutputError: the temporary folder cannot be written.
    """
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    try:
        folder = Path(tempfile.gettempdir()) / f"imtalker-{user}" / name
        if _is_own(folder.parent) and _is_own(folder) and _is_writable(folder):
            return folder
        return Path(tempfile.mkdtemp(prefix=f"imtalker-{name}-"))
    except OSError as error:
        raise OutputError(f"no temporary folder can be written ({error}); set TMPDIR to one that can") from error


def _is_own(folder: Path) -> bool:
    """Make the folder if it is missing; whether it is ours alone."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):
        return folder.is_dir()
    return folder.is_dir() and not folder.is_symlink() and facts.st_uid == os.getuid() and not facts.st_mode & 0o077


def _is_writable(folder: Path) -> bool:
    """Whether files and folders can be made in a folder, tried out; permissions alone do not tell (read-only disks)."""
    probe = folder / f".{secrets.token_hex(6)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.mkdir()
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.rmdir()
    return True
