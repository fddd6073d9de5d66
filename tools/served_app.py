"""The app in a process of its own, ready to be visited: for the pictures of README.md and the load test."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 600


@contextmanager
def served_app(**environment: str) -> Iterator[tuple[str, int]]:
    """Its address and the number of its process; it ends with the block. ``environment`` is added to this one's.

    Raises SystemExit when the app ends or does not answer.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    where = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": port}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **environment, **where})
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address, process)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(60)


def _wait(address: str, process: subprocess.Popen) -> None:
    for _ in range(START_SECONDS):
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=2).close()
            return
        except OSError:
            if process.poll() is not None:
                raise SystemExit("the app has ended; see above") from None
            time.sleep(1)
    raise SystemExit(f"the app did not answer within {START_SECONDS} s")
