"""Makes the rows of a batch one after another, the models loaded once; the same class here and as an actor of Ray."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from imtalker.commands import dub
from imtalker.commands.animator import AnimateSettings, Animator
from imtalker.commands.batching.ledger import Outcome
from imtalker.commands.batching.rows import Row
from imtalker.errors import ImTalkerError
from imtalker.version import __version__

logger = logging.getLogger(__name__)

HELD = 2  # sets of models: rows of one batch seldom ask for more than animate's and dub's

Models = TypeVar("Models")


class Worker:
    """Holds the models of the last rows.

    Args:
        device: where to compute, "auto" for the best there is.
    """

    def __init__(self, device: str = "auto"):
        self._device = device
        self._held: dict[tuple, Any] = {}

    def version(self) -> str:
        """Of the software, to be compared with the one that planned the rows."""
        return __version__

    def make(self, row: Row) -> Outcome:
        """Make a row's videos. Whatever goes wrong is the row's outcome, not an error: the next row can still work."""
        try:
            return Outcome(row, self._make(row))
        except ImTalkerError as error:
            return Outcome(row, None, " ".join(str(error).split()))
        except Exception as error:
            logger.exception("row %d", row.number)
            return Outcome(row, None, f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")

    def _make(self, row: Row) -> dict[str, Any]:
        given = row.arguments
        if row.command == "dub":
            pipeline = self._models(("dub", given.preset, given.dtype), lambda: dub.load(given, self._device))
            return dub.make(pipeline, given, row.output, iter)
        settings = AnimateSettings.read(given)
        loaded = self._models(("animate", *settings.models), lambda: settings.load(self._device))
        return Animator(settings, loaded).make(row.job, iter)

    def _models(self, key: tuple, load: Callable[[], Models]) -> Models:
        if key not in self._held:
            if len(self._held) == HELD:
                self._held.clear()
            self._held[key] = load()
        return self._held[key]


def run_here(rows: Iterable[Row], device: str) -> Iterator[Outcome]:
    """Make rows in this process, in their order."""
    worker = Worker(device)
    return map(worker.make, rows)
