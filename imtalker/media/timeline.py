"""Timestamps of one stream as continuous time: missing ones are filled in, restarts in the middle are joined."""

RESTART = 1.0  # seconds a timestamp may lie before what was reached; further back, the clock has started again


class Timeline:
    """Place the frames of a stream, in the order of presentation, on one continuous time line.

    Gaps are kept. A frame without a timestamp, or with one that does not advance, follows the frame before it. A
    timestamp more than ``RESTART`` seconds back (joined recordings) is a restarted clock: what follows is joined on.
    """

    def __init__(self) -> None:
        self.end = 0.0  # seconds, where the latest frame ends
        self._shift = 0.0
        self._last: float | None = None  # timestamp before, as written in the file
        self._begun = False

    def place(self, time: float | None, length: float) -> float:
        """When a frame of ``length`` seconds begins, seconds; ``time`` is its timestamp, None where it has none."""
        placed = self.end
        if time is not None:
            if self._begun and time + self._shift < self.end - RESTART and time < (self._last or 0.0):
                self._shift = self.end - time
            if self._last is None or time > self._last:
                placed = time + self._shift
            self._last = time
        self.end = max(self.end, placed + length) if self._begun else placed + length
        self._begun = True
        return placed
