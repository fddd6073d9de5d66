"""Many visitors at once against the app: every answer checked, waits and the server's memory measured.

    python -m benchmarks.load_test [--visitors 20] [--seconds 120] [--speech 0.6] [--json OUT]

Each visitor is a ``gradio_client`` of its own that asks for a video again as soon as it has one, with a portrait, a
length of speech and a seed nobody else has. Right is an answer that holds the visitor's own portrait, speech and seed,
has the frames that speech asks for, and is byte for byte the visitor's first answer. Exit code 1 if one is not.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.media.audio import load_waveform
from imtalker.media.video import probe_video
from imtalker.pipeline.recipe import read_recipe
from imtalker.weights.file import file_sha256
from tools.served_app import served_app

ROOT = Path(__file__).resolve().parents[1]
PORTRAITS = sorted((ROOT / "assets" / "portraits").glob("*.jpg"))
SPEECH = ROOT / "assets" / "speech" / "welcome.wav"
PATIENCE = 1800  # seconds, for the answers that are under way when the time is over


@dataclass
class Visitor:
    """One who asks, and what came back."""

    number: int
    portrait: Path
    speech: Path
    frames: int
    steps: int
    waits: list[float] = field(default_factory=list)  # seconds from asking to the finished video
    wrong: list[str] = field(default_factory=list)
    first: str | None = None  # SHA-256 of the first answer

    @classmethod
    def make(cls, number: int, folder: Path, seconds: float, steps: int) -> "Visitor":
        """Write a portrait and speech that nobody else has."""
        picture = Image.open(PORTRAITS[number % len(PORTRAITS)]).convert("RGB")
        picture.putpixel((0, 0), (number % 256, number // 256, 0))
        portrait, speech = folder / f"portrait{number}.png", folder / f"speech{number}.wav"
        picture.save(portrait)
        frames = round(seconds * FRAME_RATE) + number % 7
        samples = load_waveform(SPEECH)[: round(frames / FRAME_RATE * SAMPLE_RATE)]
        with wave.open(str(speech), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        return cls(number, portrait, speech, frames, steps)

    def visit(self, address: str, folder: Path, over: threading.Event) -> None:
        """Ask again and again."""
        patient = {"timeout": PATIENCE}
        client = Client(address, verbose=False, download_files=str(folder / f"got{self.number}"), httpx_kwargs=patient)
        while not over.is_set():
            start = time.monotonic()
            try:
                video, _, report = client.predict(
                    portrait=handle_file(str(self.portrait)),
                    speech=handle_file(str(self.speech)),
                    steps=self.steps,
                    seed=1000 + self.number,
                    api_name="/animate_audio",
                )
            except AppError as error:
                self.wrong.append(f"refused: {error}")
                time.sleep(1)
                continue
            self.waits.append(time.monotonic() - start)
            self.wrong += self._faults(Path(video), report)

    def _faults(self, video: Path, report: dict[str, Any]) -> Iterator[str]:
        recipe = read_recipe(video) or {}
        wanted = {"portrait": self.portrait, "speech": self.speech}
        for entry, path in wanted.items():
            if recipe.get(entry, {}).get("sha256") != file_sha256(path):
                yield f"somebody else's {entry}"
        if recipe.get("sampling", {}).get("seed") != 1000 + self.number:
            yield "somebody else's seed"
        frames = round((probe_video(video).duration or 0) * FRAME_RATE)
        if not frames == report["frames"] == self.frames:
            yield f"{frames} frames, {report['frames']} reported, {self.frames} asked for"
        checksum = hashlib.sha256(video.read_bytes()).hexdigest()
        self.first = self.first or checksum
        if checksum != self.first:
            yield "another video than the first time"
        video.unlink()


def main() -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120.0, help="until nobody asks again (default: %(default)g)")
    parser.add_argument("--speech", type=float, default=0.6, help="shortest speech, seconds (default: %(default)g)")
    parser.add_argument("--steps", type=int, default=4, help="network evaluations per window (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the numbers there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        visitors = [Visitor.make(n, folder, given.speech, given.steps) for n in range(given.visitors)]
        with served_app(GRADIO_TEMP_DIR=str(folder / "gradio"), IMTALKER_PRESET="tiny") as (address, process):
            numbers = _measure(visitors, address, process, folder, given.seconds)
    sys.stdout.write(json.dumps(numbers, indent=2) + "\n")
    if given.json is not None:
        given.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return 1 if numbers["wrong"] or not numbers["answers"] else 0


def _measure(visitors: list[Visitor], address: str, process: int, folder: Path, seconds: float) -> dict[str, Any]:
    over, memory = threading.Event(), []
    visitors[0].visit(address, folder, _Once())  # what is loaded at the first run is no growth
    visitors[0].waits.clear()
    with ThreadPoolExecutor(len(visitors)) as pool:
        visits = [pool.submit(visitor.visit, address, folder, over) for visitor in visitors]
        start = time.monotonic()
        while time.monotonic() - start < seconds or not all(visit.done() for visit in visits):
            if time.monotonic() - start >= seconds:
                over.set()
            memory.append(_resident(process))
            time.sleep(1)
            if time.monotonic() - start > seconds + PATIENCE:
                raise SystemExit("answers are missing")
        for visit in visits:
            visit.result()
        spent = time.monotonic() - start
    waits = sorted(wait for visitor in visitors for wait in visitor.waits)
    part = max(1, len(memory) // 12)
    return {
        "visitors": len(visitors),
        "seconds": round(spent, 1),
        "answers": len(waits),
        "answers_a_minute": round(60 * len(waits) / spent, 1),
        "wrong": [f"visitor {visitor.number}: {fault}" for visitor in visitors for fault in visitor.wrong],
        "wait_median": round(statistics.median(waits), 1) if waits else None,
        "wait_p95": round(float(np.percentile(waits, 95)), 1) if waits else None,
        "fewest_answers_of_a_visitor": min(len(visitor.waits) for visitor in visitors),
        "most_answers_of_a_visitor": max(len(visitor.waits) for visitor in visitors),
        "memory_mib": [round(max(memory[i : i + part])) for i in range(0, len(memory), part)],
        "load_average": round(os.getloadavg()[0], 1),
    }


class _Once(threading.Event):
    """Set once it has been looked at."""

    def is_set(self) -> bool:
        was = super().is_set()
        self.set()
        return was


def _resident(process: int) -> float:
    """Resident memory of a process, MiB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    raise SystemExit(main())
