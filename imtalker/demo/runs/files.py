"""Where results lie until they are fetched: folders inside Gradio's temporary folder, so that it clears them."""

import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gradio.utils import get_upload_folder

from imtalker.demo.settings import KEEP_SECONDS

PREFIX = "imtalker-"


def new_folder() -> Path:
    """An empty folder of its own for one run; leftovers of runs long gone are removed on the way."""
    root = Path(get_upload_folder())
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    folder = root / f"{PREFIX}{uuid.uuid4().hex}"
    folder.mkdir()
    return folder


@contextmanager
def run_folder() -> Iterator[Path]:
    """A new folder that is removed if the run fails, is dropped, or leaves nothing in it."""
    folder = new_folder()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    with suppress(OSError):  # not empty: what it is for
        folder.rmdir()


def result_name(portrait: str | None, source: str | None) -> str:
    """A name people recognise in their downloads: "ada-welcome"."""
    stems = [Path(name).stem for name in (portrait, source) if name]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(stems)).strip("-")
    return name[:60] or "talking"


def _sweep(root: Path) -> None:
    limit = time.time() - 2 * KEEP_SECONDS
    for folder in root.glob(f"{PREFIX}*"):
        try:
            old = folder.stat().st_mtime < limit
        except FileNotFoundError:  # another run was quicker
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)
