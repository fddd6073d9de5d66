"""Instrumental music made of notes, chords and drums: what a mouth must not move to."""

import numpy as np

from imtalker.config import SAMPLE_RATE

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))  # semitones
_CHORDS = ((0, 2, 4), (3, 5, 7), (4, 6, 8), (5, 7, 9), (1, 3, 5))  # degrees of the scale


def _envelope(length: int, rng: np.random.Generator, sustained: bool) -> np.ndarray:
    """(N,) of a note: struck or plucked ones decay, bowed and blown ones hold."""
    time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    attack = rng.uniform(0.03, 0.25) if sustained else rng.uniform(0.002, 0.02)
    release = np.clip((length - np.arange(length)) / (0.05 * SAMPLE_RATE), 0, 1)
    body = 1.0 if sustained else np.exp(-time / rng.uniform(0.12, 1.2))
    return np.clip(time / attack, 0, 1) * body * release


class Instrument:
    """A random timbre: strengths of the overtones, vibrato, struck or sustained."""

    def __init__(self, rng: np.random.Generator):
        count = int(rng.integers(3, 14))
        self.overtones = np.arange(1, count + 1) ** -rng.uniform(0.4, 2.2) * rng.uniform(0.2, 1, count)
        if rng.random() < 0.25:
            self.overtones[1::2] *= 0.1  # hollow, as a clarinet
        self.sustained = rng.random() < 0.5
        self.vibrato = rng.uniform(0, 0.008) if self.sustained else 0.0

    def note(self, frequency: float, length: int, rng: np.random.Generator) -> np.ndarray:
        """(N,) one note of ``frequency`` Hz."""
        time = np.arange(length) / SAMPLE_RATE
        phase = 2 * np.pi * frequency * (time + self.vibrato / 33 * np.sin(2 * np.pi * 5.3 * time))
        below = self.overtones[: max(1, int(7500 / frequency))]
        sound = sum(
            strength * np.sin((k + 1) * phase + offset)
            for (k, strength), offset in zip(enumerate(below), rng.uniform(0, 6.3, len(below)), strict=True)
        )
        return (sound * _envelope(length, rng, self.sustained)).astype(np.float32)


def _drum(kind: int, rng: np.random.Generator) -> np.ndarray:
    """(N,) bass drum, snare or cymbal."""
    time = np.arange(int((0.25, 0.18, 0.08)[kind] * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    noise = rng.standard_normal(len(time), np.float32)
    if kind == 0:
        return np.sin(2 * np.pi * (50 * time - 6 * np.exp(-time / 0.03) * 0.5)) * np.exp(-time / 0.09)
    if kind == 1:
        return (0.6 * noise + np.sin(2 * np.pi * 190 * time)) * np.exp(-time / 0.05)
    return np.diff(noise, prepend=0).astype(np.float32) * 0.4 * np.exp(-time / 0.025)


def music(length: int, rng: np.random.Generator) -> np.ndarray:
    """(N,) float32 of unit power: a random mixture of melody, chords, bass and drums at a steady pace."""
    sound = np.zeros(length + SAMPLE_RATE, np.float32)
    beat = 60 / rng.uniform(60, 150) * SAMPLE_RATE
    scale, root = _SCALES[rng.integers(len(_SCALES))], 110 * 2 ** rng.uniform(-0.5, 0.5)

    def pitch(degree: int) -> float:
        octave, index = divmod(degree, len(scale))
        return root * 2 ** (octave + scale[index] / 12)

    def add(start: float, piece: np.ndarray, level: float) -> None:
        first = int(start)
        part = piece[: len(sound) - first]
        sound[first : first + len(part)] += level * part

    parts = rng.random(4) < (0.7, 0.6, 0.5, 0.5)
    if not parts.any():
        parts[rng.integers(4)] = True
    melody, harmony, low = (Instrument(rng) for _ in range(3))
    levels = rng.uniform(0.3, 1, 4)
    degree = int(rng.integers(5, 12))
    for index, start in enumerate(np.arange(0, length, beat)):
        if parts[0]:
            pieces = int(rng.choice([1, 2, 2, 4]))
            for i in range(pieces):
                degree = int(np.clip(degree + rng.integers(-2, 3), 4, 18))
                if rng.random() < 0.85:
                    tone = melody.note(pitch(degree), int(beat / pieces * 1.1), rng)
                    add(start + i * beat / pieces, tone, levels[0])
        if parts[1] and index % 2 == 0:
            for step in _CHORDS[rng.integers(len(_CHORDS))]:
                add(start, harmony.note(pitch(step + 3), int(2 * beat), rng), 0.5 * levels[1])
        if parts[2]:
            add(start, low.note(pitch(int(rng.integers(-4, 3))), int(beat), rng), levels[2])
        if parts[3]:
            add(start, _drum(int(index % 2), rng), 1.5 * levels[3])
            add(start + beat / 2, _drum(2, rng), levels[3])
    sound = sound[:length]
    return (sound / (sound.std() + 1e-6)).astype(np.float32)
