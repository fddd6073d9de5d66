"""Installation: the lock is complete and agrees with itself, the installer resumes, the Makefile takes any path."""

import ast
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.install import Environment, InstallError
from tools.lock import EXTRAS, LEFT_OUT, TORCH_FAMILY, differences, read_lock, version

ROOT = Path(__file__).resolve().parents[2]
FILES = ["locks/runtime.txt", "locks/development.txt", "locks/torch.txt", "requirements.txt"]


def locked(*names: str) -> dict[str, str]:
    """name -> version, of several lock files together."""
    entries: dict[str, str] = {}
    for name in names:
        entries |= read_lock((ROOT / name).read_text(encoding="utf-8"))
    return {canonicalize_name(name): version(entry).split("==")[1] for name, entry in entries.items()}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def direct(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for."""
    table = project()["project"]
    lines = table["dependencies"] + [line for extra in extras for line in table["optional-dependencies"][extra]]
    return [Requirement(line) for line in lines]


def test_the_lock_holds_every_direct_dependency_within_its_range() -> None:
    environment = locked("locks/runtime.txt", "locks/development.txt", "locks/torch.txt")
    space = locked("requirements.txt")
    build = [Requirement(line) for line in project()["build-system"]["requires"]]
    for requirement in [*direct(*EXTRAS), *build]:
        name = canonicalize_name(requirement.name)
        if name not in LEFT_OUT:
            assert requirement.specifier.contains(environment[name]), requirement
    for requirement in direct():
        assert requirement.specifier.contains(space[canonicalize_name(requirement.name)]), requirement


def test_the_lock_holds_whatever_its_packages_require() -> None:
    lock = locked("locks/runtime.txt", "locks/development.txt", "locks/torch.txt")
    wanting, looked_at = [], 0
    for name, pinned in lock.items():
        looked_at += 1 if installed(name) == pinned else 0
        for requirement in requirements_of(name, pinned):
            wanted = canonicalize_name(requirement.name)
            fits = wanted in lock and requirement.specifier.contains(lock[wanted])
            if not fits and wanted not in LEFT_OUT and not TORCH_FAMILY.match(wanted):
                wanting.append(f"{name} {pinned} requires {requirement}, locked is {lock.get(wanted)}")
    assert not wanting, "\n".join(wanting)
    assert looked_at > len(lock) / 2  # else this environment is none of ours, and says nothing about the lock


def installed(name: str) -> str | None:
    """The version that runs here."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None  # for another platform or Python


def requirements_of(name: str, pinned: str) -> Iterator[Requirement]:
    """What one installed package declares for this Python; nothing where another version than the locked one runs."""
    if installed(name) == pinned:
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement


def test_one_version_of_opencv_everywhere() -> None:
    pins = {requirement.name: str(requirement.specifier) for requirement in direct() if "opencv" in requirement.name}
    assert pins.keys() == {"opencv-python-headless", *LEFT_OUT}
    found = {value.removeprefix("==") for value in pins.values()}
    for file in FILES:
        found |= {number for name, number in locked(file).items() if "opencv" in name}
    assert len(found) == 1, found
    assert not LEFT_OUT & locked("locks/runtime.txt", "locks/development.txt").keys()


def test_a_space_gets_the_versions_that_are_tested() -> None:
    space, tested = locked("requirements.txt"), locked("locks/runtime.txt")
    assert {name: space[name] for name in space.keys() & tested.keys()} == {
        name: tested[name] for name in space.keys() & tested.keys()
    }
    assert space.keys() - tested.keys() == {"torch", *LEFT_OUT}
    card = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\nsdk_version: {tested['gradio']}\n" in card and space["gradio"] == tested["gradio"]


@pytest.mark.parametrize("file", FILES)
def test_lock_files_are_exact_and_name_no_host(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|\.(org|com|net|io)\b", text)
    for entry in read_lock(text).values():
        assert re.fullmatch(r"[a-z0-9.-]+==[^=\s]+", version(entry)), entry
        hashed = "--hash=sha256:" in entry
        assert hashed == (file in ("locks/runtime.txt", "locks/development.txt")), entry


def test_differences_between_locks() -> None:
    old = read_lock("# a comment\na==1 \\\n    --hash=sha256:0\nb==2 ; python_version < '3.12'\nc==3\n")
    new = read_lock("a==1 \\\n    --hash=sha256:1\nb==2.1\nd==4\n")
    assert version(old["a"]) == "a==1" and "--hash" in old["a"]
    assert differences(old, new) == ["  b: 2 -> 2.1", "  c: 3 -> -", "  d: - -> 4"]
    assert differences(old, old) == []


# the installer


def wheel(folder: Path, number: str) -> None:
    """A package ``nothing`` of one module, as a wheel."""
    info = f"nothing-{number}.dist-info"
    files = {
        "nothing.py": f"number = {number!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: nothing\nVersion: {number}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"nothing-{number}-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def test_an_installation_resumes_and_a_changed_lock_starts_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, source = tmp_path / "an environment", tmp_path / "wheels"
    source.mkdir()
    wheel(source, "1.0")
    local = ("--no-index", "--find-links", str(source))
    first = Environment(folder, "lock 1")
    first.ready()
    first.pip("nothing", "nothing", *local, "nothing")
    with pytest.raises(InstallError, match="No matching distribution found for absent"):
        first.pip("absent", "something absent", *local, "absent")

    def number() -> str:
        command = [str(first.python), "-c", "import nothing; print(nothing.number)"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert number() == "1.0"
    capsys.readouterr()
    again = Environment(folder, "lock 1")
    again.ready()
    again.pip("nothing", "nothing", *local, "no-such-package")  # done already: pip is not even asked
    assert capsys.readouterr().out == ""

    record = next(folder.rglob("nothing-1.0.dist-info")) / "RECORD"
    record.unlink()  # as if pip had been killed before it was through
    again.pip("another step", "nothing", *local, "nothing")
    assert record.exists()

    wheel(source, "2.0")
    changed = Environment(folder, "lock 2")
    changed.ready()
    assert not list(folder.rglob("nothing*"))
    changed.pip("nothing", "nothing", *local, "nothing")
    assert number() == "2.0"


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    keep = tmp_path / "thesis.txt"
    keep.write_text("three years", encoding="utf-8")
    with pytest.raises(InstallError, match="VENV="):
        Environment(tmp_path, "lock").ready()
    assert keep.read_text(encoding="utf-8") == "three years" and list(tmp_path.iterdir()) == [keep]


def test_a_place_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InstallError, match=r"VENV=.*OUTPUTS="):
        Environment(tmp_path / "file" / "venv", "lock").ready()


# the Makefile

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def dry_run(target: str, *variables: str, path: str | None = None) -> list[list[str]]:
    """The words of each command that make would run."""
    environment = os.environ | ({"PATH": path} if path else {})
    command = [str(shutil.which("make")), "--dry-run", "--no-print-directory", target, *variables]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [shlex.split(line) for line in done.stdout.splitlines() if line.strip()]


@needs_make
def test_make_takes_paths_with_spaces_and_quotes() -> None:
    venv, outputs, python = "/tmp/my venv", "my films; (and more)", "/opt/a python/bin/python3"
    variables = [f"VENV={venv}", f"OUTPUTS={outputs}", f"PYTHON={python}"]
    words = [word for target in ("run", "test") for line in dry_run(target, *variables) for word in line]
    for whole in (python, f"{venv}/bin/python", f"{venv}/bin/imtalker", f"{venv}/bin/ruff", f"{venv}/bin/pyright"):
        assert whole in words
    assert words.count(venv) == 2 and f"{outputs}/hello.mp4" in words
    assert not [word for word in words if word in ("venv", "films;", "python/bin/python3")]


@needs_make
def test_make_takes_the_newest_python_that_runs(tmp_path: Path) -> None:
    for name, script in {"python3.13": "exit 127", "python3.12": "exit 0", "python3.11": "exit 0"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")  # 3.13: as a shim of pyenv
        (tmp_path / name).chmod(0o755)
    path = os.pathsep.join([str(tmp_path), "/usr/bin", "/bin"])
    assert ["python3.12", "tools/install.py"] == [line for line in dry_run("setup", path=path)][-1][:2]


@needs_make
def test_make_says_when_there_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    done = subprocess.run(
        [str(shutil.which("make")), "setup"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 2 and "Python 3.11 or newer" in done.stdout


def test_the_installer_can_tell_an_old_python_that_it_is_old() -> None:
    tree = ast.parse((ROOT / "tools" / "install.py").read_text(encoding="utf-8"), feature_version=(3, 8))
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert [alias.name for node in futures for alias in node.names] == ["annotations"]  # ``int | None`` is newer
