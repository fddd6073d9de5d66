"""``imtalker batch --on ray``: two local workers, stopped once and one of them killed, give the one process's files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from imtalker.cli import main
from tests.support.batch import batch_things, results, write_table

pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
SECONDS = 500  # for one step, on a machine that does much else
ROWS = [{"portrait": "ann.png", "audio": "speech.wav", "seed": str(n), "output": f"{n}.mp4"} for n in range(8)]


@contextmanager
def started(things: Path, folder: Path) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "imtalker", "batch", str(things / "many.csv"), "-o", str(folder)]
    environment = {**os.environ, "RAY_ADDRESS": "local", "RAY_worker_niceness": "0"}
    process = subprocess.Popen(
        [*command, "--on", "ray", "--workers", "2", "--device", "cpu"],
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # where the tests run in the background
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)


def wait_for(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def lines(folder: Path) -> int:
    return len(results(folder)) if (folder / "results.jsonl").exists() else 0


def workers_at_work(starter: int) -> list[int]:
    """Processes of Ray's that make a row, grandchildren of the command."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            title = (entry / "cmdline").read_bytes()
            parents = [entry.name]
            for _ in range(2):
                status = (Path("/proc") / parents[-1] / "stat").read_text()
                parents.append(status.rpartition(")")[2].split()[1])
        except OSError:  # ended meanwhile
            continue
        if title.startswith(b"ray::Worker.make") and parents[-1] == str(starter):
            found.append(int(entry.name))
    return found


@pytest.mark.timeout(3 * SECONDS)
def test_stopped_and_killed_workers_lose_their_rows_only(tmp_path):
    things = batch_things(tmp_path, seconds=2.0)
    write_table(things / "many.csv", things, ROWS)
    folder = things / "cluster"

    with started(things, folder) as stopped:
        wait_for(lambda: lines(folder) >= 1, stopped)
        stopped.send_signal(signal.SIGINT)
        assert stopped.wait(SECONDS) == 130
    before = lines(folder)
    assert 1 <= before < len(ROWS) and not list(folder.glob(".*"))

    with started(things, folder) as killed:
        wait_for(lambda: lines(folder) > before and workers_at_work(killed.pid), killed)
        os.kill(workers_at_work(killed.pid)[0], signal.SIGKILL)
        assert killed.wait(SECONDS) == 0
    assert sorted(line["output"] for line in results(folder)) == sorted(row["output"] for row in ROWS)
    assert not list(folder.glob(".*"))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as Ray's workers: more threads add up in another order
    try:
        assert main(["batch", str(things / "many.csv"), "-o", str(things / "here"), "--device", "cpu"]) == 0
    finally:
        torch.set_num_threads(threads)
    for row in ROWS:
        assert (folder / row["output"]).read_bytes() == (things / "here" / row["output"]).read_bytes()
