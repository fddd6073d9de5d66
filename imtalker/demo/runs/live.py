"""Runs that live in the service: a visitor's page only watches, so that a reload or a lost connection ends nothing."""

import contextvars
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from imtalker.demo.errors import in_words
from imtalker.demo.runs.compare import CompareProgress, Comparison
from imtalker.demo.runs.options import Request
from imtalker.demo.runs.run import Finished, Progress, Stopped, Waiting
from imtalker.demo.settings import KEEP_SECONDS
from imtalker.errors import ImTalkerError

Event = Waiting | Progress | Finished | Stopped | CompareProgress | Comparison
SWEEP_SECONDS = 30


class LiveRun:
    """One run under way or ended. Its name is a secret of the visitor who started it.

    Args:
        request: what was asked for.
        tab: where the page shows it.
    """

    def __init__(self, request: Request, tab: str):
        self.name = secrets.token_hex(16)  # 128 bits: nobody guesses it
        self.request, self.tab = request, tab
        self.began = time.time()
        self.ended: float | None = None
        self.result: Finished | Comparison | None = None
        self._news = threading.Condition()
        self._events: list[Event] = []
        self._error: ImTalkerError | None = None
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask it to end; what is made so far becomes a complete video."""
        self._stop.set()

    def is_stopping(self) -> bool:
        return self._stop.is_set()

    def watch(self) -> Iterator[Event]:
        """Its events from the beginning, as they come; stale news about waiting and progress are left out.

        Raises:
            ImTalkerError: why it failed.
        """
        seen = 0
        while True:
            with self._news:
                self._news.wait_for(lambda known=seen: len(self._events) > known or self.ended is not None)
                fresh, is_over = self._events[seen:], self.ended is not None
            seen += len(fresh)
            for index, event in enumerate(fresh):
                has_pieces = isinstance(event, Progress) and event.pieces
                if index == len(fresh) - 1 or has_pieces or isinstance(event, Finished | Comparison):
                    yield event
            if is_over:
                break
        if self._error is not None:
            raise self._error

    def _play(self, events: Iterator[Event]) -> None:
        try:
            for event in events:
                if isinstance(event, Finished | Comparison):
                    self.result = event
                with self._news:
                    self._events.append(event)
                    self._news.notify_all()
        except Exception as error:  # noqa: BLE001  (whoever watches is told)
            self._error = error if isinstance(error, ImTalkerError) else ImTalkerError(in_words(error))
        finally:
            with self._news:
                self.ended = time.time()
                self._news.notify_all()

    def folder(self) -> Path | None:
        return None if self.result is None else self.result.video.parent


class LiveRuns:
    """All runs of the page, until their files are removed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, LiveRun] = {}
        self._sweeper: threading.Thread | None = None
        self._closed = threading.Event()

    def start(self, request: Request, tab: str, play: Callable[[LiveRun], Iterator[Event]]) -> LiveRun:
        """Begin a run in a thread of its own.

        Args:
            play: makes its events.
        """
        run = LiveRun(request, tab)
        context = contextvars.copy_context()  # ZeroGPU bills the visitor whose request this is
        thread = threading.Thread(target=context.run, args=(run._play, play(run)), name=f"run-{tab}", daemon=True)
        with self._lock:
            self._runs[run.name] = run
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep_forever, name="sweep-runs", daemon=True)
                self._sweeper.start()
        thread.start()
        return run

    def find(self, name: str | None) -> LiveRun | None:
        """The run of that name, unless its time is over."""
        self._sweep()
        with self._lock:
            return self._runs.get(name or "")

    def stop(self, name: str | None) -> None:
        """Ask a run to end; one that has ended already is not found, and that is fine."""
        run = self.find(name)
        if run is not None:
            run.stop()

    def close(self) -> None:
        """End everything, the thread that sweeps too, and remove all files."""
        with self._lock:
            self._closed.set()
            runs, self._runs = list(self._runs.values()), {}
            sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.join()
        for run in runs:
            run.stop()
            _remove(run)

    def _sweep(self) -> None:
        limit = time.time() - KEEP_SECONDS
        with self._lock:
            over = [run for run in self._runs.values() if run.ended is not None and run.ended < limit]
            for run in over:
                del self._runs[run.name]
        for run in over:
            _remove(run)

    def _sweep_forever(self) -> None:
        while not self._closed.wait(SWEEP_SECONDS):
            self._sweep()


def _remove(run: LiveRun) -> None:
    folder = run.folder()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
