"""A folder of speech with phoneme times: one ``.npz`` per voice, synthetic or recorded."""

import argparse
import csv
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.media.audio import load_waveform
from imtalker.train.speech.alignment import AlignmentError, align
from imtalker.train.speech.phonemes import INDEX, PHONEMES, SILENCE, Segment
from imtalker.train.speech.sentences import sentence
from imtalker.train.speech.voices import ALL_VOICES, Speech, hash_of, pronounce, speak

logger = logging.getLogger(__name__)

TABLE_NAME = "metadata.tsv"  # of recordings: file, speaker, text, separated by tabs


@dataclass(frozen=True)
class Utterance:
    """One utterance: waveform (N,) float32 mono 16 kHz, its phonemes with times, who said what."""

    waveform: np.ndarray
    segments: tuple[Segment, ...]
    text: str
    voice: str
    posteriors: np.ndarray | None = None  # (T, 40) what a teacher heard in each video frame; not stored with it

    @property
    def duration(self) -> float:
        return len(self.waveform) / SAMPLE_RATE


def to_sample_rate(waveform: np.ndarray, rate: int) -> np.ndarray:
    """(N,) at ``rate`` Hz to float32 at 16 kHz."""
    if rate == SAMPLE_RATE:
        return waveform.astype(np.float32)
    common = gcd(rate, SAMPLE_RATE)
    return resample_poly(waveform, SAMPLE_RATE // common, rate // common).astype(np.float32)


def save_utterances(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write utterances of one voice to one compressed file."""
    items = list(utterances)
    waveforms = [np.round(np.clip(u.waveform, -1, 1) * 32767).astype(np.int16) for u in items]
    rows = [(i, INDEX[s.phoneme], s.start, s.end) for i, u in enumerate(items) for s in u.segments]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        waveform=np.concatenate(waveforms),
        length=np.array([len(w) for w in waveforms]),
        segments=np.array(rows, np.float64),
        text=np.array([u.text for u in items]),
        voice=np.array([u.voice for u in items]),
    )


def load_utterances(path: Path) -> list[Utterance]:
    """Read a file written by :func:`save_utterances`."""
    with np.load(path) as data:
        ends = np.cumsum(data["length"])
        flat, rows = data["waveform"], data["segments"]
        texts, voices = data["text"], data["voice"]
    out = []
    for i, end in enumerate(ends):
        start = 0 if i == 0 else ends[i - 1]
        own = rows[rows[:, 0] == i]
        segments = tuple(Segment(PHONEMES[int(p)], float(a), float(b)) for _, p, a, b in own)
        waveform = flat[start:end].astype(np.float32) / 32767
        out.append(Utterance(waveform, segments, str(texts[i]), str(voices[i])))
    return out


def load_corpus(folder: Path | str) -> list[Utterance]:
    """Every utterance under ``folder``, in the order of the file names.

    Raises
    ------
    InputError: the folder holds no corpus.
    """
    files = sorted(Path(folder).glob("*.npz"))
    if not files:
        raise InputError(f"no speech corpus in {folder}; make one with python -m imtalker.train.speech.corpus")
    return [u for path in files for u in load_utterances(path)]


def synthesize(voice: str, count: int, seed: int) -> Iterator[Utterance]:
    """``count`` random sentences read by ``voice`` at varying pace; those that cannot be aligned are left out."""
    rng = np.random.default_rng((seed, hash_of(voice)))
    for _ in range(count):
        text = sentence(rng)
        try:
            speech: Speech = speak(text, voice, float(rng.uniform(0.85, 1.25)))
        except AlignmentError as error:
            logger.warning("left out: %s", error)
            continue
        waveform = to_sample_rate(speech[0], speech[1])
        yield Utterance(waveform, tuple(speech[2]), text, voice)


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated table of recordings with the columns file, speaker and text.

    Raises
    ------
    InputError: there is no such file, or a column is missing.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a tab-separated table with the columns file, speaker, text")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    missing = {"file", "speaker", "text"} - set(rows[0] if rows else ())
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(sorted(missing))}")
    return rows


def plausible(segments: Sequence[Segment]) -> bool:
    """Whether an alignment can be right: a wrong text shows in phonemes squeezed or stretched to fit."""
    lengths = np.array([s.duration for s in segments if s.phoneme != SILENCE])
    return bool(len(lengths) and lengths.max() < 0.7 and 0.05 < lengths.mean() < 0.2)


def recordings(folder: Path, name: str, table: Path | None = None) -> Iterator[Utterance]:
    """Align every row of a table, by default ``metadata.tsv``, with its file; voices are "name:speaker"."""
    for row in read_table(table or folder / TABLE_NAME):
        if not row["text"]:
            continue
        try:
            waveform = load_waveform(folder / row["file"])
            segments = align(waveform, row["text"], pronounce)
        except InputError as error:
            logger.warning("left out %s: %s", row["file"], error)
            continue
        if not plausible(segments):
            logger.warning("left out %s: the alignment is not plausible; check the text", row["file"])
            continue
        yield Utterance(waveform, tuple(segments), row["text"], f"{name}:{row['speaker']}")


def main(argv: list[str] | None = None) -> None:
    """Make one part of a corpus."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--voices", nargs="*", default=[], help=f"engine:voice, such as {', '.join(ALL_VOICES[:6])}")
    parser.add_argument("--count", type=int, default=100, help="sentences per voice")
    parser.add_argument("--recordings", type=Path, help=f"folder with {TABLE_NAME} and sound files")
    parser.add_argument("--table", type=Path, help="another table of the recordings' texts")
    parser.add_argument("--name", default="recordings", help="voice name of the recordings")
    parser.add_argument("--seed", type=int, default=25)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for voice in options.voices:
        path = options.out / f"{voice.replace(':', '_').replace('/', '_')}.npz"
        save_utterances(path, synthesize(voice, options.count, options.seed))
        logger.info("%s", path)
    if options.recordings is not None:
        path = options.out / f"{options.name}.npz"
        save_utterances(path, recordings(options.recordings, options.name, options.table))
        logger.info("%s", path)


if __name__ == "__main__":
    main()
