"""Controls over time as a few points per curve: what the editor draws, what the control file says, and back."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imtalker.config import FRAME_RATE
from imtalker.errors import InputError
from imtalker.generator.controls import LIMITS, MotionControls

NAMES = tuple(LIMITS)  # yaw, pitch, roll, gaze_x, gaze_y
MAX_POINTS = 200  # of one curve
MAX_SECONDS = 3600.0
TOLERANCE = 0.25  # degrees a curve may be off when it is read back as points
STILL = 0.002  # degrees from frame to frame that are no movement

Points = list[tuple[float, float]]  # (seconds, degrees), in the order of time


def read_curves(sent: object) -> dict[str, Points]:
    """Curves as the page sends them, checked; empty ones are left out.

    Raises:
        InputError: they have another form, or leave the limits.
    """
    if not isinstance(sent, Mapping):
        raise InputError("there are no curves; draw one in the editor first")
    curves: dict[str, Points] = {}
    for name in NAMES:
        points = sent.get(name) or []
        if not isinstance(points, Sequence) or isinstance(points, str) or len(points) > MAX_POINTS:
            raise InputError(f"the curve {name} is no list of at most {MAX_POINTS} points; draw it again")
        checked = sorted(_point(name, point) for point in points)
        if checked:
            curves[name] = checked
    return curves


def write_controls(curves: Mapping[str, Points], seconds: float, path: Path) -> None:
    """A control file (CSV) with a row a frame; between two points a curve eases in and out.

    Raises:
        InputError: there is no curve, or no length.
    """
    if not curves:
        raise InputError("there are no points; click into the editor to set one")
    if not 0 < seconds <= MAX_SECONDS:
        raise InputError(f"the controls are {seconds:g} s long; give up to {MAX_SECONDS:g} s")
    times = np.arange(math.ceil(seconds * FRAME_RATE)) / FRAME_RATE
    columns = {name: eased(points, times) for name, points in curves.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*(np.round(column, 3) for column in columns.values()), strict=True))


def read_controls(path: str | Path) -> tuple[dict[str, Points], float]:
    """A control file as few points as describe it, and its length in seconds.

    Raises:
        InputError: it cannot be used.
    """
    controls = MotionControls.from_file(path)
    length = controls.num_frames
    times = np.arange(length) / FRAME_RATE
    curves: dict[str, Points] = {}
    for name in NAMES:
        value = getattr(controls, name)
        if value is not None:
            track = np.broadcast_to(np.asarray(value, np.float64), (length,))
            curves[name] = _few_points(times, track)
    return curves, length / FRAME_RATE


def eased(points: Points, times: np.ndarray) -> np.ndarray:
    """Values of a curve at some times: half a cosine wave between two points, level before and after them all."""
    at, values = np.array(points, np.float64).T
    index = np.clip(np.searchsorted(at, times, side="right") - 1, 0, len(at) - 1)
    after = np.minimum(index + 1, len(at) - 1)
    span = np.maximum(at[after] - at[index], 1e-9)
    share = np.clip((times - at[index]) / span, 0, 1)
    share = np.where(after == index, 0.0, (1 - np.cos(np.pi * share)) / 2)
    return values[index] + (values[after] - values[index]) * share


def _few_points(times: np.ndarray, track: np.ndarray) -> Points:
    """Where the curve turns or rests, then the frame that is off most, until none is off by more than the tolerance."""
    steps = np.diff(track)
    directions = np.where(np.abs(steps) < STILL, 0, np.sign(steps))
    turns = np.flatnonzero(np.diff(directions)) + 1
    chosen = {0, len(times) - 1, *(int(turn) for turn in turns if len(turns) <= MAX_POINTS // 2)}
    while len(chosen) < min(MAX_POINTS, len(times)):
        points = [(float(times[i]), float(track[i])) for i in sorted(chosen)]
        error = np.abs(eased(points, times) - track)
        if error.max() <= TOLERANCE:
            break
        chosen.add(int(error.argmax()))
    return [(round(float(times[i]), 3), round(float(track[i]), 3)) for i in sorted(chosen)]


def _point(name: str, point: Any) -> tuple[float, float]:
    try:
        seconds, degrees = (float(value) for value in point)
    except (TypeError, ValueError) as error:
        raise InputError(f"a point of the curve {name} is {point!r:.40}; give seconds and degrees") from error
    limit = LIMITS[name]
    if not (0 <= seconds <= MAX_SECONDS and abs(degrees) <= limit):
        raise InputError(f"the curve {name} has {degrees:g} degrees at {seconds:g} s; stay within {limit:g} degrees")
    return seconds, degrees
