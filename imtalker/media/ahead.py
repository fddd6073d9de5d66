"""Make the next things while the last ones are being used: an iterator that runs in a thread of its own."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")
_POLL_SECONDS = 0.1  # after which a thread whose things nobody takes looks whether it has been given up


def ahead(items: Iterable[Item], count: int = 2) -> Generator[Item]:
    """The same items, up to ``count`` of them made before they are asked for.

    What making them raises is raised where they are taken. Closed early, nothing more is made.
    """
    made: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(count)
    given_up = threading.Event()

    def put(entry: tuple[Item | None, BaseException | None, bool]) -> None:
        while not given_up.is_set():
            try:
                made.put(entry, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    def make() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                put((item, None, False))
                if given_up.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - goes to whoever takes the items
            put((None, error, True))
        else:
            put((None, None, True))
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = made.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # pyright: ignore[reportReturnType]
    finally:
        given_up.set()
        thread.join()
