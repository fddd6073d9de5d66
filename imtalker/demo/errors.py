"""Errors in words for people: the one place where any exception becomes a message with cause and remedy."""

import errno
import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
import torch
from gradio.exceptions import InvalidPathError
from gradio.utils import get_upload_folder
from pydantic import ValidationError

from imtalker.errors import ImTalkerError

logger = logging.getLogger(__name__)

SHOWN_SECONDS = 12
GONE = "is gone: files are removed after an hour; add it again"


@contextmanager
def explained() -> Iterator[None]:
    """Turn whatever is raised inside the block into the message a visitor or program gets."""
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        raise gr.Error(
            sentence(in_words(error)), duration=SHOWN_SECONDS, title="That did not work", print_exception=False
        ) from error


def in_words(error: Exception) -> str:
    """What happened and what to do. Of an error nobody foresaw the log holds the details, found by its reference."""
    if isinstance(error, ImTalkerError):
        return str(error)
    if isinstance(error, gr.Error):
        return str(error.message)
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        logger.warning("out of memory: %s", error)
        return "the memory is used up; try a shorter clip or a smaller picture"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        logger.error("no space left: %s", error)
        return "the disk of this machine is full; try again in an hour, when old files are removed"
    if isinstance(error, FileNotFoundError) and _is_ours(error.filename):
        return f"{Path(error.filename).name} {GONE}"
    if isinstance(error, InvalidPathError) or "gradio cache dir" in str(error):
        return "a file could not be received; send it again (handle_file in gradio_client)"
    if isinstance(error, ValidationError):
        return "a value has the wrong form; “Use via API” at the foot of the page shows what each one looks like"
    reference = secrets.token_hex(4)
    logger.error("reference %s", reference, exc_info=error)
    return (
        "something went wrong here that was not foreseen; try again, or with other files. "
        f"If it stays, report it with the reference {reference}, which the log of the app holds too"
    )


def sentence(message: str) -> str:
    """A capital letter, a full stop, and no folder names of the server."""
    root = re.escape(get_upload_folder().rstrip("/"))
    message = re.sub(rf"{root}/(?:[^/\s]+/)*", "", message.strip())
    message = message[:1].upper() + message[1:]
    return message if message.endswith((".", "!", "?")) else message + "."


def _is_ours(path: object) -> bool:
    return isinstance(path, str) and path.startswith(get_upload_folder())
