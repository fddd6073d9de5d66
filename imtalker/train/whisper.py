"""The optional package that runs Whisper, and folders that hold a model of it."""

from importlib import import_module
from pathlib import Path
from typing import Any

from imtalker.errors import InputError


def whisper_package(folder: Path | str, files: str, name: str = "faster_whisper") -> Any:
    """Module ``name`` of the package ``faster-whisper``, once ``folder`` is known to hold a CTranslate2 model.

    Args:
        files: what such a folder holds, for the message.

    Raises:
        InputError: the package is not installed, or the folder holds no model.
    """
    try:
        package = import_module(name)
    except ImportError as error:
        raise InputError("faster-whisper is not installed; pip install faster-whisper") from error
    if not (Path(folder) / "model.bin").is_file():
        raise InputError(f"{folder} holds no Whisper model ({files})")
    return package
