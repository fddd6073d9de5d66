"""The floors of the package as a law: imports run downwards only (read from the source, lazy imports included)."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLOORS = [  # lowest first; rooms of one floor may import each other
    "errors config version devices",
    "media",
    "faces",
    "generator renderer",
    "weights",
    "pipeline",
    "dubbing speech",
    "evaluate bench",
    "train",
    "demo commands",
    "cli __main__",
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}
WIDGETS = "gradio"  # only demo/page builds a page
WITH_GRADIO = {"demo/api.py", "demo/service.py", "demo/errors.py", "demo/runs/files.py", "demo/runs/segments.py"}


def imports_of(file: Path) -> Iterator[tuple[str, int]]:
    """Every module a file imports, with the line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@cache
def rooms() -> list[tuple[Path, str, str, int]]:
    """(file, its room, the imported module, line) for every import inside the package."""
    return [
        (file, file.relative_to(ROOT / "imtalker").with_suffix("").parts[0], module, line)
        for file in sorted((ROOT / "imtalker").rglob("*.py"))
        for module, line in imports_of(file)
    ]


def test_every_room_has_a_floor() -> None:
    places = (ROOT / "imtalker").iterdir()
    found = {place.stem for place in places if place.suffix == ".py" or (place / "__init__.py").is_file()}
    assert found - {"__init__"} == FLOOR_OF.keys()


def test_imports_only_run_downwards() -> None:
    upwards = [
        f"{file.relative_to(ROOT)}:{line} imports {module}"
        for file, room, module, line in rooms()
        if room != "__init__"
        and module.startswith("imtalker.")  # the public API re-exports from everywhere
        and FLOOR_OF.get(module.split(".")[1], 0) > FLOOR_OF[room]
    ]
    assert not upwards, "\n".join(upwards)


def test_generator_and_renderer_do_not_know_each_other() -> None:
    pair = {"generator": "imtalker.renderer", "renderer": "imtalker.generator"}
    assert not [f"{f}:{line}" for f, room, module, line in rooms() if module.startswith(pair.get(room, "-"))]


def test_media_imports_no_network() -> None:
    assert not [f"{f}:{line}" for f, room, module, line in rooms() if room == "media" and module.startswith("torch")]


def test_nothing_imports_the_programs_that_make_samples() -> None:
    assert not [f"{f}:{line}" for f, _, module, line in rooms() if module.startswith("tools")]


def test_only_the_page_builds_widgets() -> None:
    elsewhere = {
        file.relative_to(ROOT / "imtalker").as_posix()
        for file, _, module, _ in rooms()
        if module.split(".")[0] == WIDGETS and "page" not in file.parts
    }
    assert elsewhere <= WITH_GRADIO
    widgets = {"Blocks", "Button", "Column", "Row", "Tab", "Slider", "Video", "Image", "Markdown", "HTML"}
    for name in elsewhere:
        for node in ast.walk(ast.parse((ROOT / "imtalker" / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gr":
                assert node.attr not in widgets or name == "demo/api.py", f"{name}:{node.lineno} builds gr.{node.attr}"


def test_files_that_readmes_name_exist() -> None:
    """Somebody new finds a behaviour by these tables."""
    missing = []
    for readme in (*ROOT.glob("*.md"), *(ROOT / "imtalker").rglob("README.md"), *(ROOT / "tools").rglob("README.md")):
        for name in re.findall(r"`([\w/.-]+\.(?:py|npz))`", readme.read_text(encoding="utf-8")):
            places = [readme.parent / name, ROOT / name, ROOT / "imtalker" / name]
            if not any(place.is_file() for place in places) and not list((ROOT / "imtalker").rglob(Path(name).name)):
                missing.append(f"{readme.relative_to(ROOT)}: {name}")
    assert not missing, "\n".join(missing)
