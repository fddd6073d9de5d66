"""What an audio encoder hears of speakers it never met: clean, over the telephone, with babble or music beneath.

The heads of training are thrown away; here the same linear read-out is fitted to the features of any encoder, so
that two encoders are compared alike.
"""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.signal import butter, sosfilt
from torch import Tensor, nn

from imtalker.config import SAMPLE_RATE
from imtalker.generator.speech_encoder import SpeechEncoder, num_video_frames
from imtalker.train.audio_data import AudioTrainingConfig, split_corpus, spread, validation_sets
from imtalker.train.audio_encoder import groups_of_phonemes
from imtalker.train.music import music
from imtalker.train.options import configure_logging
from imtalker.train.speech.augmentation import augment
from imtalker.train.speech.corpus import Utterance, load_corpus
from imtalker.train.speech.phonemes import PHONEMES, frame_labels
from imtalker.weights.audio_encoder import load_audio_encoder

logger = logging.getLogger(__name__)

Disturb = Callable[[np.ndarray, Sequence[Utterance], np.random.Generator], np.ndarray]


def _clean(waveform: np.ndarray, others: Sequence[Utterance], rng: np.random.Generator) -> np.ndarray:
    return waveform


def _telephone(waveform: np.ndarray, others: Sequence[Utterance], rng: np.random.Generator) -> np.ndarray:
    """300 to 3400 Hz."""
    return np.asarray(sosfilt(butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE, output="sos"), waveform), np.float32)


def _babble(waveform: np.ndarray, others: Sequence[Utterance], rng: np.random.Generator) -> np.ndarray:
    """Five other voices 10 dB below."""
    picked = [others[i].waveform for i in rng.integers(len(others), size=5)]
    sound = sum(np.resize(x, len(waveform)) / (x.std() + 1e-4) for x in picked)
    return waveform + waveform.std() * 10 ** (-10 / 20) * sound / (np.std(sound) + 1e-6)


def _music(waveform: np.ndarray, others: Sequence[Utterance], rng: np.random.Generator) -> np.ndarray:
    """Music 10 dB below."""
    return waveform + waveform.std() * 10 ** (-10 / 20) * music(len(waveform), rng)


CONDITIONS: dict[str, Disturb] = {"clean": _clean, "telephone": _telephone, "babble": _babble, "music": _music}


def _features(encoder: SpeechEncoder, waveform: np.ndarray) -> Tensor:
    with torch.inference_mode():
        return encoder.encode(waveform.astype(np.float32))[0, :, : encoder.config.hidden_size].float().clone()


def fit_phonemes(encoder: SpeechEncoder, utterances: Sequence[Utterance], steps: int = 1500) -> nn.Linear:
    """A linear classifier of phonemes on the encoder's features of ``utterances``, half of them augmented.

    Fitted to few utterances it learns these by heart, and tells less than the features do.
    """
    rng = np.random.default_rng(0)
    heard = [augment(u.waveform, rng, 0.7) if i % 2 else u.waveform for i, u in enumerate(utterances)]
    features = torch.cat([_features(encoder, waveform) for waveform in heard])
    labels = [frame_labels(u.segments, num_video_frames(len(u.waveform))) for u in utterances]
    target = torch.from_numpy(np.concatenate(labels)).float()
    torch.manual_seed(0)
    head = nn.Linear(features.shape[1], len(PHONEMES))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(features), (4096,))
        loss = -(target[rows] * F.log_softmax(head(features[rows]), -1)).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head


def score(
    encoder: SpeechEncoder,
    head: nn.Linear,
    utterances: Sequence[Utterance],
    others: Sequence[Utterance],
    disturb: Disturb,
) -> tuple[float, float]:
    """Shares of frames whose phoneme, and whose viseme group, is found."""
    groups, rng = groups_of_phonemes(), np.random.default_rng(1)
    membership = F.one_hot(torch.from_numpy(groups)).float()
    phonemes, visemes, asked = [], [], []
    for utterance in utterances:
        features = _features(encoder, disturb(utterance.waveform, others, rng))
        with torch.inference_mode():
            chances = head(features).softmax(-1)
            phonemes.append(chances.argmax(-1).numpy())
            visemes.append((chances @ membership).argmax(-1).numpy())  # a group may win that no one phoneme leads
        asked.append(frame_labels(utterance.segments, len(features)).argmax(1))
    truth = np.concatenate(asked)
    found, group = np.concatenate(phonemes), np.concatenate(visemes)
    return float((found == truth).mean()), float((group == groups[truth]).mean())


def main(argv: list[str] | None = None) -> None:
    """Frame accuracy of audio encoders on kept-out speech: 40 phonemes / 8 viseme groups, per cent."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by imtalker.train.speech.corpus")
    parser.add_argument("--encoders", type=Path, nargs="+", required=True, help="audio_encoder.safetensors files")
    parser.add_argument("--fit", type=int, help="training utterances for the read-out; by default all")
    parser.add_argument("--count", type=int, default=60, help="kept-out utterances of each kind")
    options = parser.parse_args(argv)
    configure_logging()
    train, kept = split_corpus(load_corpus(options.corpus), AudioTrainingConfig())
    sets = {name: spread(items, options.count) for name, items in validation_sets(train, kept).items() if items}
    for path in options.encoders:
        encoder, _, _ = load_audio_encoder(path)
        head = fit_phonemes(encoder, spread(train, options.fit or len(train)))
        for kind, utterances in sets.items():
            for name, disturb in CONDITIONS.items() if kind == "unheard" else [("clean", _clean)]:
                phonemes, visemes = score(encoder, head, utterances, train, disturb)
                logger.info("%s %s %s: %.1f / %.1f", path, kind, name, 100 * phonemes, 100 * visemes)


if __name__ == "__main__":
    main()
