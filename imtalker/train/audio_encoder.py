"""Stage 2a: train the small audio encoder as a frame-wise phoneme classifier.

Its last hidden states are the motion generator's audio condition, so the heads ask for what moves a face:
phonemes, the mouth controls with coarticulation, voicing and loudness. The heads are thrown away afterwards.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import SAMPLE_RATE, SAMPLES_PER_FRAME, AudioEncoderConfig
from imtalker.generator.audio_encoder import AudioEncoder, num_video_frames
from imtalker.train.audio_data import (
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
MARGIN_FRAMES = 12  # of silence round an utterance that is scored


class PhonemeRecogniser(nn.Module):
    """The audio encoder with linear heads: phonemes (40), mouth controls (10), voicing, loudness."""

    def __init__(self, config: AudioEncoderConfig, dropout: float = 0.0):
        super().__init__()
        self.encoder = AudioEncoder(config)
        for module in self.encoder.wav2vec2.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(config.hidden_size, len(PHONEMES) + len(MOUTH_CONTROLS) + 2)
        initialise_filters(self.encoder)

    def forward(self, waveform: Tensor, heads_only: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """(B, T * 640) normalised speech to phoneme logits, mouth controls, (voicing logit, loudness), lips.

        ``heads_only``: the encoder does not learn, but its network that hears the lips does.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not heads_only):
            features = self.encoder.contextual(waveform, waveform.shape[1] // SAMPLES_PER_FRAME)
        sizes = [len(PHONEMES), len(MOUTH_CONTROLS), 2]
        phonemes, mouth, rest = self.heads(self.dropout(features)).split(sizes, dim=-1)
        lips = self.encoder.lips
        return phonemes, mouth, rest, None if lips is None else self.encoder.hear_lips(lips, waveform, features)


@torch.no_grad()
def initialise_filters(encoder: AudioEncoder) -> None:
    """Start the first convolution from windowed sinusoids, mel-spaced, each in four phases.

    Their rectified sum is a spectrogram, so that a small corpus suffices; training moves them freely.
    """
    first: Any = encoder.wav2vec2.feature_extractor.conv_layers[0]
    weight: Tensor = first.conv.weight
    channels, _, size = weight.shape
    bands = channels // 4
    if size < 128 or bands < 8:
        return
    mel = np.linspace(2595 * np.log10(1 + 80 / 700), 2595 * np.log10(1 + 7600 / 700), bands)
    frequency = 700 * (10 ** (mel / 2595) - 1)
    time = (np.arange(size) - (size - 1) / 2) / SAMPLE_RATE
    phase = np.arange(4) * np.pi / 2
    wave = np.cos(2 * np.pi * frequency[:, None, None] * time + phase[:, None]) * np.hanning(size)
    wave /= np.sqrt((wave**2).sum(-1, keepdims=True))
    weight[: 4 * bands, 0] = torch.from_numpy(wave.reshape(4 * bands, size)).to(weight)


def recogniser_loss(
    modules: Mapping[str, nn.Module], batch: dict[str, Tensor], step: int, head_steps: int = 0
) -> dict[str, Tensor]:
    """Cross-entropy with soft labels plus small regressions; before ``head_steps`` the encoder does not learn."""
    recogniser: Any = modules["recogniser"]
    phonemes, mouth, rest, lips = recogniser(batch["waveform"], step < head_steps)
    target = batch["phonemes"]
    cross = -(target * F.log_softmax(phonemes.float(), -1)).sum(-1).mean()
    articulation = ((mouth.float() - batch["mouth"]).square() * mouth.new_tensor(_MOUTH_WEIGHTS)).mean()
    voicing = F.binary_cross_entropy_with_logits(rest[..., 0].float(), batch["voicing"])
    loudness = F.mse_loss(rest[..., 1].float(), batch["loudness"])
    accuracy = (phonemes.argmax(-1) == target.argmax(-1)).float().mean()
    loss = cross + 10 * articulation + 0.2 * voicing + 0.05 * loudness
    terms = {"phonemes": cross, "mouth": articulation, "accuracy": accuracy}
    if lips is not None:
        terms["lips"] = lip_loss(lips, target)
        loss = loss + terms["lips"]
    return {"loss": loss, **terms}


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
    features = recogniser.encoder.encode(waveform)[..., : recogniser.encoder.config.hidden_size]
    phonemes, mouth, _ = recogniser.heads(features).split([len(PHONEMES), len(MOUTH_CONTROLS), 2], dim=-1)
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
    if config.start_from is not None:
        warm_start(recogniser.encoder, config.start_from)
    modules = {"recogniser": recogniser}
    objective = Objective("audio", ("recogniser",), partial(recogniser_loss, head_steps=config.head_steps))
    return TrainingLoop(config.loop, out, modules, [objective], AudioBatches(train, config), validate, cpu=cpu)


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
