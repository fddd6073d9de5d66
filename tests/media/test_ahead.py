"""Things made ahead are the same things, in order, with the same errors, and no more of them than wanted."""

import threading
from collections.abc import Iterator

import pytest

from imtalker.media.ahead import ahead


@pytest.mark.parametrize("count", [1, 3])
def test_the_same_things_come_out(count: int) -> None:
    assert list(ahead(range(20), count)) == list(range(20))
    assert list(ahead([], count)) == []


def test_an_error_comes_where_it_belongs() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("the second one")

    items = ahead(failing())
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

    items = ahead(source(), 2)
    assert next(items) == 0
    items.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert closed.is_set() and len(made) <= 5
    assert not any(thread.name == "ahead" for thread in threading.enumerate())
