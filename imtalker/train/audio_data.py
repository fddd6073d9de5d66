"""What the audio encoder is trained on and scored with: the split of the corpus and augmented batches of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME, AudioEncoderConfig
from imtalker.train.loop import LoopConfig
from imtalker.train.music import music
from imtalker.train.speech.augmentation import augment, change_speed, colored_noise, mask
from imtalker.train.speech.corpus import Utterance
from imtalker.train.speech.phonemes import INDEX, PHONEMES, SILENCE, VOICELESS, Segment, frame_labels
from imtalker.train.speech.visemes import MOUTH_CONTROLS, mouth_track
from imtalker.weights.presets import TINY_AUDIO

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
    teacher: str | None = None  # posteriors made by imtalker.train.teacher
    teacher_weight: float = 0.7  # of the teacher's posteriors against the aligned phonemes, 0..1


def is_real(voice: str) -> bool:
    """Whether a voice is recorded connected speech."""
    return voice.startswith(("lj", "libri", "callie", "allison"))


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
