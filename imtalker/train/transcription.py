"""Transcripts for recordings without text: Whisper, from a folder that holds a CTranslate2 model of it."""

import argparse
import csv
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from imtalker.media.audio import load_waveform
from imtalker.train.options import configure_logging
from imtalker.train.speech.corpus import TABLE_NAME, read_table
from imtalker.train.whisper import whisper_package

logger = logging.getLogger(__name__)


class Transcriber:
    """English speech -> words, by the optional package ``faster-whisper``; one CPU thread.

    Raises
    ------
    InputError: the package is not installed, or the folder holds no model.
    """

    def __init__(self, folder: Path | str):
        package = whisper_package(folder, "model.bin, config.json, tokenizer.json")
        self.model: Any = package.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
        tokens = self.model.hf_tokenizer
        # Numbers as words, which the aligner can look up.
        self.suppressed = [-1, *(i for i in range(50257) if any(c in "0123456789%$£&" for c in tokens.decode([i])))]

    def __call__(self, waveform: np.ndarray) -> str:
        """Words spoken in ``waveform`` (N,) float32 at 16 kHz."""
        segments, _ = self.model.transcribe(
            waveform,
            language="en",
            beam_size=3,
            suppress_tokens=self.suppressed,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments)


def transcribed(folder: Path, transcribe: Transcriber) -> Iterator[dict[str, str]]:
    """Rows of the folder's table with their text; rows that have one keep it."""
    for row in read_table(folder / TABLE_NAME):
        text = row["text"] or transcribe(load_waveform(folder / row["file"]))
        logger.info("%s: %s", row["file"], text)
        yield {**row, "text": text}


def main(argv: list[str] | None = None) -> None:
    """Write a table of recordings again with the words of those that had none."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help=f"recordings with {TABLE_NAME}")
    parser.add_argument("--model", type=Path, required=True, help="folder of a CTranslate2 Whisper model")
    parser.add_argument("--out", type=Path, required=True, help="the new table")
    options = parser.parse_args(argv)
    configure_logging()
    rows = list(transcribed(options.folder, Transcriber(options.model)))
    with open(options.out, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
