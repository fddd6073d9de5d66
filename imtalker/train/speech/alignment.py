"""When which phoneme is spoken in a recording with known words: forced alignment by pocketsphinx."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.train.speech.phonemes import SILENCE, Segment, from_arpabet, merge_silences

_FRAME = 0.01  # s, the aligner's step


class AlignmentError(InputError):
    """The words do not fit the sound."""


@cache
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=SAMPLE_RATE, bestpath=False, lm=None, loglevel="FATAL")


def align(waveform: np.ndarray, text: str, pronounce: Callable[[str], list[str]] | None = None) -> list[Segment]:
    """Phonemes of ``text`` with their times in ``waveform`` (N,) float32 at 16 kHz.

    ``pronounce`` gives ARPAbet symbols for a word that the dictionary lacks.

    Raises
    ------
    AlignmentError: the words do not fit the sound.
    InputError: a word has no pronunciation.
    """
    decoder = _decoder()
    words = re.findall(r"[a-z']+", text.lower())
    for word in words:
        if decoder.lookup_word(word) is None:
            if pronounce is None:
                raise InputError(f"{word!r} is not in the aligner's dictionary; pass pronounce")
            decoder.add_word(word, " ".join(p.upper() for p in pronounce(word)), True)
    peak = max(float(np.abs(waveform).max(initial=0.0)), 1e-4)
    data = np.round(waveform / peak * 20000).astype(np.int16).tobytes()
    decoder.set_align_text(" ".join(words))
    for second_pass in (False, True):
        if second_pass:
            decoder.set_alignment()
        decoder.start_utt()
        decoder.process_raw(data, full_utt=True)
        decoder.end_utt()
        if not second_pass and decoder.hyp() is None:
            raise AlignmentError(f"the words {text[:40]!r} do not fit the recording; check its transcript")
    segments = []
    for word in decoder.get_alignment():
        for phone in word:
            start, end = phone.start * _FRAME, (phone.start + phone.duration) * _FRAME
            name = SILENCE if phone.name in ("SIL", "+NSN+", "+SPN+") else from_arpabet(phone.name)
            segments.append(Segment(name, start, end))
    return merge_silences(segments)
