"""Clips of a drawn face that talks, and engines whose drawing is known."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from imtalker.dubbing.covering import NUMBERS
from imtalker.dubbing.engine import Patch
from imtalker.dubbing.mouth_frames import MouthFrames
from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import cut_square
from imtalker.dubbing.rest_frames import RestFrames
from imtalker.dubbing.tracking import FaceRow, FaceTrack, measure, watch
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import write_video


def talking_frame(index: int) -> np.ndarray:
    """The drawn face, drifting to the right and opening its mouth again and again."""
    return draw_face(DrawnFace(gap=1 + 5 * abs(np.sin(index / 2)), shift=0.5 * index))


def talking_clip(path: Path, frames: int = 12, fps: int | Fraction = 25, picture=talking_frame, sound=False) -> Path:
    return write_video(path, frames=frames, fps=fps, picture=picture, sound=sound)  # pyright: ignore[reportArgumentType]


def track_of(length: int, **columns: Any) -> FaceTrack:
    """A track of a face that does nothing, with some columns replaced."""
    count = len(mouth_space().landmarks)
    upright = np.repeat(np.array([[[20.0, 0, 128], [0, 20.0, 128]]]), length, 0)
    flat: dict[str, Any] = {
        "seen": np.ones(length, bool),
        "first": np.arange(length) == 0,
        "to_image": upright,
        "turn": np.repeat(np.eye(3)[None], length, 0),
        "yaw": np.zeros(length),
        "pitch": np.zeros(length),
        "lower": np.zeros((length, count, 2), np.float32),
        "shape": np.repeat(mouth_space().neutral[None, :, :2], length, 0),
        "opening": np.zeros(length),
        "lids": np.ones(length),
        "motion": np.zeros((length, 32), np.float32),
        "look": np.zeros((length, NUMBERS), np.float32),
        "covered": np.zeros(length, bool),
    }
    return FaceTrack(**(flat | columns))


def rows_of(frames: Iterable[np.ndarray], index: int | None = None) -> list[FaceRow | None]:
    """The face in every frame, measured."""
    return [measure(sighting) for sighting in watch(frames, index, "the clip")]


def understood(frames: Sequence[np.ndarray], neutral: int = 0, side: int = 64) -> tuple[FaceTrack, References]:
    """Track and references of some frames, all of which are looked at."""
    rest, mouths, rows = RestFrames(), MouthFrames(), []
    for index, sighting in enumerate(watch(frames, 0, "the clip")):
        row = measure(sighting)
        assert row is not None
        rows.append(row)
        square = cut_square(sighting.frame, row.to_image, side)
        rest.add(index, sighting, square)
        mouths.add(index, sighting, square, sharpness=1.0)
    track = FaceTrack.of(rows)
    references = References.of(track, neutral, neutral)
    track = replace(track, motion=read_motion(track, references))
    return track, references.with_frames(rest, mouths, track, {i: i for i in range(len(track))})


class PaintEngine:
    """Paints the patch in one colour; remembers what it was asked."""

    def __init__(self, colour: tuple[int, int, int] = (10, 200, 30), margin: int = 24):
        self.colour = colour
        self.margin = margin
        self.drawn = 0
        self.motion: list[np.ndarray] = []

    def draw(
        self, frames: list[np.ndarray], landmarks: FaceTrack, motion: Tensor, references: References
    ) -> list[Patch]:
        assert len(frames) == len(landmarks) == len(motion)
        self.drawn += len(frames)
        self.motion += list(motion.numpy())
        return [self.patch(frame, lower) for frame, lower in zip(frames, landmarks.lower, strict=True)]

    def patch(self, frame: np.ndarray, lower: np.ndarray) -> Patch:
        height, width = frame.shape[:2]
        left, top = (np.floor(lower.min(0)).astype(int) - self.margin).clip(0).tolist()
        right, bottom = np.minimum(np.ceil(lower.max(0)).astype(int) + self.margin, [width, height]).tolist()
        pixels = np.empty((bottom - top, right - left, 3), np.float32)
        pixels[:] = self.paint(frame[top:bottom, left:right])
        return Patch(left, top, pixels, lower)

    def paint(self, area: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.array(self.colour, np.float32), area.shape)


class CopyEngine(PaintEngine):
    """Gives the frame back as it is."""

    def paint(self, area: np.ndarray) -> np.ndarray:
        return area.astype(np.float32)
