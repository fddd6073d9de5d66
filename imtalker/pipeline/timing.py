"""Where the time of a run goes: exclusive seconds per stage, first frame, frames per second."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from imtalker.config import FRAME_RATE

Item = TypeVar("Item")


@dataclass
class Timings:
    """A stopwatch with named stages. A stage measured inside another one is taken out of the outer one."""

    stages: dict[str, float] = field(default_factory=dict)  # seconds, in the order the stages began
    frames: int = 0
    first_frame: float | None = None  # seconds from the start to the first rendered frames
    _start: float = field(default_factory=time.perf_counter, repr=False)
    _end: float | None = field(default=None, repr=False)
    _running: list[str] = field(default_factory=list, repr=False)
    _since: float = field(default=0.0, repr=False)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the seconds of the block to ``stage``."""
        self._switch()
        self.stages.setdefault(stage, 0.0)
        self._running.append(stage)
        try:
            yield
        finally:
            self._switch()
            self._running.pop()

    def iterate(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; the time spent making each one is added to ``stage``."""
        iterator = iter(items)
        while True:
            with self.measure(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def count(self, frames: int) -> None:
        """Note that frames have come out."""
        self._end = time.perf_counter()
        if self.first_frame is None:
            self.first_frame = self._end - self._start
        self.frames += frames

    def finish(self) -> None:
        """Stop the clock: the file is complete."""
        self._end = time.perf_counter()

    @property
    def total(self) -> float:
        """Seconds from the start to the last event."""
        return (self._end or time.perf_counter()) - self._start

    @property
    def fps(self) -> float:
        """Finished frames per second of the whole run."""
        return self.frames / self.total if self.total > 0 else 0.0

    def as_dict(self) -> dict:
        """Plain numbers for JSON: stages and totals in seconds, rates rounded."""
        return {
            "seconds": {stage: round(seconds, 4) for stage, seconds in self.stages.items()},
            "total_seconds": round(self.total, 4),
            "first_frame_seconds": None if self.first_frame is None else round(self.first_frame, 4),
            "frames": self.frames,
            "frames_per_second": round(self.fps, 2),
            "times_real_time": round(self.fps / FRAME_RATE, 3),
        }

    def _switch(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.stages[self._running[-1]] += now - self._since
        self._since = now
