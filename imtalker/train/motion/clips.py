"""Training clips of the motion generator: audio features, motion latents and controls of talking puppets.

Nothing is rendered: the motion latent of the puppet's controls is known exactly (``MotionSpace``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from imtalker.config import SAMPLE_RATE, SAMPLES_PER_FRAME
from imtalker.errors import InputError
from imtalker.generator.motion_layout import HEAD_CHANNELS
from imtalker.generator.motion_style import STYLE_NAMES, TYPICAL_BLINKS
from imtalker.generator.speech_encoder import SpeechEncoder
from imtalker.train.motion.control_tracks import (
    clip_controls,
    loudness,
    portrait_controls,
    puppet_controls,
    shifted,
    with_silence,
)
from imtalker.train.motion.head_and_eyes import Style
from imtalker.train.music import music
from imtalker.train.puppet.motion_space import EXPRESSION, MotionSpace, lid_gap
from imtalker.train.puppet.topology import MEAN_NEUTRAL
from imtalker.train.speech.augmentation import augment
from imtalker.train.speech.corpus import Utterance
from imtalker.train.speech.phonemes import Segment

_ARRAYS = (
    "waveform", "motion", "gaze", "close", "portrait", "start", "frames", "measured", "asked", "readout",
)  # fmt: skip
_MEASURED = 7  # amounts of a style that are taken from the motion itself; blinks and smile are asked for
MUSIC, NO_SPEECH = 0.15, 0.05  # shares of the clips with music beneath, and with music alone


@dataclass(frozen=True, eq=False)
class MotionClips:
    """Clips of ``variants`` different motions each for the same speech, stored end to end."""

    waveform: np.ndarray  # (sum of T * 640,) int16, the sound heard
    motion: np.ndarray  # (variants, sum of T, 32) float32
    gaze: np.ndarray  # (variants, sum of T, 2) float32, degrees / 10 from the camera
    close: np.ndarray  # (sum of T,) float16, 1 where the lips must meet
    portrait: np.ndarray  # (variants, clips, 32) float32, the portrait each motion starts from
    start: np.ndarray  # (clips,) first frame of each clip
    frames: np.ndarray  # (clips,) its length
    measured: np.ndarray  # (variants, clips, 7) deviations and the range of the gap, units of the motion
    asked: np.ndarray  # (variants, clips, 9) what the style was made with, 1 as usual
    readout: np.ndarray  # (32, 4) readings of a motion, see ``generator/motion_statistics.py``

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

    def features(self, encoder: SpeechEncoder) -> np.ndarray:
        """(sum of T, C) float16 what ``encoder`` hears, clip by clip."""
        parts = []
        for start, frames in zip(self.start, self.frames, strict=True):
            sound = self.waveform[start * SAMPLES_PER_FRAME : (start + frames) * SAMPLES_PER_FRAME]
            with torch.inference_mode():
                parts.append(encoder.encode(sound.astype(np.float32) / 32767)[0].cpu().numpy().astype(np.float16))
        return np.concatenate(parts)

    def typical(self) -> np.ndarray:
        """(9,) amounts that count as 1: the median of those clips that were made with about that."""
        out = np.ones(len(STYLE_NAMES))
        for i in range(_MEASURED):
            usual = np.abs(np.log(self.asked[..., i])) < np.log(1.3)
            out[i] = np.median(self.measured[..., i][usual] / self.asked[..., i][usual]) if usual.any() else 1.0
        return out

    def amounts(self) -> np.ndarray:
        """(variants, clips, 9) of the style: deviations as they came out, mouth, blinks and smile as asked."""
        relative = self.measured / self.typical()[:_MEASURED]
        return np.concatenate([relative[..., : _MEASURED - 1], self.asked[..., _MEASURED - 1 :]], -1)


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
        heard = waveform
        if rng.random() < NO_SPEECH:
            waveform, segments = np.zeros_like(waveform), []
            heard = 0.1 * music(len(waveform), rng)
        elif rng.random() < MUSIC:
            heard = waveform + 0.1 * 10 ** (-rng.uniform(3, 20) / 20) * music(len(waveform), rng)
        energy = loudness(waveform)
        heard = augment(heard, rng, augmentation)
        heard = np.pad(heard / max(1.0, np.abs(heard).max()), (0, len(energy) * SAMPLES_PER_FRAME - len(heard)))
        made = [_variant(rng, segments, energy, space) for _ in range(variants)]
        parts["waveform"].append(np.round(heard * 32767).astype(np.int16))
        for name in ("close", "motion", "gaze", "portrait", "asked", "measured"):
            parts[name].append(made[0][name] if name == "close" else np.stack([m[name] for m in made]))
        parts["start"].append(np.array([total]))
        parts["frames"].append(np.array([len(energy)]))
        total += len(energy)
    along = {"waveform": 0, "close": 0, "start": 0, "frames": 0, "motion": 1, "gaze": 1}
    stacked = {name: np.concatenate(parts[name], axis) for name, axis in along.items()}
    per_clip = {name: np.stack(parts[name], 1) for name in ("portrait", "asked", "measured")}
    return MotionClips(**stacked, **per_clip, readout=fit_readout(stacked["motion"], space))


def _variant(
    rng: np.random.Generator, segments: Sequence[Segment], energy: np.ndarray, space: MotionSpace
) -> dict[str, np.ndarray]:
    """One motion for a clip of speech, with its style."""
    style = Style.sample(rng)
    controls = clip_controls(rng, segments, energy, style)
    motion = space.encode(puppet_controls(controls))
    head = motion[:, HEAD_CHANNELS].std(0)
    opening = np.subtract(*np.percentile(space.mouth_gap(motion), [90, 10]))
    brows = controls["brow_in"]
    gaze = np.stack([controls["gaze_x"], controls["gaze_y"]], -1).astype(np.float32) / 10
    measured = [*head[:3], head[3:].mean(), gaze.std(0).mean(), brows.std(), opening]
    asked = [*[style.head] * 4, style.wandering, style.brows, style.mouth, style.blinks / TYPICAL_BLINKS, style.smile]
    return {
        "motion": motion,
        "gaze": gaze,
        "close": controls["close"].astype(np.float16),
        "portrait": space.encode(portrait_controls(rng, style))[0],
        "measured": np.array(measured, np.float32),
        "asked": np.array(asked, np.float32),
    }


def fit_readout(motion: np.ndarray, space: MotionSpace, ridge: float = 0.02) -> np.ndarray:
    """(32, 4) linear readings of motions (..., 32): lip gap, lids, brow raise, smile.

    For the last two, matched filters: 1 for the control itself, and as little as possible of whatever else the
    expressions do. ``ridge`` keeps them from leaning on components that hardly move, where networks err most.
    """
    readout = np.zeros((motion.shape[-1], 4), np.float32)
    readout[EXPRESSION, 0] = space.gap_readout
    readout[EXPRESSION, 1] = (space.aperture_readout / lid_gap(MEAN_NEUTRAL)).mean(1)
    expression = motion[..., EXPRESSION].reshape(-1, EXPRESSION.stop - EXPRESSION.start)
    covariance = np.cov(expression[::7].T) + ridge * np.eye(expression.shape[1])
    for column, controls in ((2, {"brow_in": 1.0, "brow_out": 0.8}), (3, {"smile": 1.0})):
        direction = space.encode(controls)[0, EXPRESSION]
        weights = np.linalg.solve(covariance, direction)
        readout[EXPRESSION, column] = weights / (direction @ weights)
    return readout
