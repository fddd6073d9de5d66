"""Everything a talking puppet does in a clip, from the phonemes and the loudness of its speech."""

from collections.abc import Sequence

import numpy as np

from imtalker.config import SAMPLE_RATE, SAMPLES_PER_FRAME
from imtalker.train.motion.head_and_eyes import Style, head_and_eyes
from imtalker.train.speech.phonemes import Segment
from imtalker.train.speech.visemes import mouth_track

PHOTO_SMILE = 2.0  # the smile of most portraits, of that kept in speech
_READ_ONLY = ("gaze_x", "gaze_y")  # not controls of the puppet


def loudness(waveform: np.ndarray) -> np.ndarray:
    """(T,) RMS of every video frame of clean speech (N,) at 16 kHz, 1 at its loud frames."""
    frames = -(-len(waveform) // SAMPLES_PER_FRAME)
    padded = np.zeros(frames * SAMPLES_PER_FRAME)
    padded[: len(waveform)] = waveform
    energy = np.sqrt((padded.reshape(frames, -1) ** 2).mean(1))
    return np.clip(energy / (np.percentile(energy, 95) + 1e-4), 0, 1.2)


def clip_controls(
    rng: np.random.Generator, segments: Sequence[Segment], energy: np.ndarray, style: Style
) -> dict[str, np.ndarray]:
    """All puppet controls of a clip, each (T,); plus ``gaze_x``, ``gaze_y`` in degrees from the camera."""
    controls = mouth_track(segments, len(energy), style.mouth)
    controls.update(head_and_eyes(rng, energy, style))
    # A smile widens the mouth already, so the vowels' own spreading adds less.
    controls["smile"] = np.full(len(energy), style.smile)
    controls["wide"] = controls["wide"] * (1 - 0.5 * style.smile)
    return controls


def portrait_controls(rng: np.random.Generator, style: Style) -> dict[str, np.ndarray]:
    """Controls (1,) of the portrait the clip starts from: the same person, often smiling, mouth maybe open.

    Speech keeps only part of the portrait's smile and none of its open mouth.
    """
    controls = {name: np.array([value]) for name, value in zip(("yaw", "pitch", "roll"), style.pose, strict=True)}
    controls |= {"tx": np.array([style.offset[0]]), "ty": np.array([style.offset[1]])}
    # People who are photographed mostly smile more than those who speak; what speech keeps is told by the style.
    smile = min(1.0, PHOTO_SMILE * style.smile) if rng.random() < 0.7 else rng.uniform(0, 1) * (rng.random() < 0.6)
    controls |= {"scale": np.array([style.scale]), "smile": np.array([smile])}
    open_mouth = rng.random() < 0.5
    controls["jaw"] = np.array([rng.uniform(0, 0.2) if open_mouth else 0.0])
    controls["ulr"] = np.array([rng.uniform(0, 0.5) if open_mouth else 0.0])
    controls["lld"] = np.array([rng.uniform(0, 0.5) if open_mouth else 0.0])
    yaw, pitch, _ = style.pose
    controls["gx"] = np.array([np.clip(rng.normal(0, 1.5) - yaw, -20, 20)])
    controls["gy"] = np.array([np.clip(rng.normal(0, 1) - pitch, -12, 12)])
    controls["squint"] = np.array([rng.uniform(0, 0.3) * smile])
    return controls


def puppet_controls(controls: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Only what ``MotionSpace.encode`` takes."""
    return {name: value for name, value in controls.items() if name not in _READ_ONLY}


def shifted(segments: Sequence[Segment], seconds: float) -> list[Segment]:
    """The same phonemes later by ``seconds``."""
    return [Segment(s.phoneme, s.start + seconds, s.end + seconds) for s in segments]


def with_silence(
    waveform: np.ndarray, segments: Sequence[Segment], before: float, after: float
) -> tuple[np.ndarray, list[Segment]]:
    """Speech with seconds of silence round it, and its phonemes."""
    parts = [np.zeros(int(before * SAMPLE_RATE), np.float32), waveform, np.zeros(int(after * SAMPLE_RATE), np.float32)]
    return np.concatenate(parts), shifted(segments, len(parts[0]) / SAMPLE_RATE)
