"""Folders in containers and on shared servers: no home, a temporary folder of somebody else, a read-only disk."""

import ast
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from imtalker.errors import OutputError
from imtalker.media import folders


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The temporary folder of these tests; and nothing chosen by variables."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir(mode=0o1777)
    for name in ("IMTALKER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "tmp"


@pytest.fixture
def homeless(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", staticmethod(no_home))
    monkeypatch.setattr(Path, "expanduser", lambda self: no_home())


def test_the_cache_is_in_the_home(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    assert folders.cache_folder() == tmp_path / ".cache" / "imtalker"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert folders.cache_folder() == tmp_path / "xdg" / "imtalker"
    monkeypatch.setenv("IMTALKER_CACHE", str(tmp_path / "mine"))
    assert folders.cache_folder() == tmp_path / "mine"
    assert folders.ensure_home() is None


def test_without_a_home_there_is_a_private_folder(homeless, temporary, monkeypatch):
    cache = folders.cache_folder()
    assert cache.is_relative_to(temporary) and cache == folders.cache_folder()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700 or sys.platform == "win32"
    monkeypatch.setenv("IMTALKER_CACHE", str(temporary / "mine"))
    assert folders.cache_folder() == temporary / "mine"
    monkeypatch.setenv("HOME", "")
    home = folders.ensure_home()
    assert home is not None and os.environ["HOME"] == str(home) and home.is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="ownership is checked the Unix way")
@pytest.mark.parametrize("trap", ["link", "open to all", "file"])
def test_folders_of_others_are_not_used(temporary, trap, tmp_path):
    name = temporary / f"imtalker-{os.getuid()}"
    if trap == "link":
        (tmp_path / "elsewhere").mkdir()
        name.symlink_to(tmp_path / "elsewhere")
    elif trap == "file":
        name.write_text("x")
    else:
        name.mkdir()
        name.chmod(0o777)
    folder = folders.private_folder("cache")
    assert not folder.is_relative_to(name) and stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_replaced(tmp_path, temporary, monkeypatch, caplog):
    assert folders.writable_folder(tmp_path / "good" / "one", "uploads") == tmp_path / "good" / "one"
    assert not caplog.records and not list((tmp_path / "good" / "one").iterdir())
    (tmp_path / "file").write_text("x")
    other = folders.writable_folder(tmp_path / "file" / "gradio", "uploads")
    assert other.is_relative_to(temporary) and len(caplog.records) == 1
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(OutputError, match="TMPDIR"):
        folders.private_folder("x")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become a nameless user")
def test_a_nameless_user_in_a_foreign_folder(tmp_path, temporary):
    """As in a container: no HOME, a user id without a name, and somebody else's folder in the temporary one."""
    (temporary / "gradio").mkdir(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    temporary.chmod(0o1777)
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(folders.__file__).parents[2])!r})
from imtalker.media.folders import cache_folder, ensure_home, writable_folder
os.setgid(54321); os.setuid(54321)
print(cache_folder()); print(ensure_home()); print(writable_folder({str(temporary / "gradio")!r}, "uploads"))
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    environment |= {"TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd="/")
    assert done.returncode == 0, done.stderr
    assert all(Path(line).is_relative_to(temporary / "imtalker-54321") for line in done.stdout.split()), done.stdout


@pytest.mark.parametrize("chosen", [None, "chosen"])
def test_a_temporary_folder_of_gradio_that_cannot_be_written_is_replaced(temporary, chosen, caplog):
    usual = temporary / (chosen or "gradio")
    environment = {"GRADIO_TEMP_DIR": str(usual)} if chosen else {}
    before = dict(environment)
    folders.ensure_gradio_folder(environment)
    assert environment == before and usual.is_dir()
    usual.rmdir()
    usual.write_text("in the way")  # as unusable as a folder of another user, for root too
    folders.ensure_gradio_folder(environment)
    assert Path(environment["GRADIO_TEMP_DIR"]).is_dir() and "cannot be written" in caplog.text


def test_the_app_chooses_its_folders_before_it_imports_gradio():
    """Gradio's modules read the variable when they are imported; ``spaces`` ends where there is no home."""
    tree = ast.parse((Path(__file__).parents[2] / "app.py").read_text(encoding="utf-8"))
    code = [ast.unparse(node) for node in tree.body]
    foreign = next(i for i, line in enumerate(code) if re.match(r"(import|from) (spaces|gradio|imtalker\.demo)", line))
    assert {"ensure_home()", "ensure_gradio_folder()"} <= set(code[:foreign])
