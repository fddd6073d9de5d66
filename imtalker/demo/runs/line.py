"""The waiting line before the one place where videos are made: first come, first served, with place and time."""

import threading
import time
from collections import deque
from types import TracebackType

from imtalker.demo.settings import QUEUE_SIZE
from imtalker.errors import InputError

REMEMBERED = 8  # runs whose length tells how long the next ones take


class Line:
    """Tickets for one run at a time.

    Args:
        longest: tickets at the same time; the next one is refused.
    """

    def __init__(self, longest: int = QUEUE_SIZE):
        self._longest = longest
        self._moved = threading.Condition()
        self._tickets: list[Ticket] = []  # the first one's turn it is
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)  # that runs took

    def __len__(self) -> int:
        return len(self._tickets)

    def enter(self) -> "Ticket":
        """Take the last place.

        Raises:
            InputError: the line is full.
        """
        with self._moved:
            if len(self._tickets) >= self._longest:
                raise InputError(f"{self._longest} runs are waiting already; come back in a few minutes")
            ticket = Ticket(self)
            self._tickets.append(ticket)
            if len(self._tickets) == 1:
                ticket.since = time.monotonic()
            return ticket

    def _leave(self, ticket: "Ticket") -> None:
        with self._moved:
            if ticket not in self._tickets:
                return
            if ticket.since is not None:
                self._seconds.append(time.monotonic() - ticket.since)
            self._tickets.remove(ticket)
            if self._tickets and self._tickets[0].since is None:
                self._tickets[0].since = time.monotonic()
            self._moved.notify_all()

    def _wait(self, ticket: "Ticket", seconds: float) -> bool:
        with self._moved:
            return self._moved.wait_for(lambda: self._tickets[0] is ticket, seconds)

    def _before(self, ticket: "Ticket") -> list["Ticket"]:
        with self._moved:
            return self._tickets[: self._tickets.index(ticket)]

    def _usual(self) -> float | None:
        with self._moved:
            return sum(self._seconds) / len(self._seconds) if self._seconds else None


class Ticket:
    """A place in the line; a context manager that leaves it."""

    def __init__(self, line: Line):
        self._line = line
        self.since: float | None = None  # when its turn began
        self.share = 0.0  # of the run that is done, 0..1; the run itself tells

    def wait(self, seconds: float) -> bool:
        """Whether its turn has come, after at most so many seconds."""
        return self._line._wait(self, seconds)

    @property
    def place(self) -> int:
        """How many runs come first; 0: it is its turn."""
        return len(self._line._before(self))

    @property
    def seconds(self) -> float | None:
        """Expected time until its turn, from what is done of the run under way and what runs usually take."""
        usual, before = self._line._usual(), self._line._before(self)
        first = before[0].seconds_left(usual) if before else 0.0
        if first is None or (usual is None and len(before) > 1):
            return None
        return first + (usual or 0.0) * max(0, len(before) - 1)

    def seconds_left(self, usual: float | None) -> float | None:
        """Expected time until this run ends, once its turn has come."""
        spent = time.monotonic() - self.since if self.since is not None else 0.0
        if self.share > 0.02:
            return spent * (1 - self.share) / self.share
        return None if usual is None else max(1.0, usual - spent)

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line._leave(self)
