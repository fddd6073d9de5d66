"""A running demo on small random networks, with drawn faces and synthetic speech as inputs."""

import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from imtalker.demo.models import ModelHost
from imtalker.demo.runs.samples import SampleResults, Samples
from imtalker.demo.settings import Settings
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.talking_head import TalkingHeadPipeline, load_pipeline
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.ports import free_port
from tests.support.standin import small_models

SKINS = ((224, 180, 150), (120, 84, 60), (190, 140, 110), (240, 205, 185))


def random_pipeline(*_: object, **__: object) -> TalkingHeadPipeline:
    """In the place of ``load_pipeline``."""
    return TalkingHeadPipeline(small_models())


def portrait_file(path: Path, person: int = 0) -> Path:
    """A drawn face; everybody looks different."""
    face = DrawnFace(skin=SKINS[person % len(SKINS)], background=(60 + 20 * person, 120, 150))
    Image.fromarray(draw_face(face)).save(path)
    return path


def speech_file(path: Path, seconds: float = 1.0, pitch: float = 120.0) -> Path:
    """A buzzing tone that comes and goes like syllables, 16-bit mono WAV."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    tone = np.sign(np.sin(2 * np.pi * pitch * time)) * (0.2 + 0.2 * np.sin(2 * np.pi * 4 * time))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone * 32767).astype("<i2").tobytes())
    return path


def clip_file(path: Path, seconds: float = 1.0, sound: Path | None = None) -> Path:
    """A drawn face that opens its mouth and moves a little."""
    with VideoWriter(path, (256, 256), audio=sound) as writer:
        for index in range(round(seconds * 25)):
            face = DrawnFace(gap=4 + 4 * np.sin(index / 3), shift=6 * np.sin(index / 9))
            writer.write(draw_face(face))
    return path


@dataclass(frozen=True)
class Inputs:
    """Files to send."""

    portrait: Path
    other: Path
    speech: Path
    clip: Path

    @classmethod
    def write(cls, folder: Path, seconds: float = 1.0) -> "Inputs":
        folder.mkdir(exist_ok=True)
        speech = speech_file(folder / "speech.wav", seconds)
        return cls(
            portrait_file(folder / "portrait.png"),
            portrait_file(folder / "other.png", 1),
            speech,
            clip_file(folder / "clip.mp4", seconds, speech),
        )


@contextmanager
def served(
    folder: Path,
    preset: Path | None = None,
    samples: Samples | None = None,
    results: SampleResults | None = None,
    **settings: object,
) -> Iterator[str]:
    """The app at its address. Its temporary files are in ``folder``/gradio while it runs."""
    variables = {"GRADIO_TEMP_DIR": str(folder / "gradio"), "GRADIO_ANALYTICS_ENABLED": "False"}
    reachable = mock.patch("gradio.networking.url_ok", return_value=True)  # it gives up after three seconds
    with mock.patch.dict(os.environ, variables), reachable:
        import app
        from imtalker.demo.page.page import build_page
        from imtalker.demo.service import Service

        wished = Settings(preset=str(preset) if preset else "tiny", device="cpu", **settings)  # pyright: ignore
        host = ModelHost(wished, load_pipeline if preset else random_pipeline)
        service = Service(host, wished, samples or Samples([], [], []), results)
        page = build_page(service)
        where = {"server_name": "127.0.0.1", "server_port": free_port()}
        _, address, _ = app.launch(page, service, prevent_thread_lock=True, quiet=True, **where)
        try:
            yield address
        finally:
            page.close()
