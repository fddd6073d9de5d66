"""Build the virtual environment from the lock: ``python tools/install.py [--dev]``. Needs nothing but Python.

Every package comes with the version and hash in ``locks/``, and without the wheels' own dependencies, which the
lock lists already. torch comes last: pip finds the build for this platform (on Linux the one with CUDA), and all
it needs but CUDA is there by then.

An interrupted installation goes on where it stopped. A changed lock, Python or place builds the environment anew,
because wheels share folders and taking one away can break another.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
OLDEST = (3, 11)
HEARTBEAT = 10  # seconds between signs of life
MARK = "imtalker-install.txt"  # in the environment: what it was built from, then each finished step


class InstallError(Exception):
    """What went wrong and what to do, for a person."""


class Environment:
    """A virtual environment and how far its installation has come.

    Args:
        folder: where it lies.
        origin: what it is built from; another origin builds it anew.
    """

    def __init__(self, folder: Path, origin: str) -> None:
        self._folder = folder
        self._origin = origin
        self._mark = folder / MARK
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.python = folder / scripts / ("python.exe" if os.name == "nt" else "python")
        self._packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))

    def ready(self) -> None:
        """Make it, keep it, or build it anew.

        Raises:
            InstallError: the folder cannot be written, or holds what this script did not put there.
        """
        ours = self._mark.exists() or (self._folder / ".runtime").exists()  # the second: made by an older Makefile
        if self._folder.exists() and any(self._folder.iterdir()) and not ours:
            raise InstallError(f"{self._folder} was made by something else: remove it, or name another with VENV=...")
        if self._done()[:1] == [self._origin] and self._runs():
            return
        say(f"making a Python {sys.version_info[0]}.{sys.version_info[1]} environment in {self._folder}")
        try:
            import ensurepip  # noqa: F401  (Debian keeps it in a package of its own)

            self._folder.mkdir(parents=True, exist_ok=True)
            self._mark.write_text("unfinished\n", encoding="utf-8")  # first: a half-made folder must be known as ours
            for old in self._folder.iterdir():
                if old != self._mark:
                    shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
            venv.create(self._folder, with_pip=True)
            self._mark.write_text(self._origin + "\n", encoding="utf-8")
        except ImportError as error:
            raise InstallError("this Python has no venv: install it (Debian: apt-get install python3-venv)") from error
        except (OSError, subprocess.CalledProcessError) as error:
            raise InstallError(
                f"cannot make {self._folder} ({error}); in a read-only checkout name other places: "
                "make run VENV=/tmp/imtalker-venv OUTPUTS=/tmp/imtalker-outputs"
            ) from error

    def pip(self, step: str, what: str, *arguments: str) -> None:
        """One ``pip install``, unless this step is done already.

        Raises:
            InstallError: pip failed; with its last lines.
        """
        if step in self._done():
            return
        say(f"installing {what}")
        self._forget_halves()
        command = [str(self.python), "-m", "pip", "install", "--no-user", "--no-compile", "--progress-bar", "off"]
        unwanted = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_HASHES", "PYTHONPATH", "PYTHONHOME")
        settings = {name: value for name, value in os.environ.items() if name not in unwanted}
        settings |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
        command += arguments
        log, start = self._folder / "install.log", time.monotonic()
        with log.open("w", encoding="utf-8") as sink:
            process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=sink, stderr=subprocess.STDOUT)
            while (code := _wait(process)) is None:
                say(f"  {time.monotonic() - start:.0f} s  {self._progress(log)}")
        if code:
            raise InstallError(
                f"pip failed while installing {what}:\n"
                f"{pip_complaint(log.read_text(encoding='utf-8', errors='replace'))}\n"
                "The same command tries again; where this Python has no wheel, another may: PYTHON=python3.12"
            )
        with self._mark.open("a", encoding="utf-8") as mark:
            mark.write(step + "\n")
        say(f"  done in {time.monotonic() - start:.0f} s")

    def _forget_halves(self) -> None:
        """Packages that an interrupted pip left without their list of files, which it writes last, count as absent."""
        for package in self._installed():
            if not (self._packages / package / "RECORD").exists():
                shutil.rmtree(self._packages / package)

    def _installed(self) -> list[str]:
        return [name for name in os.listdir(self._packages) if name.endswith(".dist-info")]

    def _done(self) -> list[str]:
        return self._mark.read_text(encoding="utf-8").splitlines() if self._mark.exists() else []

    def _progress(self, log: Path) -> str:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
        steps = [line for line in lines if line.startswith(("Collecting", "Downloading", "Installing"))]
        if not steps or steps[-1].startswith("Installing"):  # pip names nothing while it unpacks
            return f"{len(self._installed())} packages in place"
        return steps[-1][:100]

    def _runs(self) -> bool:
        try:
            return subprocess.run([str(self.python), "-c", ""], capture_output=True).returncode == 0
        except OSError:
            return False


def _wait(process: subprocess.Popen) -> int | None:
    try:
        return process.wait(timeout=HEARTBEAT)
    except subprocess.TimeoutExpired:
        return None
    except KeyboardInterrupt:
        process.wait()
        raise


def pip_complaint(output: str) -> str:
    """What pip said at the end, in a few lines; whether there was a network at all comes first."""
    lines = output.splitlines()
    errors = [line[:300] for line in lines if line.startswith("ERROR")] or [line[:300] for line in lines]
    offline = ["the package registry could not be reached: is there a network?"] if "Retrying (" in output else []
    return "\n".join(offline + errors[-4:])


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def install(folder: Path, dev: bool, torch_index: str) -> None:
    """Bring the environment to what the lock says.

    Args:
        folder: of the environment.
        dev: with what tests, training and evaluation need.
        torch_index: where pip looks for torch instead of its usual index; "" for the usual one.

    Raises:
        InstallError: see :class:`Environment`.
    """
    locks = [(LOCKS / f"{name}.txt").read_bytes() for name in ("runtime", "development", "torch")]
    place = f"{sys.version_info[:2]} {ROOT} {folder} {torch_index}".encode()
    environment = Environment(folder, _digest(place, *locks))
    environment.ready()
    locked = ("--require-hashes", "--no-deps", "-r")
    count = locks[0].count(b"==")
    environment.pip("runtime", f"{count} packages of locks/runtime.txt", *locked, str(LOCKS / "runtime.txt"))
    if torch_index:
        pin = next(line for line in locks[2].decode().splitlines() if line.startswith("torch=="))
        environment.pip("torch", f"{pin} from {torch_index}", "--index-url", torch_index, pin)
    else:
        environment.pip("torch", "torch", "-c", str(LOCKS / "torch.txt"), "torch")
    project = "project " + _digest((ROOT / "pyproject.toml").read_bytes())
    environment.pip(project, "imtalker", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    if dev:
        count = locks[1].count(b"==")
        path = str(LOCKS / "development.txt")
        environment.pip("development", f"{count} packages of locks/development.txt", *locked, path)


def say(line: str) -> None:
    """To whoever waits."""
    sys.stdout.write(f"[install] {line}\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 0 if the environment is as the lock says, 2 if it cannot be, 130 if interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", action="store_true", help="with what tests, training and evaluation need")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="folder of the environment (.venv)")
    parser.add_argument("--torch-index", default="", metavar="URL", help="take torch from this index")
    options = parser.parse_args()
    try:
        if sys.version_info < OLDEST:
            raise InstallError(f"Python {sys.version.split()[0]} is too old; 3.11 or newer is needed")
        install(options.venv.resolve(), options.dev, options.torch_index)
    except InstallError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
