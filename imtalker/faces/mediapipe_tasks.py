"""MediaPipe's vision tasks: imported at their first use, started quietly, never closed."""

import contextlib
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from imtalker.errors import WeightsError

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def mediapipe_tasks() -> tuple[Any, Any]:
    """MediaPipe and its vision tasks, imported at their first use (0.7 s).

    Raises:
        WeightsError: it is not installed.
    """
    try:
        import mediapipe
        from mediapipe.tasks.python import vision
    except ImportError as error:
        raise WeightsError(f"reading faces needs MediaPipe ({error}): pip install 'mediapipe>=1.2'") from error
    return mediapipe, vision


def start_task(task: type[Any], options: Any) -> Any:
    """A task of MediaPipe, which lives as long as the process: closing one, as ending threads did, now and then ends
    it by a segmentation fault inside MediaPipe.

    Raises:
        WeightsError: it cannot be started.
    """
    try:
        with _quiet_stderr():
            started = task.create_from_options(options)
    except (OSError, RuntimeError, ValueError) as error:
        remedy = "on Debian and Ubuntu: apt-get install libegl1 libgles2"
        raise WeightsError(f"MediaPipe cannot be started ({error}); {remedy}") from error
    started.__class__ = _never_closed(task)
    return started


@lru_cache
def _never_closed(task: type[Any]) -> type[Any]:
    """The class without its destructor, which closes it."""

    class NeverClosed(task):
        def __del__(self) -> None:
            pass

    return NeverClosed


_stderr_lock = threading.Lock()


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send what native code writes to the process's standard error to the log: MediaPipe has no switch for it."""
    with _stderr_lock, tempfile.TemporaryFile() as caught:
        kept = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            logger.debug("%s", caught.read().decode(errors="replace").strip())
