"""Memory does not grow with the number of threads that have worked."""

import subprocess
import sys

import pytest

KEPT = """
import sys, threading
from imtalker.demo.memory import share_memory_pools
if sys.argv[1] == "shared" and not share_memory_pools():
    sys.exit(3)
def resident():
    with open("/proc/self/status") as file:
        return int(file.read().partition("VmRSS:")[2].split()[0]) // 1024
before, over, ends = resident(), threading.Event(), []
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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_threads_that_have_worked():
    kept = {}
    for kind in ("own", "shared"):
        done = subprocess.run([sys.executable, "-c", KEPT, kind], capture_output=True, text=True)
        if done.returncode == 3:
            pytest.skip("this C library has no pools")
        kept[kind] = int(done.stdout)
    assert kept["shared"] < kept["own"] / 2
