"""Which frame of the clip stands at which moment of the result, where speech is, and where the new mouth fades."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from imtalker.config import SAMPLE_RATE
from imtalker.dubbing.options import Length
from imtalker.dubbing.tracking import FaceTrack
from imtalker.faces.smooth import smoothstep
from imtalker.generator.head_transfer import back_and_forth

FADE_SECONDS = 0.2
MAX_YAW = 30.0  # degrees the head may be turned
PAUSE_SECONDS = 0.6  # silence at least this long is a pause
SILENCE = 10 ** (-35 / 20)  # of the loud parts (95th percentile of the level)
_BLOCK = SAMPLE_RATE // 50  # samples whose level is measured together


@dataclass(frozen=True, eq=False)
class Plan:
    """The result frame by frame."""

    fps: Fraction
    index: np.ndarray  # (total,) int, frame of the clip
    speech_frames: int  # leading frames of the result during which there is speech

    @property
    def total(self) -> int:
        return len(self.index)

    @property
    def times(self) -> np.ndarray:
        """(total,) seconds."""
        return np.arange(self.total) / float(self.fps)

    @property
    def used(self) -> int:
        """Frames of the clip that get a new mouth."""
        return int(self.index[: self.speech_frames].max(initial=0)) + 1


def make_plan(clip_frames: int, fps: Fraction, speech_seconds: float, length: Length) -> Plan:
    """``"audio"``: as long as the speech, the clip running back and forth; ``"video"``: as long as the clip."""
    spoken = max(1, round(speech_seconds * fps))
    if length == "audio":
        return Plan(fps, back_and_forth(clip_frames, spoken), spoken)
    return Plan(fps, np.arange(clip_frames), min(spoken, clip_frames))


def pauses(waveform: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Which moments ``(T,)``, seconds, lie in a silence of at least ``PAUSE_SECONDS`` (bool)."""
    count = len(waveform) // _BLOCK
    level = np.sqrt((waveform[: count * _BLOCK].reshape(count, _BLOCK).astype(np.float64) ** 2).mean(1))
    quiet = level < SILENCE * np.percentile(level, 95) if count else np.zeros(0, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    silent = np.zeros(count, bool)
    for start, stop in edges.reshape(-1, 2):
        silent[start:stop] = (stop - start) * _BLOCK >= PAUSE_SECONDS * SAMPLE_RATE
    block = (times * SAMPLE_RATE / _BLOCK).astype(int)
    return np.where(block < count, silent[block.clip(0, max(count - 1, 0))], False) if count else block < 0


class Fading:
    """How much of the new mouth is shown in each frame of the result, 0..1.

    0 where the face is lost or turned too far or its mouth covered, after the speech has ended and in pauses; it fades
    in and out next to these.

    Args:
        silent: ``(total,)`` bool, moments in a pause.
    """

    def __init__(self, plan: Plan, silent: np.ndarray):
        self._plan, self._silent = plan, silent
        self._fade = max(1.0, FADE_SECONDS * float(plan.fps))
        self._reach = math.ceil(self._fade)
        self._furthest = np.maximum.accumulate(plan.index[: plan.speech_frames])

    def needs(self, stop: int) -> int:
        """How many frames of the clip have to be known for the frames of the result before ``stop``."""
        last = min(stop + self._reach, len(self._furthest)) - 1
        return int(self._furthest[last]) + 1 if last >= 0 else 0

    def strength(self, start: int, stop: int, track: FaceTrack) -> np.ndarray:
        """Of frames ``start`` to ``stop`` of the result, ``(stop - start,)``; ``track`` as far as ``needs`` says."""
        plan = self._plan
        frames = np.arange(max(0, start - self._reach), min(plan.total, stop + self._reach))
        shown = (frames < plan.speech_frames) & ~self._silent[frames]
        asked = np.flatnonzero(shown)
        rows = plan.index[frames[asked]]
        shown[asked] = track.seen[rows] & ~track.covered[rows] & (np.abs(track.yaw[rows]) <= MAX_YAW)
        hidden = frames[~shown]
        wanted = np.arange(start, stop)
        if not len(hidden):
            return np.ones(len(wanted))
        distance = np.abs(wanted[:, None] - hidden).min(1)
        return smoothstep(0.0, self._fade, distance)


def lost_seconds(track: FaceTrack, fps: Fraction) -> tuple[float, float, float]:
    """Seconds of the clip without the face, in which it is turned too far, and in which its mouth is covered."""
    turned = track.seen & (np.abs(track.yaw) > MAX_YAW)
    covered = track.seen & ~turned & track.covered
    return float((~track.seen).sum() / fps), float(turned.sum() / fps), float(covered.sum() / fps)
