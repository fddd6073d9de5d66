"""Laws of the threads that draw frames: order, errors, an early end, and who has how many cores."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from imtalker.pipeline.workers import MAX_WORKERS, Workers


@pytest.fixture(scope="module")
def workers() -> Workers:
    return Workers(3)


def test_results_keep_the_order_of_the_items(workers: Workers) -> None:
    turns = [threading.Event() for _ in range(3)]
    turns[-1].set()

    def call(i: int) -> int:
        if i < len(turns):  # the first three end in reverse
            assert turns[i].wait(10)
            turns[i - 1].set()
        return i

    assert list(workers.map(call, range(20))) == list(range(20))


def test_calls_run_at_the_same_time(workers: Workers) -> None:
    together = threading.Barrier(3)
    assert len(list(workers.map(lambda _: together.wait(10), range(3)))) == 3  # a broken barrier raises


def test_an_error_comes_in_its_place_and_the_threads_go_on(workers: Workers) -> None:
    results = workers.map(lambda i: 1 // (i - 2), range(5))
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(workers.map(abs, [-1])) == [1]


@pytest.mark.parametrize("cores", [0, 1, 3])
def test_only_a_few_items_are_taken_ahead(cores: int) -> None:
    taken: list[int] = []
    most, full = 4 if cores == 3 else 1, threading.Event()

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            if len(taken) == most:
                full.set()
            yield i

    def call(i: int) -> int:
        assert full.wait(10)  # the first result comes when nothing more is taken ahead
        return i

    results = Workers(cores).map(call, items())
    assert not taken  # nothing before it is asked for
    next(results)
    results.close()
    assert len(taken) == most


def test_the_first_result_does_not_wait_for_more_items(workers: Workers) -> None:
    done, wanted = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        assert done.wait(10)
        time.sleep(0.3)  # the thread reports what it has done
        yield 1
        wanted.set()
        yield 2

    def call(i: int) -> int:
        if i == 0:
            done.set()
        return i

    results = workers.map(call, items())
    assert next(results) == 0
    assert not wanted.is_set()
    results.close()


def test_cores_are_shared_out_and_the_caller_keeps_its_own() -> None:
    here = torch.get_num_threads()
    workers = Workers(2 * MAX_WORKERS)
    assert torch.get_num_threads() == here
    assert workers.count == MAX_WORKERS
    assert set(workers.map(lambda _: torch.get_num_threads(), range(30))) == {2}
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [here]


def test_accelerators_have_no_workers() -> None:
    assert Workers.for_device(torch.device("cuda")).count == 0
    assert Workers.for_device(torch.device("cpu")).count == min(torch.get_num_threads(), MAX_WORKERS)
