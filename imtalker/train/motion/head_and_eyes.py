"""Head, eyes and brows of a speaking or listening person at 25 fps, as puppet controls in degrees and 0..1.

Nods fall on stressed syllables, the head sways slowly and returns to its rest, the eyes hold the viewer and
leave them for a moment, the head's turning is compensated by the eyes, lids blink.
"""

from dataclasses import dataclass

import numpy as np

from imtalker.config import FRAME_RATE
from imtalker.generator.motion_style import TYPICAL_BLINKS

_SWAY = {"yaw": 4.0, "pitch": 2.0, "roll": 2.0}  # degrees, standard deviation at amplitude 1
_GAZE_LIMITS = (20.0, 12.0)  # degrees in the head


@dataclass(frozen=True)
class Style:
    """What stays constant during a clip: the person, the framing, the manner."""

    pose: tuple[float, float, float]  # yaw, pitch, roll the head returns to, degrees
    offset: tuple[float, float]  # tx, ty in cm
    scale: float  # of the head, about 1
    gaze: tuple[float, float]  # where the eyes rest, degrees from the camera; (0, 0) looks into it
    head: float  # amplitude of the head's motion, about 1
    mouth: float  # amplitude of the mouth's openings, about 1
    smile: float  # 0..1, kept during speech
    brows: float  # amplitude of brow motion, about 1
    wandering: float  # amplitude of the looks aside, about 1
    blinks: float  # a minute

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Style":
        """A random person, framing and manner."""
        frontal = rng.random() < 0.6
        reach = np.array([4.0, 3.0, 2.0]) if frontal else np.array([14.0, 8.0, 6.0])
        gaze = (0.0, 0.0) if rng.random() < 0.6 else (float(rng.uniform(-14, 14)), float(rng.uniform(-8, 8)))
        yaw, pitch, roll = rng.normal(0, reach).clip([-22, -14, -12], [22, 14, 12])
        tx, ty = rng.normal(0, (0.6, 0.45))
        return cls(
            pose=(float(yaw), float(pitch), float(roll)),
            offset=(float(tx), float(ty)),
            scale=float(np.exp(rng.normal(0, 0.06))),
            gaze=gaze,
            head=_amount(rng, 0.15, 3.3),
            mouth=_amount(rng, 0.25, 2.0),
            smile=float(rng.choice([0.0, rng.uniform(0, 0.4), rng.uniform(0, 0.9)])),
            brows=_amount(rng, 0.15, 3.3),
            wandering=_amount(rng, 0.15, 3.3),
            blinks=TYPICAL_BLINKS * _amount(rng, 0.12, 3.3),
        )


def _amount(rng: np.random.Generator, low: float, high: float) -> float:
    """An amount between the limits: half of the speakers are within 1.4 times of the usual, others anywhere."""
    if rng.random() < 0.5:
        return float(np.clip(np.exp(rng.normal(0, 0.35)), low, high))
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def smooth_noise(rng: np.random.Generator, num_frames: int, cutoff: float) -> np.ndarray:
    """(T,) noise of unit variance below about ``cutoff`` Hz; its variance holds for long clips only."""
    size = num_frames + 250
    frequency = np.fft.rfftfreq(size, 1 / FRAME_RATE)
    response = 1 / (1 + (frequency / cutoff) ** 4)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * response, size)
    return noise[125 : 125 + num_frames] / (noise.std() + 1e-9)


def _bump(num_frames: int, centre: float, attack: float, release: float) -> np.ndarray:
    """(T,) a smooth rise to 1 within ``attack`` frames before ``centre``, a fall within ``release`` after."""
    t = np.arange(num_frames) - centre
    phase = np.where(t < 0, 1 + t / attack, 1 - t / release).clip(0, 1)
    return phase * phase * (3 - 2 * phase)


def stresses(energy: np.ndarray) -> np.ndarray:
    """Frames of stressed syllables: peaks of the smoothed energy, at least 0.3 s apart, strongest first."""
    if len(energy) < 9 or energy.max(initial=0.0) < 1e-3:
        return np.zeros(0, int)
    window = np.hanning(7) / np.hanning(7).sum()
    smooth = np.convolve(energy, window, "same")
    peaks = np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:])) + 1
    peaks = peaks[smooth[peaks] > 0.35 * smooth.max()]
    chosen: list[int] = []
    for peak in peaks[np.argsort(-smooth[peaks])]:
        if all(abs(int(peak) - other) >= 8 for other in chosen):
            chosen.append(int(peak))
    return np.array(chosen, int)


