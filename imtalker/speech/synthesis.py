"""Text to speech: the one place that knows the engine, hibari-tts (English, CPU, faster than real time).

The engine is imported when something is spoken. Of its voices "heart" is part of the package; the others are fetched
at first use and verified against a checksum.
"""

import logging
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from imtalker.errors import InputError, WeightsError
from imtalker.speech.text import DEFAULT_VOICE, check_text
from imtalker.weights.file import file_sha256

logger = logging.getLogger(__name__)

RATE = 24_000  # Hz, of everything that is spoken
MAX_PHONEMES = 400  # spoken at a time; a longer sentence is divided between words
NOISE_SEED = 0  # breath and hiss are drawn from it: the same text is the same sound


def synthesise(text: str, voice: str = DEFAULT_VOICE, speed: float = 1.0) -> Iterator[np.ndarray]:
    """Speak a text, sentence by sentence: float32 samples ``(n,)`` in -1..1 at 24 kHz, each as soon as it is ready.

    Arguments and errors as ``check_text``; these come with the call, before anything is spoken.

    Raises:
        WeightsError: the voice is not here and cannot be fetched, or its file is damaged.
    """
    text = check_text(text, voice, speed)
    engine = load_engine(voice)
    sentences = engine.phonemize(text)
    if not any(sign.isalpha() for sentence in sentences for sign in sentence):
        raise InputError(f"there is nothing to be spoken in the text {text[:20]!r}; write words or numbers")
    return _spoken(engine, sentences, float(speed))


def engine_name() -> str:
    """The engine with its version, for recipes."""
    return f"hibari-tts {version('hibari-tts')}"


@cache
def load_engine(voice: str) -> Any:
    """The engine with a voice; kept, as it has no state.

    Raises:
        InputError: the engine is not installed.
        WeightsError: the voice cannot be had.
    """
    try:
        from hibari import Hibari
        from hibari.voices import VOICES, voice_path
    except ImportError as error:
        raise InputError(f"speaking a text needs hibari-tts ({error}); pip install hibari-tts") from error
    about = VOICES[voice]
    try:
        path = _voice_file(voice, about["bytes"], voice_path)
        if file_sha256(path) != about["sha256"]:
            raise WeightsError(f"voice {voice!r} is damaged; delete {path} and try again")
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"voice {voice!r} is fetched at first use, which failed: {reason}; "
            f"connect once, or take voice {DEFAULT_VOICE}, which needs no connection"
        ) from error
    return Hibari(voice)


def _voice_file(voice: str, size: int, voice_path: Any) -> str:
    try:
        return voice_path(voice, download_missing=False)
    except FileNotFoundError:
        logger.warning("fetching voice %s (%.0f MB), once", voice, size / 1e6)
        return voice_path(voice)


def _spoken(engine: Any, sentences: list[str], speed: float) -> Iterator[np.ndarray]:
    noise = np.random.default_rng(NOISE_SEED)
    for sentence in sentences:
        for part in _parts(sentence):
            yield engine.from_ids(engine.ids(part), speed, noise)


def _parts(sentence: str) -> Iterator[str]:
    """A sentence in pieces that can be spoken at a time, cut at blanks where there are any."""
    while len(sentence) > MAX_PHONEMES:
        cut = sentence.rfind(" ", 1, MAX_PHONEMES)
        cut = MAX_PHONEMES if cut < 0 else cut
        yield sentence[:cut]
        sentence = sentence[cut:].lstrip()
    if sentence:
        yield sentence
