"""Training clips of the motion generator: audio features, motion latents and controls of talking puppets.

Nothing is rendered: the motion latent of the puppet's controls is known exactly (``MotionSpace``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.train.motion.control_tracks import (
    clip_controls,
    loudness,
    portrait_controls,
    puppet_controls,
    shifted,
    with_silence,
)
from imtalker.train.motion.head_and_eyes import Style
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.speech.augmentation import augment
from imtalker.train.speech.corpus import Utterance
from imtalker.train.speech.phonemes import Segment

_ARRAYS = ("features", "motion", "gaze", "close", "portrait", "start", "frames")


@dataclass(frozen=True, eq=False)
class MotionClips:
    """Clips of ``variants`` different motions each for the same speech, stored end to end."""

    features: np.ndarray  # (sum of T, C) float16, of the speech
    motion: np.ndarray  # (variants, sum of T, 32) float32
    gaze: np.ndarray  # (variants, sum of T, 2) float32, degrees / 10 from the camera
    close: np.ndarray  # (sum of T,) float16, 1 where the lips must meet
    portrait: np.ndarray  # (variants, clips, 32) float32, the portrait each motion starts from
    start: np.ndarray  # (clips,) first frame of each clip
    frames: np.ndarray  # (clips,) its length

    def __len__(self) -> int:
        return len(self.start)

    def save(self, path: Path) -> None:
        """Write to one ``.npz``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def load(cls, path: Path) -> "MotionClips":
        """Read what :meth:`save` wrote; raises InputError where there is no file."""
        if not path.is_file():
            raise InputError(f"{path} does not exist; start without resume, so that the clips are made")
        with np.load(path) as data:
            return cls(**{name: data[name] for name in _ARRAYS})


def compose(
    utterances: Sequence[Utterance], rng: np.random.Generator, min_seconds: float = 5.0
) -> tuple[np.ndarray, list[Segment]]:
    """Some utterances of one voice with pauses between them, at least ``min_seconds`` long."""
    waveform, segments = np.zeros(0, np.float32), []
    while len(waveform) < min_seconds * SAMPLE_RATE:
        utterance = utterances[int(rng.integers(len(utterances)))]
        long_pause = rng.random() < 0.2
        before = rng.uniform(1.0, 3.0) if long_pause else rng.uniform(0.05, 0.7)
        sound = utterance.waveform / (np.abs(utterance.waveform).max() + 1e-4) * 0.5
        piece, own = with_silence(sound, utterance.segments, before, 0.0)
        segments += shifted(own, len(waveform) / SAMPLE_RATE)
        waveform = np.concatenate([waveform, piece])
    return with_silence(waveform, segments, 0.0, float(rng.uniform(0.1, 1.0)))


def voice_shares(voices: Sequence[tuple[str, float]], shares: Sequence[tuple[str, float]]) -> np.ndarray:
    """Probability of each of ``voices`` (name, seconds): its group's share, divided by length within the group.

    A group is all voices whose name begins alike. Voices of no group divide what a mean group has.
    """
    prefixes = [next((p for p, _ in shares if name.startswith(p)), "") for name, _ in voices]
    weight = {"": float(np.mean([s for _, s in shares])) if shares else 1.0, **dict(shares)}
    length = {p: sum(s for q, (_, s) in zip(prefixes, voices, strict=True) if q == p) for p in prefixes}
    raw = np.array([weight[p] * seconds / length[p] for p, (_, seconds) in zip(prefixes, voices, strict=True)])
    return raw / raw.sum()


def make_clips(
    utterances: Sequence[Utterance],
    encoder: AudioEncoder,
    space: MotionSpace,
    count: int,
    variants: int,
    seed: int,
    shares: Sequence[tuple[str, float]] = (),
    augmentation: float = 0.7,
) -> MotionClips:
    """``count`` clips. ``shares``: how often voices of a name's beginning speak, see :func:`voice_shares`."""
    voices: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        voices.setdefault(utterance.voice, []).append(utterance)
    names = sorted(voices)
    share = voice_shares([(name, sum(u.duration for u in voices[name])) for name in names], shares)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in _ARRAYS}
    total = 0
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        voice = names[rng.choice(len(names), p=share)]
        waveform, segments = compose(voices[voice], rng)
        features = encoder.encode(augment(waveform, rng, augmentation))[0].cpu().numpy()
        energy = loudness(waveform)
        motions, gazes, portraits = [], [], []
        for _ in range(variants):
            style = Style.sample(rng)
            controls = clip_controls(rng, segments, energy, style)
            motions.append(space.encode(puppet_controls(controls)))
            gazes.append(np.stack([controls["gaze_x"], controls["gaze_y"]], -1) / 10)
            portraits.append(space.encode(portrait_controls(rng, style))[0])
        parts["close"].append(controls["close"].astype(np.float16))
        parts["features"].append(features.astype(np.float16))
        parts["motion"].append(np.stack(motions))
        parts["gaze"].append(np.stack(gazes).astype(np.float32))
        parts["portrait"].append(np.stack(portraits))
        parts["start"].append(np.array([total]))
        parts["frames"].append(np.array([len(energy)]))
        total += len(energy)
    axes = {"motion": 1, "gaze": 1}
    stacked = {name: np.concatenate(parts[name], axes.get(name, 0)) for name in _ARRAYS if name != "portrait"}
    return MotionClips(**stacked, portrait=np.stack(parts["portrait"], 1))
