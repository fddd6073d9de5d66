"""What a large listener hears: phoneme posteriors of a corpus by Whisper, for a small encoder to learn from.

A head on the features of Whisper's encoder (Radford et al. 2022) learns the aligned phonemes of the voices that may be
trained on. Its posteriors are soft targets (Hinton et al. 2015, "Distilling the knowledge in a neural network"): they
doubt where the aligner is wrong and tell which other phonemes a sound resembles.
"""

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import SAMPLE_RATE, SAMPLES_PER_FRAME
from imtalker.errors import InputError
from imtalker.train.audio_data import AudioTrainingConfig, split_corpus, validation_sets
from imtalker.train.options import configure_logging
from imtalker.train.speech.corpus import Utterance, load_corpus
from imtalker.train.speech.phonemes import PHONEMES, SILENCE, frame_labels
from imtalker.train.whisper import whisper_package

logger = logging.getLogger(__name__)

WHISPER_DIM = 1024  # features of a video frame: two of Whisper's at 50 Hz, 512 each ("base")
_PIECE = 28 * SAMPLE_RATE  # samples at a time; Whisper takes 30 s
_CROP = 100  # frames of a training piece of the head
Features = Callable[[np.ndarray], np.ndarray]  # waveform (N,) at 16 kHz -> (T, WHISPER_DIM), T frames of 640 samples


class WhisperFeatures:
    """Speech -> (T, 1024) float16, by the optional package ``faster-whisper``; one CPU thread, 80 x real time.

    Raises
    ------
    InputError: the package is not installed, or the folder holds no model.
    """

    def __init__(self, folder: Path | str):
        files = "model.bin, config.json"
        ctranslate2 = whisper_package(folder, files, "ctranslate2")
        self.mel: Any = whisper_package(folder, files, "faster_whisper.feature_extractor").FeatureExtractor()
        self.view: Any = ctranslate2.StorageView.from_array
        self.model: Any = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=1
        )

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        frames = -(-len(waveform) // SAMPLES_PER_FRAME)
        padded = np.pad(waveform, (0, frames * SAMPLES_PER_FRAME - len(waveform))).astype(np.float32)
        parts = []
        for start in range(0, len(padded), _PIECE):
            piece = padded[start : start + _PIECE]
            # Half a second of silence behind it, as the model is used to; not the usual 30 s, which cost the most.
            mel = np.ascontiguousarray(self.mel(np.pad(piece, (0, SAMPLE_RATE // 2)))[None, :, :3000], np.float32)
            heard = np.array(self.model.encode(self.view(mel)))[0]
            parts.append(heard[: 2 * (len(piece) // SAMPLES_PER_FRAME)].astype(np.float16))
        return np.concatenate(parts).reshape(frames, WHISPER_DIM)


class TeacherHead(nn.Module):
    """Features (B, T, 1024) -> phoneme logits (B, T, 40): residual convolutions over 17 frames."""

    def __init__(self, size: int = WHISPER_DIM, width: int = 192, layers: int = 4, dropout: float = 0.2):
        super().__init__()
        self.first = nn.Sequential(nn.LayerNorm(size), nn.Dropout(dropout), nn.Linear(size, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2) for _ in range(layers))
        self.dropout, self.last = nn.Dropout(dropout), nn.Linear(width, len(PHONEMES))

    def forward(self, features: Tensor) -> Tensor:
        x = self.first(features)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            y = convolution(norm(x).transpose(1, 2)).transpose(1, 2)
            x = x + self.dropout(F.gelu(y))
        return self.last(x)


def train_head(
    features: Sequence[np.ndarray], labels: Sequence[np.ndarray], steps: int = 600, batch: int = 24, seed: int = 0
) -> TeacherHead:
    """A head that finds ``labels`` [(T, 40)] in ``features`` [(T, C)]; few steps, so that none is learned by heart."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    size = features[0].shape[1]
    head = TeacherHead(size)
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for step in range(steps):
        x = np.zeros((batch, _CROP, size), np.float32)
        y = np.zeros((batch, _CROP, len(PHONEMES)), np.float32)
        y[..., PHONEMES.index(SILENCE)] = 1
        for row in range(batch):
            i = int(rng.integers(len(features)))
            start = int(rng.integers(max(1, len(features[i]) - _CROP + 1)))
            part = features[i][start : start + _CROP]
            x[row, : len(part)], y[row, : len(part)] = part, labels[i][start : start + _CROP]
        scores = head(torch.from_numpy(x)).log_softmax(-1)
        loss = -(torch.from_numpy(y) * scores).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            logger.info("step %d loss %.3f", step + 1, float(loss.detach()))
    return head.eval()


@torch.inference_mode()
def posteriors(head: TeacherHead, features: np.ndarray) -> np.ndarray:
    """Phoneme probabilities (T, 40) float16 of features (T, C)."""
    return head(torch.from_numpy(features.astype(np.float32))[None]).softmax(-1)[0].numpy().astype(np.float16)


def save_posteriors(path: Path, heard: Sequence[np.ndarray]) -> None:
    """Write the posteriors [(T, 40)] of a corpus, in its order."""
    np.savez(path, posteriors=np.concatenate(heard), length=np.array([len(h) for h in heard]))


def with_posteriors(utterances: Sequence[Utterance], path: Path | str) -> list[Utterance]:
    """The utterances of a whole corpus, in its order, with what the teacher heard in each.

    Raises
    ------
    InputError: there is no such file, or it was made of another corpus.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist; make it with python -m imtalker.train.teacher")
    with np.load(path) as data:
        length, flat = data["length"], data["posteriors"]
    frames = [-(-len(u.waveform) // SAMPLES_PER_FRAME) for u in utterances]
    if list(length) != frames:
        raise InputError(f"{path} was made of another corpus; make it again with imtalker.train.teacher")
    parts = np.split(flat, np.cumsum(length)[:-1])
    return [replace(u, posteriors=p) for u, p in zip(utterances, parts, strict=True)]


def main(argv: list[str] | None = None) -> None:
    """Write what Whisper and a head trained on the training voices hear in every utterance of a corpus."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by imtalker.train.speech.corpus")
    parser.add_argument("--model", type=Path, required=True, help="folder of a CTranslate2 model of Whisper base")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write, outside the corpus")
    parser.add_argument("--steps", type=int, default=600, help="of the head")
    options = parser.parse_args(argv)
    configure_logging()
    listen = WhisperFeatures(options.model)
    utterances = load_corpus(options.corpus)
    heard = [listen(u.waveform) for u in utterances]
    logger.info("%d utterances heard", len(heard))
    labels = [frame_labels(u.segments, len(h)) for u, h in zip(utterances, heard, strict=True)]
    place = {id(u): i for i, u in enumerate(utterances)}
    train, kept = split_corpus(utterances, AudioTrainingConfig())
    rows = [place[id(u)] for u in train]
    head = train_head([heard[i] for i in rows], [labels[i] for i in rows], options.steps)
    found = [posteriors(head, h) for h in heard]
    for name, items in validation_sets(train, kept).items():
        right = [found[place[id(u)]].argmax(1) == labels[place[id(u)]].argmax(1) for u in items]
        logger.info("%s: %.1f %% of the phonemes", name, 100 * float(np.concatenate(right or [np.zeros(1)]).mean()))
    save_posteriors(options.out, found)
    logger.info("%s", options.out)


if __name__ == "__main__":
    main()
