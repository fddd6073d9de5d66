"""Small batches: portraits, a clip, speech and weights in one folder, and a table of four rows."""

import csv
import json
from pathlib import Path

from PIL import Image

from tests.support.drawn_face import draw_face
from tests.support.dubbing import talking_clip
from tests.support.sample_media import tone, write_wav
from tests.support.standin import save_small_models


def batch_things(folder: Path, seconds: float = 0.4) -> Path:
    """The folder, with ``jobs.csv``: two portraits that speak, a dubbed clip, a portrait driven by the clip."""
    (folder / "weights").mkdir()
    save_small_models(folder / "weights")
    Image.fromarray(draw_face(size=256)).save(folder / "ann.png")
    write_wav(folder / "speech.wav", tone(seconds))
    talking_clip(folder / "clip.mp4", 8, 20)
    rows = [
        {"portrait": "ann.png", "audio": "speech.wav", "yaw": "4", "paste_back": "yes", "output": "more/a.mp4"},
        {"portrait": "ann.png", "audio": "speech.wav"},
        {"video": "clip.mp4", "audio": "speech.wav", "output": "d.mp4"},
        {"portrait": "ann.png", "video": "clip.mp4", "side-by-side": "x", "output": "v.mp4", "steps": ""},
    ]
    write_table(folder / "jobs.csv", folder, rows)
    return folder


def write_table(path: Path, folder: Path, rows: list[dict[str, str]]) -> None:
    """A CSV of these rows, made with the folder's weights and one step unless they say otherwise."""
    full = [{"preset": "weights", "steps": "1"} | row for row in rows]
    columns = list(dict.fromkeys(name for row in full for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(full)


def results(folder: Path) -> list[dict]:
    """The lines of ``results.jsonl``."""
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
