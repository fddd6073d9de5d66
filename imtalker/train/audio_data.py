"""What the audio encoder is trained on and scored with: the split of the corpus and augmented batches of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME, SpectralEncoderConfig
from imtalker.generator.audio_statistics import ClipStatistics, NormalisedWaveform
from imtalker.generator.spectral_encoder import SPECTRA_PER_FRAME, spectra_of_frames
from imtalker.generator.speech_encoder import num_video_frames
from imtalker.train.loop import LoopConfig
from imtalker.train.music import music
from imtalker.train.speech.corpus import Utterance
from imtalker.train.speech.phonemes import INDEX, PHONEMES, SILENCE, VOICELESS, frame_labels
from imtalker.train.speech.spectra import SILENT, at, augment_spectra, noise
from imtalker.train.speech.visemes import MOUTH_CONTROLS, mouth_track
from imtalker.weights.presets import TINY_AUDIO

MUSIC_SECONDS = 12
MARGIN_FRAMES = 12  # of silence before and behind an utterance

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
    encoder: SpectralEncoderConfig = TINY_AUDIO
    start_from: str | None = None  # audio_encoder.safetensors to begin with
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=12000,
            learning_rate=3e-3,
            warmup_steps=200,
            weight_decay=0.05,
            ema_decay=0.998,
            mixed_precision="bf16",
            validate_every=2000,
        )
    )
    batch_size: int = 12
    seconds: tuple[float, float] = (3.0, 6.0)  # range of the length of training pieces
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
        ("kokoro", 0.12),
        ("hibari", 0.04),
        ("piper", 0.05),
        ("espeak", 0.03),
        ("festival", 0.02),
        ("flite", 0.03),
    )
    babble: float = 0.15  # share of the pieces with other voices beneath
    music: float = 0.15  # with music beneath
    no_speech: float = 0.08  # pieces of music or noise alone: the mouth rests
    augmentation: float = 1.0  # strength, 0..1
    music_pieces: int = 80  # of MUSIC_SECONDS, made once
    dropout: float = 0.1  # inside the encoder and before the heads
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


class AudioBatches:
    """Random augmented pieces of utterances with frame labels; a pure function of index and rng.

    ``mel (B, 4 T, bands)`` for ``SpectralEncoder``, and per frame: phonemes, mouth controls, voicing, loudness.
    """

    def __init__(self, utterances: Sequence[Utterance], config: AudioTrainingConfig):
        self.config, self.bands = config, config.encoder.mel_bands
        self.sounds = [Sound.of(utterance, self.bands) for utterance in utterances]
        rng = np.random.default_rng(config.loop.seed)
        self.music = [spectra(music(MUSIC_SECONDS * SAMPLE_RATE, rng), self.bands) for _ in range(config.music_pieces)]
        groups: list[list[int]] = [[] for _ in config.shares]
        for i, utterance in enumerate(utterances):
            for group, (prefix, _) in zip(groups, config.shares, strict=True):
                if utterance.voice.startswith(prefix):
                    group.append(i)
                    break
        shares = [share for _, share in config.shares]
        self.groups = [g for g in groups if g] or [list(range(len(self.sounds)))]
        kept = np.array([s for s, g in zip(shares, groups, strict=True) if g] or [1.0])
        self.probability = kept / kept.sum()

    def __call__(self, index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        frames = round(rng.uniform(*self.config.seconds) * FRAME_RATE)
        items = [self._piece(frames, rng) for _ in range(self.config.batch_size)]
        return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0]}

    def _piece(self, frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        if rng.random() < self.config.no_speech:
            return self._without_speech(frames, rng)
        group = self.groups[rng.choice(len(self.groups), p=self.probability)]
        sound = self.sounds[group[rng.integers(len(group))]]
        factor = float(np.exp(rng.normal(0, 0.1)))  # of the speed; the pitch stays, the formants are warped later
        # The piece may begin before and end after the utterance: silence is learned from there.
        margin = min(frames // 2, MARGIN_FRAMES)
        start = int(rng.integers(-margin, max(1 - margin, len(sound.labels) - round(frames * factor) + margin)))
        mel = sound.piece(start, factor, frames, rng)
        position = start + (np.arange(frames) + 0.5) * factor - 0.5
        labels = at(sound.labels, position)
        target = labels
        if sound.posteriors is not None:
            target = labels + self.config.teacher_weight * (at(sound.posteriors, position) - labels)
        mouth, outside = at(sound.mouth, position), (position < -0.5) | (position > len(sound.labels) - 0.5)
        for track in (labels, target, mouth):
            track[outside] = 0
        labels[outside, INDEX[SILENCE]] = target[outside, INDEX[SILENCE]] = 1
        voiceless = [i for i, p in enumerate(PHONEMES) if p in VOICELESS]
        return {
            "mel": augment_spectra(mel, rng, self._beneath(len(mel), rng), self.config.augmentation),
            "phonemes": target,
            "mouth": mouth,
            "voicing": (1 - labels[:, voiceless].sum(1)).clip(0, 1),
            "loudness": loudness(mel),
        }

    def _without_speech(self, frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        length = frames * SPECTRA_PER_FRAME
        heard = self._music(length, rng) if rng.random() < 0.7 else 2 + noise(length, self.bands, rng)
        silent = np.zeros((frames, len(PHONEMES)), np.float32)
        silent[:, INDEX[SILENCE]] = 1
        return {
            "mel": augment_spectra(heard, rng, strength=self.config.augmentation),
            "phonemes": silent,
            "mouth": np.zeros((frames, len(MOUTH_CONTROLS)), np.float32),
            "voicing": np.zeros(frames, np.float32),
            "loudness": loudness(heard),
        }

    def _beneath(self, length: int, rng: np.random.Generator) -> np.ndarray | None:
        """(T, bands) other voices or music below the speech; mostly None."""
        kind = rng.random()
        if kind < self.config.babble:
            voices = [self._snippet(length, rng) for _ in range(int(rng.integers(1, 6)))]
            return np.logaddexp.reduce([2 * voice for voice in voices]) / 2
        if kind < self.config.babble + self.config.music:
            return self._music(length, rng)
        return None

    def _snippet(self, length: int, rng: np.random.Generator) -> np.ndarray:
        """(T, bands) from anywhere in any utterance, repeated where it is short."""
        mel = self.sounds[rng.integers(len(self.sounds))].mel
        return np.take(mel, rng.integers(len(mel)) + np.arange(length), axis=0, mode="wrap").astype(np.float32)

    def _music(self, length: int, rng: np.random.Generator) -> np.ndarray:
        mel = self.music[rng.integers(len(self.music))]
        return np.take(mel, rng.integers(len(mel)) + np.arange(length), axis=0, mode="wrap").astype(np.float32)


@dataclass(frozen=True)
class Sound:
    """An utterance as it is learned from."""

    mel: np.ndarray  # (4 T, bands) float16
    labels: np.ndarray  # (T, 40) shares of the aligned phonemes
    mouth: np.ndarray  # (T, 10)
    posteriors: np.ndarray | None  # (T, 40) of a teacher

    @classmethod
    def of(cls, utterance: Utterance, bands: int) -> "Sound":
        """Of a whole utterance."""
        frames = num_video_frames(len(utterance.waveform))
        track = mouth_track(utterance.segments, frames)
        mouth = np.stack([track[name] for name in MOUTH_CONTROLS], -1).astype(np.float32)
        labels = frame_labels(utterance.segments, frames)
        return cls(spectra(utterance.waveform, bands), labels, mouth, utterance.posteriors)

    def piece(self, start: int, factor: float, frames: int, rng: np.random.Generator) -> np.ndarray:
        """(4 ``frames``, bands) float32 from frame ``start`` on, ``factor`` times as fast; round it lies silence."""
        position = SPECTRA_PER_FRAME * start + (np.arange(SPECTRA_PER_FRAME * frames) + 0.5) * factor - 0.5
        mel = at(self.mel, position)
        outside = (position < 0) | (position > len(self.mel) - 1)
        mel[outside] = SILENT + np.abs(rng.normal(0, 0.02, (int(outside.sum()), mel.shape[1])))
        return mel


def spectra(waveform: np.ndarray, bands: int) -> np.ndarray:
    """(4 T, bands) float16 log mel spectra of a whole clip, as the encoder sees it."""
    frames, samples = num_video_frames(len(waveform)), torch.from_numpy(waveform)
    clip = NormalisedWaveform(samples, ClipStatistics.of(samples), frames * SAMPLES_PER_FRAME)
    return spectra_of_frames(clip, frames, 0, frames, bands)[0].numpy().astype(np.float16)


def loudness(mel: np.ndarray) -> np.ndarray:
    """(T,) float32 log amplitude of frames against the loudest, from -4.6 to 0."""
    energy = np.exp(mel).reshape(len(mel) // SPECTRA_PER_FRAME, -1).mean(1)
    return np.log(energy / energy.max() + 0.01).astype(np.float32)


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
