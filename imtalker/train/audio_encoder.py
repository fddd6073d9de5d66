"""Stage 2a: train the small audio encoder as a frame-wise phoneme classifier.

Its last hidden states are the motion generator's audio condition, so the heads ask for what moves a face:
phonemes, the mouth controls with coarticulation, voicing and loudness. The heads are thrown away afterwards.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME, AudioEncoderConfig
from imtalker.generator.audio_encoder import AudioEncoder, num_video_frames
from imtalker.train.loop import LoopConfig, Objective, TrainingLoop, run_stage
from imtalker.train.music import music
from imtalker.train.speech.augmentation import augment, change_speed, colored_noise, mask
from imtalker.train.speech.corpus import Utterance, load_corpus
from imtalker.train.speech.phonemes import INDEX, PHONEMES, SILENCE, VOICELESS, Segment, frame_labels
from imtalker.train.speech.teacher import with_posteriors
from imtalker.train.speech.visemes import MOUTH_CONTROLS, VISEME_GROUPS, mouth_track
from imtalker.weights.file import load_weights, save_weights
from imtalker.weights.presets import TINY_AUDIO

logger = logging.getLogger(__name__)

_MOUTH_WEIGHTS = [3.0 if name in ("close", "fv") else 1.0 for name in MOUTH_CONTROLS]  # contacts are short
MARGIN_FRAMES = 12  # of silence round an utterance that is scored


# Every fifth of the 251 readers of LibriSpeech train-clean-100, by name: written out, since a rule that counts would
# move on with every recording that cannot be aligned.
READERS_KEPT_OUT = (
    "103 1088 1235 1355 1502 163 1867 1963 2002 2136 2289 2416 2518 2764 2893 2989 3168 3240 3374 3607 3807 "
    "3947 4018 412 426 4397 446 4680 4853 5104 5390 5561 5750 587 6078 625 6437 6563 6880 7078 7226 7312 7511 "
    "78 8063 8123 8312 8465 8630 8838 911"
).split()


@dataclass(frozen=True)
class AudioTrainingConfig:
    """Stage 2a."""

    corpus: str = "speech"  # folder made by speech_corpus
    encoder: AudioEncoderConfig = TINY_AUDIO
    start_from: str | None = None  # audio_encoder.safetensors to begin with
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=2500, learning_rate=1e-3, warmup_steps=100, weight_decay=0.01)
    )
    batch_size: int = 16
    seconds: tuple[float, float] = (2.0, 6.0)  # range of the length of training pieces
    head_steps: int = 0  # first steps that train the heads alone: for an encoder that starts from trained weights
    # voices never trained on
    holdout_voices: tuple[str, ...] = (
        "flite:rms", "librivox:1", "libri3:27", "libri251:27", "digits:theo", "digits:nicolas",
        *(f"libri251:{reader}" for reader in READERS_KEPT_OUT),
    )  # fmt: skip
    holdout_every: int = 20  # every 20th utterance of each voice is kept out too
    # share of the batches by the beginning of the voice's name; others split what is left
    shares: tuple[tuple[str, float], ...] = (
        ("libri251", 0.28),
        ("libri3", 0.18),
        ("lj", 0.08),
        ("callie", 0.07),
        ("allison", 0.10),
        ("digits", 0.02),
        ("hibari", 0.07),
        ("piper", 0.07),
        ("espeak", 0.05),
        ("festival", 0.04),
        ("flite", 0.04),
    )
    babble: float = 0.15  # share of the pieces with other voices beneath
    music: float = 0.15  # with music beneath
    no_speech: float = 0.08  # pieces of music or noise alone: the mouth rests
    augmentation: float = 1.0  # strength, 0..1
    masks: int = 0  # pieces of time, and bands of frequency, that are taken out of the sound at most
    dropout: float = 0.0  # inside the encoder and before the heads
    teacher: str | None = None  # posteriors made by imtalker.train.speech.teacher
    teacher_weight: float = 0.7  # of the teacher's posteriors against the aligned phonemes, 0..1


def is_real(voice: str) -> bool:
    """Whether a voice is recorded connected speech."""
    return voice.startswith(("lj", "libri", "callie", "allison"))


class PhonemeRecogniser(nn.Module):
    """The audio encoder with linear heads: phonemes (40), mouth controls (10), voicing, loudness."""

    def __init__(self, config: AudioEncoderConfig, dropout: float = 0.0):
        super().__init__()
        self.encoder = AudioEncoder(config)
        for module in self.encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(config.hidden_size, len(PHONEMES) + len(MOUTH_CONTROLS) + 2)
        initialise_filters(self.encoder)

    def forward(self, waveform: Tensor, heads_only: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T * 640) normalised speech to phoneme logits, mouth controls, (voicing logit, loudness)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not heads_only):
            features = self.encoder(waveform, waveform.shape[1] // SAMPLES_PER_FRAME)
        sizes = [len(PHONEMES), len(MOUTH_CONTROLS), 2]
        phonemes, mouth, rest = self.heads(self.dropout(features)).split(sizes, dim=-1)
        return phonemes, mouth, rest


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


def split_corpus(
    utterances: Sequence[Utterance], config: AudioTrainingConfig
) -> tuple[list[Utterance], list[Utterance]]:
    """(training, kept out): whole voices and every n-th utterance of the others are kept out."""
    out = set(config.holdout_voices)
    train: list[Utterance] = []
    kept: list[Utterance] = []
    seen: dict[str, int] = {}
    for utterance in utterances:
        seen[utterance.voice] = count = seen.get(utterance.voice, 0) + 1
        (kept if utterance.voice in out or count % config.holdout_every == 0 else train).append(utterance)
    return train, kept


def normalise(waveform: np.ndarray) -> np.ndarray:
    """Zero mean, unit variance, as the encoder expects its input."""
    return ((waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)).astype(np.float32)


def resample_posteriors(heard: np.ndarray, start: float, factor: float, frames: int) -> np.ndarray:
    """(``frames``, 40) float32 posteriors of a piece that begins ``start`` seconds into speech ``factor`` times as
    fast as that in which a teacher heard ``heard`` (T, 40); silence outside.
    """
    padded = np.zeros((len(heard) + 2, heard.shape[1]), np.float32)
    padded[1:-1] = heard
    padded[[0, -1], INDEX[SILENCE]] = 1
    middles = ((np.arange(frames) + 0.5) / FRAME_RATE + start) * factor
    position = (middles * FRAME_RATE + 0.5).clip(0, len(heard) + 1)
    low = np.minimum(position.astype(int), len(heard))
    weight = (position - low).astype(np.float32)[:, None]
    return padded[low] * (1 - weight) + padded[low + 1] * weight


class AudioBatches:
    """Random augmented pieces of utterances with frame labels; a pure function of index and rng."""

    def __init__(self, utterances: Sequence[Utterance], config: AudioTrainingConfig):
        self.utterances, self.config = list(utterances), config
        groups: list[list[int]] = [[] for _ in config.shares]
        for i, utterance in enumerate(self.utterances):
            for group, (prefix, _) in zip(groups, config.shares, strict=True):
                if utterance.voice.startswith(prefix):
                    group.append(i)
                    break
        shares = [share for _, share in config.shares]
        self.groups = [g for g in groups if g] or [list(range(len(self.utterances)))]
        kept = np.array([s for s, g in zip(shares, groups, strict=True) if g] or [1.0])
        self.probability = kept / kept.sum()

    def __call__(self, index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        frames = round(rng.uniform(*self.config.seconds) * FRAME_RATE)
        items = [self._piece(frames, rng) for _ in range(self.config.batch_size)]
        return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0]}

    def _piece(self, frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        group = self.groups[rng.choice(len(self.groups), p=self.probability)]
        utterance = self.utterances[group[rng.integers(len(group))]]
        length = frames * SAMPLES_PER_FRAME
        factor = round(25 * float(np.exp(rng.normal(0, 0.1)))) / 25
        available = len(utterance.waveform) / factor
        # The piece may begin before and end after the utterance: silence is learned from the padding.
        low = -min(length // 2, SAMPLE_RATE)
        start = int(rng.integers(low, max(low + 1, int(available) - length // 2)))
        piece = np.zeros(length, np.float32)
        segments: list[Segment] = []
        if rng.random() < self.config.no_speech:
            sound = music(length, rng) if rng.random() < 0.7 else colored_noise(length, rng)
            background = (0.1 * sound).astype(np.float32)
        else:
            background = self._background(piece, rng)
            first = max(0, round(start * factor))
            sound, _ = change_speed(utterance.waveform[first : round((start + length) * factor)], factor)
            offset = max(0, -start)
            sound = sound[: length - offset]
            piece[offset : offset + len(sound)] = sound
            shift = start / SAMPLE_RATE
            segments = [
                Segment(s.phoneme, s.start / factor - shift, s.end / factor - shift) for s in utterance.segments
            ]
        energy = np.sqrt((piece.reshape(frames, -1) ** 2).mean(1))
        loudness = np.log(energy / (energy.max() + 1e-6) + 0.01)
        labels = frame_labels(segments, frames)
        target = labels
        if segments and utterance.posteriors is not None:
            weight = self.config.teacher_weight
            heard = resample_posteriors(utterance.posteriors, start / SAMPLE_RATE, factor, frames)
            target = (1 - weight) * labels + weight * heard
        noisy = augment(piece + background, rng, self.config.augmentation)
        if self.config.masks:
            noisy = mask(noisy, rng, self.config.masks)
        mouth = mouth_track(segments, frames)
        voiceless = [i for i, p in enumerate(PHONEMES) if p in VOICELESS]
        return {
            "waveform": normalise(noisy),
            "phonemes": target,
            "mouth": np.stack([mouth[name] for name in MOUTH_CONTROLS], -1).astype(np.float32),
            "voicing": (1 - labels[:, voiceless].sum(1)).clip(0, 1),
            "loudness": loudness.astype(np.float32),
        }

    def _background(self, speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(N,) other voices or music, 3 to 25 dB below ``speech`` (N,); mostly nothing."""
        kind, length = rng.random(), len(speech)
        if kind < self.config.babble:
            count = int(rng.integers(2, 7))
            sound = sum(self._snippet(length, rng) for _ in range(count)) / np.sqrt(count)
        elif kind < self.config.babble + self.config.music:
            sound = music(length, rng)
        else:
            return np.zeros(length, np.float32)
        level = max(float(speech.std()), 1e-3) * 10 ** (-rng.uniform(3, 25) / 20)
        return (level * sound).astype(np.float32)

    def _snippet(self, length: int, rng: np.random.Generator) -> np.ndarray:
        """(N,) of unit power from anywhere in any utterance, repeated where it is short."""
        waveform = self.utterances[rng.integers(len(self.utterances))].waveform
        start = int(rng.integers(len(waveform)))
        sound = np.resize(np.roll(waveform[: 4 * length], -start), length)
        return sound / (sound.std() + 1e-4)


