"""Progress bar and Ctrl-C of a run on the command line."""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

Watch = Callable[[Any], Iterable]  # an animation -> its chunks, seen and perhaps cut short


class InterruptOnce:
    """Ctrl-C while frames come out ends the video there and finishes the file; a second one ends at once."""

    def __init__(self) -> None:
        self.armed = False  # from the first frame on: before it there is nothing to save
        self.requested = False

    def __enter__(self) -> "InterruptOnce":
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.armed or self.requested:
            raise KeyboardInterrupt
        self.requested = True


def with_progress(animation: Any, stop: InterruptOnce) -> Iterator:
    """The chunks of an animation with a progress bar, until a stop is asked for."""
    from tqdm import tqdm

    with tqdm(total=animation.total or None, unit=" frames", disable=None, file=sys.stderr) as bar:
        for chunk in animation:
            stop.armed = True
            yield chunk
            bar.update(len(chunk.frames))
            if stop.requested:
                animation.close()
                return
