"""Sample portraits, speech and clips that come with the project, and their results once somebody made them."""

import hashlib
import json
import logging
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imtalker.demo.runs.run import Finished

logger = logging.getLogger(__name__)

ASSETS = Path(__file__).resolve().parents[3] / "assets"
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg")
CLIPS = (".mp4", ".webm")


@dataclass(frozen=True)
class Samples:
    """Paths by kind, sorted by name; all made by this project, no real person among them."""

    portraits: list[Path]
    speech: list[Path]
    driving: list[Path]

    @classmethod
    def find(cls, root: Path = ASSETS) -> "Samples":
        return cls(
            _files(root / "portraits", PICTURES),
            _files(root / "speech", SOUNDS),
            _files(root / "driving", CLIPS),
        )


def title(path: Path) -> str:
    """A name for people: "a_calm_voice.wav" -> "A calm voice"."""
    words = path.stem.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def pairs(first: list[Path], second: list[Path], count: int) -> list[tuple[Path, Path]]:
    """One-click samples: every first thing with some second thing, spread evenly."""
    if not second:
        return []
    return [(path, second[index % len(second)]) for index, path in enumerate(first[:count])]


class SampleResults:
    """Finished runs of samples, kept so that the next visitor sees them at once. Only samples, never uploads.

    Args:
        root: folder; by default below the user's cache folder.
        samples: only runs of these files are kept.
    """

    def __init__(self, samples: Samples, root: Path | None = None):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._root = root or cache / "imtalker" / "samples"
        self._known = {path.resolve() for path in (*samples.portraits, *samples.speech, *samples.driving)}
        self._hashes = {_hash(path) for path in self._known}

    def key(self, weights: str, files: list[str], settings: dict[str, Any]) -> str | None:
        """Name of a run, or None if one of its files is not a sample (told by content: browsers send copies)."""
        hashes = [_hash(Path(file)) for file in files]
        if not set(hashes) <= self._hashes:
            return None
        text = json.dumps([weights, hashes, settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def fetch(self, key: str | None, folder: Path) -> Finished | None:
        """Copy a kept result into a folder; None if there is none."""
        kept = self._root / (key or "-")
        try:
            entry = json.loads((kept / "report.json").read_text(encoding="utf-8"))
            paths = [shutil.copy(kept / name, folder) for name in entry["files"]]
        except (OSError, ValueError, KeyError):
            return None
        video, beside, motion, recipe = (Path(path) for path in paths)
        return Finished(video, beside, motion, recipe, entry["report"])

    def keep(self, key: str | None, finished: Finished) -> None:
        """Remember a complete result; a full disk only costs the memory of it."""
        if key is None or finished.side_by_side is None or finished.report["stopped"]:
            return
        files = [finished.video, finished.side_by_side, finished.motion, finished.recipe]
        draft = self._root / f".{uuid.uuid4().hex}"
        try:
            draft.mkdir(parents=True)
            for path in files:
                shutil.copy(path, draft)
            entry = {"files": [path.name for path in files], "report": finished.report}
            (draft / "report.json").write_text(json.dumps(entry), encoding="utf-8")
            os.replace(draft, self._root / key)
        except OSError as error:  # somebody else was quicker, or no space
            logger.info("a sample's result is not kept: %s", error)
            shutil.rmtree(draft, ignore_errors=True)


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