def blinks(rng: np.random.Generator, num_frames: int, rate: float, pauses: np.ndarray) -> np.ndarray:
    """(T,) lid closure 0..1: down in 2 frames, shut for 1, up in 4; ``rate`` a minute.

    Intervals are log-normal, as people's are. Half of the blinks wait for a phrase to end where one does within
    0.8 s (mask ``pauses (T,)``); one in twenty comes twice.
    """
    closure = np.zeros(num_frames)
    spread, again, shortest = 0.55, 0.05, 0.36
    mean = 60 / rate * (1 + again)
    ends = np.flatnonzero(pauses[1:] & ~pauses[:-1]) + 1
    frame = rng.uniform(0, 1) * mean * FRAME_RATE
    while frame < num_frames:
        near = ends[(ends >= frame) & (ends < frame + 0.8 * FRAME_RATE)]
        if len(near) and rng.random() < 0.5:
            frame = float(near[0]) + rng.uniform(0, 3)
        closure = np.maximum(closure, _bump(num_frames, frame, 2.4, 4.5))
        closure[min(round(frame), num_frames - 1)] = 1.0
        gap = mean * np.exp(rng.normal(-(spread**2) / 2, spread))
        frame += max(shortest, shortest if rng.random() < again else gap) * FRAME_RATE
    return closure


def gaze_track(
    rng: np.random.Generator, num_frames: int, rest: tuple[float, float], wandering: float = 1.0
) -> np.ndarray:
    """(T, 2) gaze in degrees from the camera: fixations near ``rest``, looks aside that return to it."""
    track = np.zeros((num_frames, 2))
    frame, was_aside = 0, False
    while frame < num_frames:
        aside = not was_aside and rng.random() < 0.2
        spread = np.array((6.0, 3.5) if aside else (0.9, 0.6)) * wandering
        stop = frame + int(rng.uniform(0.4, 1.1 if aside else 2.2) * FRAME_RATE) + 1
        track[frame:stop] = np.asarray(rest) + rng.normal(0, spread)
        frame, was_aside = stop, aside
    return track


def head_and_eyes(rng: np.random.Generator, energy: np.ndarray, style: Style) -> dict[str, np.ndarray]:
    """Controls of pose, framing, gaze, lids and brows, each (T,), for speech with this loudness (T,) in 0..1.

    ``gaze_x``, ``gaze_y`` are degrees from the camera; ``gx``, ``gy`` the same in the head.
    """
    n = len(energy)
    track: dict[str, np.ndarray] = {}
    speaking = np.convolve(energy > 0.08, np.ones(11), "same") > 0
    liveliness = np.convolve(np.where(speaking, 1.0, 0.6), np.hanning(25) / np.hanning(25).sum(), "same")
    for name, rest in zip(("yaw", "pitch", "roll"), style.pose, strict=True):
        slow, fast = smooth_noise(rng, n, 0.22), smooth_noise(rng, n, 0.8)
        track[name] = rest + style.head * _SWAY[name] * liveliness * (0.9 * slow + 0.35 * fast)
    brow = np.zeros(n)
    for peak in stresses(energy):
        if rng.random() < 0.5:
            depth = style.head * rng.uniform(0.8, 3.6) * energy[peak]
            nod = _bump(n, peak + rng.uniform(-1, 3), rng.uniform(4, 6), rng.uniform(7, 12))
            track["pitch"] = track["pitch"] - depth * nod
            track["yaw"] = track["yaw"] + style.head * rng.normal(0, 0.9) * nod
        if rng.random() < 0.15 + 0.15 * min(style.brows, 2.0):
            brow = np.maximum(brow, np.sqrt(style.brows) * rng.uniform(0.1, 0.5) * _bump(n, peak, 5, 14))
    track["tx"] = style.offset[0] + style.head * 0.12 * smooth_noise(rng, n, 0.2)
    track["ty"] = style.offset[1] + style.head * 0.06 * smooth_noise(rng, n, 0.2)
    track["scale"] = style.scale * np.exp(style.head * 0.006 * smooth_noise(rng, n, 0.15))
    gaze = gaze_track(rng, n, style.gaze, style.wandering)
    for i, (name, turn) in enumerate((("gx", "yaw"), ("gy", "pitch"))):
        inside = np.clip(gaze[:, i] - track[turn], -_GAZE_LIMITS[i], _GAZE_LIMITS[i])
        track[name] = inside
        track[("gaze_x", "gaze_y")[i]] = inside + track[turn]
    track["brow_in"] = brow
    track["brow_out"] = 0.8 * brow
    track["blinkL"] = blinks(rng, n, style.blinks, ~speaking)
    track["blinkR"] = track["blinkL"]
    return track
