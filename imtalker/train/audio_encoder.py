"""Stage 2a: train the small audio encoder as a frame-wise phoneme classifier.

Its last hidden states are the motion generator's audio condition, so the heads ask for what moves a face:
phonemes, the mouth controls with coarticulation, voicing and loudness. The heads are thrown away afterwards.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import LIP_CHANNELS, SAMPLES_PER_FRAME, SpectralEncoderConfig
from imtalker.generator.spectral_encoder import SpectralEncoder
from imtalker.generator.speech_encoder import num_video_frames
from imtalker.train.audio_data import (
    MARGIN_FRAMES,
    AudioBatches,
    AudioTrainingConfig,
    split_corpus,
    spread,
    validation_sets,
)
from imtalker.train.loop import Objective, TrainingLoop, run_stage
from imtalker.train.speech.corpus import Utterance, load_corpus
from imtalker.train.speech.phonemes import INDEX, PHONEMES, SILENCE, frame_labels
from imtalker.train.speech.visemes import LIP_CLOSING, MOUTH_CONTROLS, VISEME_GROUPS, mouth_track
from imtalker.train.teacher import with_posteriors
from imtalker.train.warm_start import warm_start
from imtalker.weights.file import save_weights

logger = logging.getLogger(__name__)

_MOUTH_WEIGHTS = [3.0 if name in ("close", "fv") else 1.0 for name in MOUTH_CONTROLS]  # contacts are short
_CLOSING = [INDEX[name] for name in sorted(LIP_CLOSING)]


class PhonemeRecogniser(nn.Module):
    """The audio encoder with linear heads: phonemes (40), mouth controls (10), voicing, loudness."""

    def __init__(self, config: SpectralEncoderConfig, dropout: float = 0.0):
        super().__init__()
        self.encoder = SpectralEncoder(config, dropout)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(config.hidden_size, len(PHONEMES) + len(MOUTH_CONTROLS) + 2)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, 4 T, bands) spectra to phoneme logits, mouth controls, (voicing logit, loudness), lips' log-odds."""
        return self.read(self.encoder(mel))

    def read(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The same from features (B, T, C)."""
        hidden, lips = features.split([self.encoder.config.hidden_size, LIP_CHANNELS], dim=-1)
        phonemes, mouth, rest = self.heads(self.dropout(hidden)).split([len(PHONEMES), len(MOUTH_CONTROLS), 2], dim=-1)
        return phonemes, mouth, rest, lips


@torch.no_grad()
def standardise(encoder: SpectralEncoder, sounds: Sequence[np.ndarray]) -> None:
    """Fit the encoder's scale of its input to spectra [(4 T, bands)] of the corpus."""
    mel = torch.from_numpy(np.concatenate([sound[::10] for sound in sounds])).float()
    encoder.mel_mean.copy_(mel.mean(0))
    encoder.mel_deviation.copy_(mel.std())


def recogniser_loss(modules: Mapping[str, nn.Module], batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
    """Cross-entropy with soft labels plus small regressions."""
    recogniser: Any = modules["recogniser"]
    phonemes, mouth, rest, lips = recogniser(batch["mel"])
    target = batch["phonemes"]
    cross = -(target * F.log_softmax(phonemes.float(), -1)).sum(-1).mean()
    articulation = ((mouth.float() - batch["mouth"]).square() * mouth.new_tensor(_MOUTH_WEIGHTS)).mean()
    voicing = F.binary_cross_entropy_with_logits(rest[..., 0].float(), batch["voicing"])
    volume = F.mse_loss(rest[..., 1].float(), batch["loudness"])
    closures = lip_loss(lips, target)
    accuracy = (phonemes.argmax(-1) == target.argmax(-1)).float().mean()
    loss = cross + 3 * articulation + 0.2 * voicing + 0.05 * volume + 0.5 * closures
    return {"loss": loss, "phonemes": cross, "mouth": articulation, "lips": closures, "accuracy": accuracy}


def lip_loss(lips: Tensor, phonemes: Tensor) -> Tensor:
    """Cross-entropy of the log-odds (B, T, 2) of closures (rare) and silence with soft phonemes (B, T, 40)."""
    target = torch.stack([phonemes[..., _CLOSING].sum(-1), phonemes[..., INDEX[SILENCE]]], dim=-1).clamp(0, 1)
    weight = 1 + target * target.new_tensor([2.0, 0.0])
    return F.binary_cross_entropy_with_logits(lips.float(), target, weight)


def groups_of_phonemes() -> np.ndarray:
    """Index of the viseme group of every phoneme, (40,)."""
    return np.array([next(g for g, names in enumerate(VISEME_GROUPS) if p in names) for p in PHONEMES])


@torch.no_grad()
def recognise(recogniser: PhonemeRecogniser, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phoneme log-probabilities (T, 40) and mouth controls (T, 10) of one waveform at 16 kHz."""
    phonemes, mouth, _, _ = recogniser.read(recogniser.encoder.encode(waveform))
    return phonemes.log_softmax(-1)[0].cpu().numpy(), mouth[0].cpu().numpy()


def frame_scores(recogniser: PhonemeRecogniser, utterances: Sequence[Utterance]) -> dict[str, float]:
    """Share of frames whose phoneme and viseme group are found; correlation of the jaw and of closures."""
    groups = groups_of_phonemes()
    found, asked, jaws, closes = [], [], [], []
    for utterance in utterances:
        frames = num_video_frames(len(utterance.waveform))
        # A little silence round it, as in use; a bare word of half a second is nothing the encoder has to know.
        padded = np.pad(utterance.waveform, MARGIN_FRAMES * SAMPLES_PER_FRAME)
        scores, mouth = (x[MARGIN_FRAMES : MARGIN_FRAMES + frames] for x in recognise(recogniser, padded))
        labels = frame_labels(utterance.segments, frames)
        track = mouth_track(utterance.segments, frames)
        found.append(scores.argmax(1))
        asked.append(labels.argmax(1))
        jaws.append(np.stack([mouth[:, MOUTH_CONTROLS.index("jaw")], track["jaw"]]))
        closes.append(np.stack([mouth[:, MOUTH_CONTROLS.index("close")], track["close"]]))
    f, a = np.concatenate(found), np.concatenate(asked)
    return {
        "phonemes": float((f == a).mean()),
        "visemes": float((groups[f] == groups[a]).mean()),
        "jaw_correlation": float(np.corrcoef(np.concatenate(jaws, 1))[0, 1]),
        "closure_correlation": float(np.corrcoef(np.concatenate(closes, 1))[0, 1]),
    }


def build_loop(config: AudioTrainingConfig, out: Path, cpu: bool = False) -> TrainingLoop:
    """The recogniser, its data and its validation, ready to run."""
    corpus = load_corpus(config.corpus)
    if config.teacher is not None:
        corpus = with_posteriors(corpus, config.teacher)
    train, kept = split_corpus(corpus, config)
    sets = validation_sets(train, kept)

    def validate(modules: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        recogniser: Any = modules["recogniser"]
        numbers: dict[str, float] = {}
        for name, utterances in sets.items():
            for key, value in (frame_scores(recogniser, spread(utterances, 30)) if utterances else {}).items():
                numbers[f"{name}_{key}"] = value
        return numbers

    torch.manual_seed(config.loop.seed)
    recogniser = PhonemeRecogniser(config.encoder, config.dropout)
    batches = AudioBatches(train, config)
    standardise(recogniser.encoder, [sound.mel for sound in batches.sounds])
    if config.start_from is not None:
        warm_start(recogniser.encoder, config.start_from)
    objective = Objective("audio", ("recogniser",), recogniser_loss)
    return TrainingLoop(config.loop, out, {"recogniser": recogniser}, [objective], batches, validate, cpu=cpu)


def train_audio(config: AudioTrainingConfig, out: Path | str, resume: bool = False) -> dict[str, float]:
    """Train and write ``audio_encoder.safetensors`` (EMA weights, half precision) into ``out``.

    Raises
    ------
    InputError: the corpus is missing, or there is nothing to resume.
    """
    out = Path(out)
    loop = build_loop(config, out)
    return run_stage(loop, resume, lambda: export(loop, config, out))


def export(loop: TrainingLoop, config: AudioTrainingConfig, out: Path) -> None:
    """Write the encoder of the EMA recogniser in the preset format."""
    recogniser: Any = loop.ema["recogniser"]
    path = out / "audio_encoder.safetensors"
    save_weights(recogniser.encoder, config.encoder, path, dtype=torch.float16, step=str(loop.step))
