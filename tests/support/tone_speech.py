"""Speech whose phonemes are tones, and an audio encoder small enough to learn them in a test."""

import numpy as np

from imtalker.config import SAMPLE_RATE, SpectralEncoderConfig
from imtalker.train.speech.corpus import Utterance
from imtalker.train.speech.phonemes import Segment

TINY = SpectralEncoderConfig(
    mel_bands=24,
    fine_size=16,
    fine_layers=1,
    hidden_size=32,
    dilations=(1, 1),
    surroundings_size=4,
    surroundings_reach=9,
)


def tone_speech(rng: np.random.Generator) -> Utterance:
    """'Phonemes' that are tones of different pitch."""
    pitches = {"sil": 0, "aa": 300, "m": 900, "s": 3000}
    names = ["sil", *rng.choice(["aa", "m", "s"], 8), "sil"]
    time = np.arange(int(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    waveform = np.concatenate([0.3 * np.sin(2 * np.pi * pitches[n] * time) for n in names])
    segments = tuple(Segment(n, 0.2 * i, 0.2 * (i + 1)) for i, n in enumerate(names))
    return Utterance(waveform.astype(np.float32), segments, "tones", "flite:tone")
