"""Things made ahead are the same things, in order, with the same errors, and no more of them than wanted."""

import threading
from collections.abc import Iterator

import pytest

from imtalker.media.ahead import Ahead


@pytest.mark.parametrize("count", [1, 3])
def test_the_same_things_come_out(count: int) -> None:
    assert list(Ahead(range(20), count)) == list(range(20))
    assert list(Ahead([], count)) == []


def test_an_error_comes_where_it_belongs() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("the second one")

    items = Ahead(failing())
    assert next(items) == 1
    with pytest.raises(ValueError, match="the second one"):
        next(items)


def test_closed_early_nothing_more_is_made_and_the_source_is_closed() -> None:
    made, closed = [], threading.Event()

    def source() -> Iterator[int]:
        try:
            for i in range(1000):
                made.append(i)
                yield i
        finally:
            closed.set()

    items = Ahead(source(), 2)
    assert next(items) == 0
    items.close()
    assert closed.is_set() and len(made) <= 5
    assert not any(thread.name == "ahead" for thread in threading.enumerate())


def test_the_first_things_are_made_before_anybody_asks() -> None:
    made = threading.Event()

    def source() -> Iterator[int]:
        made.set()
        yield 1

    items = Ahead(source())
    assert made.wait(10)
    assert list(items) == [1]
    assert list(items) == []


def test_dropped_without_being_closed_its_thread_ends() -> None:
    items = Ahead(iter(int, 1), 1)
    assert next(items) == 0
    threads = [thread for thread in threading.enumerate() if thread.name == "ahead"]
    del items
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
