"""Make the next things while the last ones are being used: an iterator that runs in a thread of its own."""

import queue
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
_Made = queue.Queue[tuple[Item | None, BaseException | None, bool]]
_POLL_SECONDS = 0.1  # after which a thread whose things nobody takes looks whether it has been given up


class Ahead(Iterator[Item], Generic[Item]):
    """The same items, up to ``count`` of them made before they are asked for; the first ones at once.

    What making them raises is raised where they are taken. Closed or dropped early, nothing more is made.
    """

    def __init__(self, items: Iterable[Item], count: int = 2) -> None:
        self._made: _Made[Item] = queue.Queue(count)
        self._given_up, self._ended = threading.Event(), False
        arguments = items, self._made, self._given_up
        self._thread = threading.Thread(target=_make, args=arguments, name="ahead", daemon=True)
        self._thread.start()
        weakref.finalize(self, self._given_up.set)

    def __next__(self) -> Item:
        if self._ended:
            raise StopIteration
        item, error, last = self._made.get()
        if error is not None:
            self.close()
            raise error
        if last:
            self.close()
            raise StopIteration
        return item  # pyright: ignore[reportReturnType]

    def close(self) -> None:
        """Make nothing more; the items' own iterator is closed when this returns."""
        self._ended = True
        self._given_up.set()
        self._thread.join()


def _make(items: Iterable[Item], made: _Made[Item], given_up: threading.Event) -> None:
    """What the thread does; it knows nothing of the ``Ahead``, so that this can be dropped."""

    def put(item: Item | None, error: BaseException | None, last: bool) -> None:
        while not given_up.is_set():
            try:
                made.put((item, error, last), timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    iterator = iter(items)
    try:
        for item in iterator:
            put(item, None, False)
            if given_up.is_set():
                break
    except BaseException as error:  # noqa: BLE001 - goes to whoever takes the items
        put(None, error, True)
    else:
        put(None, None, True)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