def recogniser_loss(
    modules: Mapping[str, nn.Module], batch: dict[str, Tensor], step: int, head_steps: int = 0
) -> dict[str, Tensor]:
    """Cross-entropy with soft labels plus small regressions; before ``head_steps`` the encoder does not learn."""
    recogniser: Any = modules["recogniser"]
    phonemes, mouth, rest = recogniser(batch["waveform"], step < head_steps)
    target = batch["phonemes"]
    cross = -(target * F.log_softmax(phonemes.float(), -1)).sum(-1).mean()
    articulation = ((mouth.float() - batch["mouth"]).square() * mouth.new_tensor(_MOUTH_WEIGHTS)).mean()
    voicing = F.binary_cross_entropy_with_logits(rest[..., 0].float(), batch["voicing"])
    loudness = F.mse_loss(rest[..., 1].float(), batch["loudness"])
    accuracy = (phonemes.argmax(-1) == target.argmax(-1)).float().mean()
    loss = cross + 10 * articulation + 0.2 * voicing + 0.05 * loudness
    return {"loss": loss, "phonemes": cross, "mouth": articulation, "accuracy": accuracy}


def groups_of_phonemes() -> np.ndarray:
    """Index of the viseme group of every phoneme, (40,)."""
    return np.array([next(g for g, names in enumerate(VISEME_GROUPS) if p in names) for p in PHONEMES])


@torch.no_grad()
def recognise(recogniser: PhonemeRecogniser, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phoneme log-probabilities (T, 40) and mouth controls (T, 10) of one waveform at 16 kHz."""
    features = recogniser.encoder.encode(waveform)
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


def validation_sets(train: Sequence[Utterance], kept: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Kept-out utterances: recorded by voices never heard, by voices trained on, synthetic, single digits."""
    heard = {utterance.voice for utterance in train}
    sets: dict[str, list[Utterance]] = {"unheard": [], "heard": [], "synthetic": [], "digits": []}
    for utterance in kept:
        if is_real(utterance.voice):
            sets["heard" if utterance.voice in heard else "unheard"].append(utterance)
        else:
            sets["digits" if utterance.voice.startswith("digits") else "synthetic"].append(utterance)
    return sets


def spread(utterances: Sequence[Utterance], count: int) -> list[Utterance]:
    """At most about ``count`` utterances from the whole list, the same every time."""
    return list(utterances)[:: max(1, round(len(utterances) / count))]


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
        load_weights(recogniser.encoder, config.start_from)
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
