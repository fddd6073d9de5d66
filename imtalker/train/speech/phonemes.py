"""One inventory of 40 English phonemes for every voice, and their times as soft labels per video frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from imtalker.config import FRAME_RATE

SILENCE = "sil"
VOWELS = ("iy", "ih", "eh", "ae", "aa", "ao", "ah", "uh", "uw", "er", "ey", "ay", "ow", "aw", "oy")
CONSONANTS = (
    "p", "b", "m", "f", "v", "th", "dh", "t", "d", "n", "s", "z",
    "sh", "zh", "ch", "jh", "k", "g", "ng", "l", "r", "w", "y", "hh",
)  # fmt: skip
PHONEMES = (SILENCE, *VOWELS, *CONSONANTS)
INDEX = {name: i for i, name in enumerate(PHONEMES)}
VOICELESS = frozenset((SILENCE, "p", "t", "k", "f", "th", "s", "sh", "ch", "hh"))

# Symbols of other inventories: flite and festival (radio), CMUdict.
_ARPABET = {"pau": SILENCE, "ax": "ah", "axr": "er", "ix": "ih", "dx": "d", "hv": "hh", "el": "l", "em": "m"}
_ARPABET |= {"en": "n", "ssil": SILENCE, "h#": SILENCE, "#": SILENCE, "brth": SILENCE}

_IPA = {
    "p": "p", "b": "b", "t": "t", "d": "d", "k": "k", "ɡ": "g", "g": "g", "f": "f", "v": "v", "θ": "th",
    "ð": "dh", "s": "s", "z": "z", "ʃ": "sh", "ʒ": "zh", "h": "hh", "m": "m", "n": "n", "ŋ": "ng", "l": "l",
    "ɫ": "l", "ɹ": "r", "r": "r", "w": "w", "ʍ": "w", "j": "y", "tʃ": "ch", "ʧ": "ch", "dʒ": "jh", "ʤ": "jh",
    "ɾ": "d", "T": "d", "ʔ": "t", "x": "k", "i": "iy", "ɪ": "ih", "ᵻ": "ih", "ɛ": "eh", "e": "eh", "æ": "ae",
    "a": "ae", "ɑ": "aa", "ɒ": "aa", "ɔ": "ao", "o": "ao", "ʌ": "ah", "ə": "ah", "ɐ": "ah", "ᵊ": "ah",
    "ʊ": "uh", "u": "uw", "ɜ": "er", "ɝ": "er", "ɚ": "er", "ɜɹ": "er", "ɜːɹ": "er", "eɪ": "ey", "A": "ey",
    "aɪ": "ay", "I": "ay", "oʊ": "ow", "əʊ": "ow", "O": "ow", "Q": "ow", "aʊ": "aw", "W": "aw", "ɔɪ": "oy",
    "Y": "oy",
}  # fmt: skip
_IPA_BEFORE = "ːʰʲ̩̃"  # their time belongs to the symbol before
_IPA_AFTER = "ˈˌ"  # and that of stress marks to the one after
_PAUSE = 0.1  # s; a shorter gap between words is no silence


@dataclass(frozen=True)
class Segment:
    """One phoneme of ``PHONEMES`` from ``start`` to ``end``, seconds."""

    phoneme: str
    start: float
    end: float

    @property
    def duration(self) -> float:
        return self.end - self.start


def from_arpabet(symbol: str) -> str:
    """ARPAbet symbol of any of the usual dialects, with or without stress digit, to ``PHONEMES``."""
    symbol = symbol.lower().rstrip("012")
    symbol = _ARPABET.get(symbol, symbol)
    return symbol if symbol in INDEX else SILENCE


def from_ipa(timed: Iterable[tuple[str, float, float]]) -> list[Segment]:
    """Timed IPA symbols (one or more characters each) to segments; affricates and diphthongs are joined."""
    letters: list[tuple[str, float, float]] = []
    for symbol, start, end in timed:
        width = (end - start) / max(1, len(symbol))
        letters += [(c, start + i * width, start + (i + 1) * width) for i, c in enumerate(symbol)]
    out: list[Segment] = []
    pending: float | None = None  # start of a stress mark waiting for its vowel
    i = 0
    while i < len(letters):
        letter, start, end = letters[i]
        start = start if pending is None else pending
        if letter in _IPA_AFTER:
            pending = start
            i += 1
            continue
        pending = None
        size = next((n for n in (3, 2, 1) if "".join(c for c, _, _ in letters[i : i + n]) in _IPA), 0)
        if size:
            symbol = "".join(c for c, _, _ in letters[i : i + size])
            end = letters[min(i + size, len(letters)) - 1][2]
            out.append(Segment(_IPA[symbol], start, end))
        elif out and (letter in _IPA_BEFORE or end - start < _PAUSE):
            out[-1] = Segment(out[-1].phoneme, out[-1].start, end)
        else:
            out.append(Segment(SILENCE, start, end))
        i += max(1, size)
    return merge_silences(out)


def merge_silences(segments: Sequence[Segment]) -> list[Segment]:
    """Drop empty segments and join neighbouring silences."""
    out: list[Segment] = []
    for segment in segments:
        if segment.end <= segment.start:
            continue
        if out and segment.phoneme == out[-1].phoneme == SILENCE:
            out[-1] = Segment(SILENCE, out[-1].start, segment.end)
        else:
            out.append(segment)
    return out


def frame_labels(segments: Sequence[Segment], num_frames: int, rate: float = FRAME_RATE) -> np.ndarray:
    """(T, 40) float32: the fraction of a frame that each phoneme fills; gaps are silence."""
    labels = np.zeros((num_frames, len(PHONEMES)), np.float32)
    for segment in segments:
        first = max(0, int(segment.start * rate))
        last = min(num_frames, int(np.ceil(segment.end * rate)))
        for frame in range(first, last):
            overlap = min(segment.end * rate, frame + 1) - max(segment.start * rate, frame)
            labels[frame, INDEX[segment.phoneme]] += max(0.0, overlap)
    labels[:, INDEX[SILENCE]] += np.clip(1 - labels.sum(1), 0, 1)
    return labels / labels.sum(1, keepdims=True)
