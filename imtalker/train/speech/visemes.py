"""Phonemes -> mouth controls of the puppet at 25 fps, with coarticulation (dominance functions).

After Cohen and Massaro (1993): every segment pulls the mouth towards its target with a dominance that falls
off around it, so that lips round before the rounded vowel is heard. Closures (m b p) and lip-teeth contacts
(f v) are separate pulses, because they must be reached, whatever the neighbours want.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imtalker.config import FRAME_RATE
from imtalker.train.puppet.controls import MOUTH_NAMES, VISEME_TARGETS
from imtalker.train.speech.phonemes import SILENCE, Segment, merge_silences

# viseme class: (dominance, reach in seconds)
_DOMINANCE: dict[str, tuple[float, float]] = {
    "sil": (1.2, 0.10), "PAUSE": (0.8, 0.10),
    "PBM": (1.6, 0.06), "FV": (1.5, 0.06), "TH": (1.0, 0.06), "TD": (0.6, 0.06),
    "L": (0.7, 0.06), "SZ": (1.2, 0.06), "SH": (1.2, 0.09), "KG": (0.5, 0.06), "R": (0.9, 0.09),
    "W": (1.4, 0.12),
    "HH": (0.25, 0.06), "Y": (0.7, 0.08), "AA": (1.1, 0.11), "AE": (1.1, 0.11), "AH": (0.9, 0.10),
    "AO": (1.1, 0.12), "EH": (1.0, 0.10), "ER": (0.9, 0.10), "IH": (0.9, 0.09), "IY": (1.1, 0.11),
    "OW": (1.2, 0.13), "UH": (1.0, 0.11), "UW": (1.3, 0.13),
}  # fmt: skip

# phoneme: its viseme classes in order (diphthongs move from one to the next)
VISEMES: dict[str, tuple[str, ...]] = {
    "sil": ("sil",), "p": ("PBM",), "b": ("PBM",), "m": ("PBM",), "f": ("FV",), "v": ("FV",), "th": ("TH",),
    "dh": ("TH",), "t": ("TD",), "d": ("TD",), "n": ("TD",), "s": ("SZ",), "z": ("SZ",), "sh": ("SH",),
    "zh": ("SH",), "ch": ("SH",), "jh": ("SH",), "k": ("KG",), "g": ("KG",), "ng": ("KG",), "l": ("L",),
    "r": ("R",), "w": ("W",), "y": ("Y",), "hh": ("HH",), "aa": ("AA",), "ae": ("AE",), "ah": ("AH",),
    "ao": ("AO",), "eh": ("EH",), "er": ("ER",), "ih": ("IH",), "iy": ("IY",), "ow": ("OW",), "uh": ("UH",),
    "uw": ("UW",), "aw": ("AA", "UW"), "ay": ("AA", "IY"), "ey": ("EH", "IY"), "oy": ("AO", "IY"),
}  # fmt: skip
LIP_CLOSING = frozenset(("p", "b", "m"))
LIP_TEETH = frozenset(("f", "v"))

# coarse groups for scoring what a viewer sees
VISEME_GROUPS: tuple[tuple[str, ...], ...] = (
    ("sil",),
    ("p", "b", "m"),
    ("f", "v"),
    ("th", "dh", "t", "d", "n", "l", "s", "z", "k", "g", "ng", "hh", "y"),
    ("sh", "zh", "ch", "jh", "r", "er"),
    ("uw", "w", "ow", "uh", "ao", "oy"),
    ("aa", "ae", "ay", "aw", "ah", "eh", "ey"),
    ("ih", "iy"),
)

MOUTH_CONTROLS = (*MOUTH_NAMES, "close", "press", "fv")
_LEAD = 0.015  # s by which lips are ahead of the sound
_RAMP = 0.045  # s to close or open the lips for a consonant
# In pauses of speech lips do not come to rest at once (five real clips): in short ones they go on to the next phoneme,
# else they stand parted, some 6 mm, for a while after speech and before it, and only between these they meet.
SHORT_PAUSE, HOLD, BREATH = 0.18, 0.45, 0.3  # s
LONG_PAUSE = HOLD + BREATH  # s


@dataclass(frozen=True)
class _Pull:
    viseme: str
    start: float
    end: float
    dominance: float


def _without_gaps(segments: Sequence[Segment], seconds: float) -> list[Segment]:
    """The same speech, all that is no phoneme being one silence each, from 0 to its end or ``seconds``."""
    out, last = [], 0.0
    for segment in sorted(segments, key=lambda s: s.start):
        out += [Segment(SILENCE, last, segment.start), segment]
        last = max(last, segment.end)
    return merge_silences([*out, Segment(SILENCE, last, seconds)])


def _pulls(segments: Sequence[Segment]) -> list[_Pull]:
    out = []
    for i, segment in enumerate(segments):
        if segment.phoneme == SILENCE:
            out += _silent_pulls(segment, after=i > 0, before=i < len(segments) - 1)
            continue
        classes = VISEMES[segment.phoneme]
        middle = segment.start + 0.55 * segment.duration
        times = (segment.start, segment.end) if len(classes) == 1 else (segment.start, middle, segment.end)
        for name, start, end in zip(classes, times[:-1], times[1:], strict=True):
            out.append(_Pull(name, start - _LEAD, end - _LEAD, _DOMINANCE[name][0]))
    return out


def _silent_pulls(silence: Segment, after: bool, before: bool) -> list[_Pull]:
    """Of a silence with speech ``after`` which or ``before`` which it is: parted, at rest, parted."""
    if after and before and silence.duration <= SHORT_PAUSE:
        return []
    start, end = silence.start - _LEAD, silence.end - _LEAD
    shut = min(start + HOLD * after, end)
    parting = max(end - BREATH * before, shut)
    parts = (("PAUSE", start, shut), ("sil", shut, parting), ("PAUSE", parting, end))
    return [_Pull(name, a, b, _DOMINANCE[name][0]) for name, a, b in parts if b > a]


def pulse(segments: Sequence[Segment], phonemes: frozenset[str], time: np.ndarray) -> np.ndarray:
    """1 during each of the phonemes, ramps beside it; at least the frame nearest its middle is fully 1."""
    pulse = np.zeros(len(time))
    for segment in segments:
        if segment.phoneme not in phonemes or not len(time):
            continue
        start, end = segment.start - _LEAD + 0.01, segment.end - _LEAD - 0.01
        distance = np.maximum(np.maximum(start - time, time - end), 0)
        pulse = np.maximum(pulse, np.clip(1.3 - distance / _RAMP, 0, 1))
        middle = 0.5 * (segment.start + segment.end) - _LEAD
        if time[0] - 0.02 <= middle <= time[-1] + 0.02:
            pulse[np.argmin(np.abs(time - middle))] = 1
    return pulse


def dominances(segments: Sequence[Segment], time: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(T, names) how far each viseme rules the mouth at ``time`` (T,) s; of every moment the shares add up to 1."""
    pulls = _pulls(_without_gaps(segments, float(time[-1] if len(time) else 0.0) + 0.5 / FRAME_RATE))
    start = np.array([p.start for p in pulls])[:, None]
    end = np.array([p.end for p in pulls])[:, None]
    dominance = np.array([p.dominance for p in pulls])[:, None]
    reach = np.array([_DOMINANCE[p.viseme][1] for p in pulls])[:, None]
    first = start + np.minimum(0.25 * (end - start), 0.08)  # a silence holds the mouth nearly from end to end
    last = end - np.minimum(0.35 * (end - start), 0.1)
    distance = np.maximum(np.maximum(first - time, time - last), 0)
    weight = dominance * np.exp(-((distance / (0.42 * reach)) ** 1.5))
    shares = np.zeros((len(time), len(names)))
    np.add.at(shares.T, [names.index(p.viseme) for p in pulls], weight / np.maximum(weight.sum(0), 1e-12))
    return shares


def mouth_track(segments: Sequence[Segment], num_frames: int, amplitude: float = 1.0) -> dict[str, np.ndarray]:
    """Mouth controls ``MOUTH_CONTROLS``, each (T,), for phonemes with times in seconds.

    ``amplitude`` scales the openings (0.6 mumbling, 1.3 clear speech); closures stay exact.
    """
    time = (np.arange(num_frames) + 0.5) / FRAME_RATE
    targets = np.array([np.zeros(len(MOUTH_NAMES)) if n == "sil" else t for n, t in VISEME_TARGETS.items()])
    values = dominances(segments, time, tuple(VISEME_TARGETS)) @ targets
    values[:, :6] *= amplitude  # the tongue keeps its place
    track = {name: values[:, i] for i, name in enumerate(MOUTH_NAMES)}
    close = pulse(segments, LIP_CLOSING, time)
    track["close"], track["press"] = close, 0.45 * close
    track["fv"] = pulse(segments, LIP_TEETH, time) * (1 - close)
    for name in ("ulr", "lld", "funnel"):
        track[name] = track[name] * (1 - 0.8 * close)
    return track
