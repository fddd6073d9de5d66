"""The bundled speech samples (assets/speech): which voice says what."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imtalker.train.people import speech

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpeechSample:
    """One clip: file name, engine, voice, speed (1 is the voice's own), text."""

    name: str
    engine: Literal["flite", "espeak-ng"]
    voice: str
    rate: float
    text: str


SAMPLES = (
    SpeechSample(
        "welcome",
        "flite",
        "slt",
        0.97,
        "Hello, and welcome. Choose a portrait, give it a voice, and watch it come to life.",
    ),
    SpeechSample(
        "river",
        "flite",
        "rms",
        1.0,
        "The river rises in the mountains, and by the time it reaches the sea, "
        "it has passed seven bridges, two old mills, and a very patient fisherman.",
    ),
    SpeechSample(
        "tea",
        "flite",
        "awb",
        1.0,
        "Would you like a cup of tea? I have just put the kettle on.",
    ),
    SpeechSample(
        "robot",
        "flite",
        "kal16",
        0.95,
        "I am only a small voice from a small computer, but I do try to speak clearly.",
    ),
    SpeechSample(
        "weather",
        "flite",
        "slt",
        1.05,
        "Tomorrow will be bright and windy, with a few clouds in the afternoon. "
        "Please remember to bring a warm coat if you plan to stay out after dark.",
    ),
    SpeechSample("parcel", "espeak-ng", "en-gb", 1.0, "Your parcel has arrived. You can fetch it before five o'clock."),
)


def write_samples(folder: Path) -> list[Path]:
    """Make every sample as 16 kHz, 16-bit mono WAV; returns the paths. Needs flite and espeak-ng."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "raw.wav"
        for sample in SAMPLES:
            if sample.engine == "flite":
                speech.synthesize_flite(sample.text, sample.voice, raw, sample.rate)
            else:
                speech.synthesize_espeak(sample.text, sample.voice, raw, round(155 * sample.rate))
            waveform, rate = speech.read_wav(raw)
            waveform = speech.resample(waveform, rate, speech.SAMPLE_RATE)
            waveform = speech.master(speech.trim(waveform))
            path = folder / f"{sample.name}.wav"
            speech.write_wav(path, waveform)
            logger.info("%s: %.1f s", path, len(waveform) / speech.SAMPLE_RATE)
            paths.append(path)
    return paths
