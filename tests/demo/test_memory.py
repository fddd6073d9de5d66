"""Memory does not grow with the threads that have worked, nor with the pictures they have freed."""

import subprocess
import sys

import pytest

PRELUDE = """
import sys, threading
from imtalker.demo.memory import steady_memory
if sys.argv[1] == "steady" and not steady_memory():
    sys.exit(3)
def resident():
    with open("/proc/self/status") as file:
        return int(file.read().partition("VmRSS:")[2].split()[0]) // 1024
before = resident()
"""
THREADS = """
over, ends = threading.Event(), []
def work():
    blocks = [b"x" * 60_000 for _ in range(500)]
    last = b"x" * 60_000  # above the blocks: what lies below stays with the pool
    blocks.clear()
    ends[-1].set()
    over.wait()
for _ in range(12):
    ends.append(threading.Event())
    threading.Thread(target=work).start()
    ends[-1].wait()
print(resident() - before)
over.set()
"""
PICTURES = """
small = []
for _ in range(20):
    pictures = [b"x" * 8_000_000 for _ in range(8)]
    small.append(b"x" * 60_000)  # in use for longer
    pictures.clear()
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("work", [THREADS, PICTURES], ids=["threads", "pictures"])
def test_what_has_been_freed_does_not_stay(work):
    kept = {}
    for kind in ("as it comes", "steady"):
        done = subprocess.run([sys.executable, "-c", PRELUDE + work, kind], capture_output=True, text=True)
        if done.returncode == 3:
            pytest.skip("this C library has no pools")
        assert done.returncode == 0, done.stderr
        kept[kind] = int(done.stdout)
    assert kept["steady"] < kept["as it comes"] / 2, kept
