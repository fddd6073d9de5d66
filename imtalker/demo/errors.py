"""Errors in words for people: the one place where typed errors become ``gr.Error``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
from gradio.utils import get_upload_folder

from imtalker.errors import ImTalkerError

SHOWN_SECONDS = 12


@contextmanager
def explained() -> Iterator[None]:
    """Turn expected errors inside the block into a message with cause and remedy."""
    try:
        yield
    except ImTalkerError as error:
        raise gr.Error(
            sentence(str(error)), duration=SHOWN_SECONDS, title="That did not work", print_exception=False
        ) from error


def sentence(message: str) -> str:
    """A capital letter, a full stop, and no folder names of the server."""
    root = re.escape(get_upload_folder().rstrip("/"))
    message = re.sub(rf"{root}/(?:[^/\s]+/)*", "", message.strip())
    message = message[:1].upper() + message[1:]
    return message if message.endswith((".", "!", "?")) else message + "."
