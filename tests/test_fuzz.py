"""Two hundred damaged files: never a traceback, never much memory, nothing left behind. In a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(sys.platform == "win32", reason="limits are set the Unix way")
def test_damaged_files():
    command = [sys.executable, "-m", "tests.fuzz", "--count", "200", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.stdout, f"the process ended with {done.returncode}: {done.stderr[-800:]}"
    told = json.loads(done.stdout)
    assert told["findings"] == [] and done.returncode == 0
    assert told["files"] == 200 and sum(told["outcomes"].values()) == 200
    for kind in ("portrait", "speech", "driving", "motion", "controls", "recipe"):
        assert any(outcome.startswith(kind) for outcome in told["outcomes"])
    assert sum(n for outcome, n in told["outcomes"].items() if outcome.endswith("refused")) > 40
