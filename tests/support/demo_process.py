"""The demo of ``demo_setup`` with its samples, served by a process of its own.

A browser's test then shares neither memory nor threads with what it looks at, and an app that dies says why.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imtalker.demo.runs.samples import SampleResults, Samples
from tests.support.demo_setup import clip_file, portrait_file, served, speech_file

ROOT = Path(__file__).resolve().parents[2]


def sample_files(folder: Path) -> None:
    """Write the samples, and a visitor's own files beside them."""
    portrait_file(folder / "ada.png")
    portrait_file(folder / "bram.png", 1)
    portrait_file(folder / "painting.png", 2)
    portrait_file(folder / "visitor.png", 3)
    speech_file(folder / "hello.wav", 3.6)
    speech_file(folder / "welcome.wav", 1.2)
    speech_file(folder / "long_story.wav", 40.0, pitch=150)
    clip_file(folder / "nod.mp4", 1.0, folder / "hello.wav")
    for name in ("notes.txt", "notes.txt.mp4"):
        (folder / name).write_text("no picture at all")


@contextmanager
def served_apart(folder: Path, files: Path) -> Iterator[str]:
    """The app at its address, with the samples in ``files``.

    Raises RuntimeError, with what the app printed, where it did not start or did not end as asked.
    """
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.support.demo_process", str(folder), str(files)]
    log = folder / "app.log"
    with log.open("w") as errors:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        app = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
    assert app.stdin and app.stdout
    try:
        address = app.stdout.readline().strip()
        if address:
            yield address
    finally:
        app.stdin.close()  # the word to end
        code = app.wait(60)
    if code or not address:
        raise RuntimeError(f"the app ended with {code}: {log.read_text()[-5000:]}")


def main(folder: Path, files: Path) -> None:
    """Serve until the other side closes our input."""
    samples = Samples(
        [files / "ada.png", files / "bram.png", files / "painting.png"],
        [files / "hello.wav", files / "long_story.wav", files / "welcome.wav"],
        [files / "nod.mp4"],
        {"painting": "A painting", "welcome": "a greeting"},
    )
    with served(folder, samples=samples, results=SampleResults(samples, folder / "kept")) as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
