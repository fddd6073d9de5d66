"""Several frames at once on the CPU: each thread draws its own, on a core of its own.

Threads that share the layers of one frame wait for each other after every layer, and the small ones are not worth
sharing. Threads with frames of their own wait for nothing: two cores draw nearly twice as many frames as one, and what
comes out does not depend on how many there are.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WORKERS = 8  # more would draw so far ahead that the first frame waits for the motion of all of them


class Workers:
    """Threads of a pipeline that compute in parallel; they end when the pipeline is dropped.

    Args:
        cores: how many to use; 0: none, work is done by the caller when it is asked for.
    """

    def __init__(self, cores: int) -> None:
        self.count = min(cores, MAX_WORKERS)
        self._pool: ThreadPoolExecutor | None = None
        if self.count > 1:
            self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="frames")
            self._share_cores(self._pool, cores // self.count)

    @classmethod
    def for_device(cls, device: torch.device) -> "Workers":
        """As many as cores are given to torch on the CPU, none elsewhere."""
        return cls(torch.get_num_threads() if device.type == "cpu" else 0)

    def map(self, call: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result]:
        """``call`` of every item, in order; a few items more than there are workers are taken ahead.

        An exception of ``call`` is raised in its item's place. Given up early, what has not begun is left out.
        """
        if self._pool is None:
            yield from map(call, items)
            return
        waiting: deque[Future[Result]] = deque()
        begun = False
        try:
            for item in by_one_thread(items):
                waiting.append(self._pool.submit(call, item))
                if len(waiting) > self.count or (not begun and waiting[0].done()):  # somebody waits for the first one
                    begun = True
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _share_cores(self, pool: ThreadPoolExecutor, each: int) -> None:
        """Start all threads, each with its share of the cores."""
        here = torch.get_num_threads()
        together = Barrier(self.count)

        def begin() -> None:
            torch.get_num_threads()  # a thread's first question gives it the process's number
            torch.set_num_threads(each)
            together.wait()

        for future in [pool.submit(begin) for _ in range(self.count)]:
            future.result()
        torch.set_num_threads(here)  # the call also sets what threads that start later begin with


@contextmanager
def one_thread() -> Generator[None]:
    """Let this thread compute by itself: small networks, or busy cores, would only have it wait for a second."""
    here = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(here)


def by_one_thread(items: Iterable[Item]) -> Generator[Item]:
    """The same items, each made by ``one_thread``."""
    iterator = iter(items)
    try:
        while True:
            with one_thread():
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
