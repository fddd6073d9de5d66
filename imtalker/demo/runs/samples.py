"""Sample portraits, speech and clips that come with the project, and their results once somebody made them."""

import hashlib
import json
import logging
import os
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imtalker.demo.runs.run import Finished
from imtalker.media.folders import cache_folder

logger = logging.getLogger(__name__)

ASSETS = Path(__file__).resolve().parents[3] / "assets"
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg")
CLIPS = (".mp4", ".webm")


@dataclass(frozen=True)
class Samples:
    """Paths by kind, sorted by name; all made by this project, no real person among them.

    Args:
        captions: name of a file without its ending -> what it shows or says.
    """

    portraits: list[Path]
    speech: list[Path]
    driving: list[Path]
    captions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def find(cls, root: Path = ASSETS) -> "Samples":
        captions = root / "captions.json"
        return cls(
            _files(root / "portraits", PICTURES),
            _files(root / "speech", SOUNDS),
            _files(root / "driving", CLIPS),
            json.loads(captions.read_text(encoding="utf-8")) if captions.is_file() else {},
        )

    @property
    def featured(self) -> tuple[Path, Path] | None:
        """Portrait and speech that greet visitors: the painting says hello, if both are there."""
        if not self.portraits or not self.speech:
            return None
        return _first(self.portraits, "painting")[0], _first(self.speech, "welcome")[0]

    def talking(self, count: int) -> list[tuple[Path, Path]]:
        """Portraits with something to say, the featured pair first."""
        return pairs(_first(self.portraits, "painting"), _first(self.speech, "welcome"), count)

    def caption(self, path: Path) -> str:
        """What a sample shows, in a few words."""
        return self.captions.get(path.stem) or title(path)


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
        self.root = root or cache_folder() / "samples"
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
        kept = self.root / (key or "-")
        try:
            entry = json.loads((kept / "report.json").read_text(encoding="utf-8"))
            paths = [shutil.copy(kept / name, folder) for name in entry["files"]]
        except (OSError, ValueError, KeyError):
            return None
        video, beside, motion, recipe = (Path(path) for path in paths)
        return Finished(video, beside, motion, recipe, entry["report"])

    def side_by_side(self, key: str | None) -> Path | None:
        """The kept video that shows portrait and result, in its place; None if there is none."""
        kept = self.root / (key or "-")
        try:
            entry = json.loads((kept / "report.json").read_text(encoding="utf-8"))
            path = kept / entry["files"][1]
        except (OSError, ValueError, LookupError):
            return None
        return path if path.is_file() else None

    def keep(self, key: str | None, finished: Finished) -> None:
        """Remember a complete result; a full disk only costs the memory of it."""
        if key is None or finished.side_by_side is None or finished.report["stopped"]:
            return
        files = [finished.video, finished.side_by_side, finished.motion, finished.recipe]
        draft = self.root / f".{uuid.uuid4().hex}"
        try:
            draft.mkdir(parents=True)
            for path in files:
                shutil.copy(path, draft)
            entry = {"files": [path.name for path in files], "report": finished.report}
            (draft / "report.json").write_text(json.dumps(entry), encoding="utf-8")
            os.replace(draft, self.root / key)
        except OSError as error:  # somebody else was quicker, or no space
            logger.info("a sample's result is not kept: %s", error)
            shutil.rmtree(draft, ignore_errors=True)


def _first(paths: list[Path], stem: str) -> list[Path]:
    """The same, the one of that name in front."""
    return sorted(paths, key=lambda path: path.stem != stem)


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
