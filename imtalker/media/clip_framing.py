"""Where the square lies in each frame of a clip: fixed where the face keeps its place, else following it slowly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from imtalker.config import FRAME_RATE, CropConfig
from imtalker.media.crop import CropBox, Placement, square_crop_box, square_placement
from imtalker.media.face_detector import Face
from imtalker.media.face_track import FaceTrack, Look
from imtalker.media.remark import Remark

STRAY = 0.12  # of the square's side by which a face may leave its usual place,
ZOOM = 1.25  # and factor by which it may grow or shrink, before the square follows
OFTEN = 0.05  # share of the looks in which it must
SMOOTHING = 0.6  # seconds (deviation of a Gaussian): slower than nodding and turning, faster than walking
HIDDEN = 0.04  # share of a clip without a face from which it is worth a remark
CUT_OFF = 0.25  # share of the looks in which the face touches the border


@dataclass(frozen=True)
class Shot:
    """A piece of a clip between two cuts, and the square in it at some times; between them it moves evenly."""

    start: float  # seconds
    times: np.ndarray  # (K,) seconds, K = 1: the square does not move
    places: tuple[Placement, ...]  # K

    def at(self, time: float) -> Placement:
        """The square at a time."""
        if len(self.places) == 1:
            return self.places[0]
        x, y, side = (
            float(np.interp(time, self.times, [getattr(place, name) for place in self.places]))
            for name in ("x", "y", "side")
        )
        return Placement(x, y, side, self.places[0].angle)


@dataclass(frozen=True)
class ClipFraming:
    """The one decision on how a clip is framed, for page, command line and programs alike.

    Why a square that moves is only followed, and its own movement not given back to the head: it moves so far because
    the driver left the range of translation and scale that a portrait can be rendered in. What is faster than the
    square (nods, turns, a lean) stays in the motion.
    """

    size: tuple[int, int]  # (height, width) of the clip's pictures
    shots: Sequence[Shot]  # in order, at least one
    hidden: tuple[tuple[float, float], ...] = ()  # seconds (from, to) without the face
    remarks: tuple[Remark, ...] = ()
    first_picture: np.ndarray | None = field(default=None, repr=False)  # the first with a face, to show
    first_time: float = 0.0  # seconds, when that is
    faces: tuple[Face, ...] = ()  # in it, largest first, pixels of the clip

    @property
    def follows(self) -> bool:
        """Whether the square moves, or jumps at a cut."""
        return len(self.shots) > 1 or len(self.shots[0].places) > 1

    @property
    def box(self) -> CropBox:
        """The square of the first picture with a face, for showing and for comparisons that need a still one."""
        place = self.at(math.ceil(self.first_time * FRAME_RATE))
        side = round(place.side)
        return CropBox(round(place.x - side / 2), round(place.y - side / 2), side, place.angle)

    def at(self, frame: int, fps: int = FRAME_RATE) -> Placement:
        """The square in a frame of ``read_frames``."""
        time = frame / fps + 0.5 / fps  # a cut belongs to the frame nearest to it
        shot = next((shot for shot in reversed(self.shots) if shot.start <= time), self.shots[0])
        return shot.at(frame / fps)

    def sees_face(self, frame: int, fps: int = FRAME_RATE) -> bool:
        """Whether the face is visible in a frame of ``read_frames``."""
        time = frame / fps + 0.5 / fps
        return not any(start <= time < end for start, end in self.hidden)


def fixed_framing(box: CropBox, size: tuple[int, int]) -> ClipFraming:
    """The same square in every frame, as chosen by hand."""
    return ClipFraming(size, (Shot(0.0, np.zeros(1), (box.placement,)),))


def frame_clip(track: FaceTrack, crop: CropConfig, angle: float = 0.0) -> ClipFraming:
    """Squares for a followed face.

    Args:
        crop: how the preset's square relates to a face box.
        angle: by which the clip is tilted, degrees.
    """
    shots: list[Shot] = []
    moving = 0.0
    for number in sorted({look.shot for look in track.seen}):
        looks = [look for look in track.seen if look.shot == number]
        shot, strays = _shot(looks, track.cuts[number - 1] if number else 0.0, track.size, crop, angle)
        shots.append(shot)
        moving += strays * len(looks)
    hidden = _hidden(track)
    remarks = _remarks(track, hidden, moving / len(track.seen), any(len(shot.places) > 1 for shot in shots))
    first = track.seen[0].time
    return ClipFraming(track.size, tuple(shots), hidden, remarks, track.first_picture, first, tuple(track.first_faces))


def _shot(
    looks: Sequence[Look], start: float, size: tuple[int, int], crop: CropConfig, angle: float
) -> tuple[Shot, float]:
    """The square of one shot, and the share of its looks in which a fixed one would not have fitted."""
    boxes = np.array([look.box for look in looks])
    times = np.array([look.time for look in looks])
    usual = np.median(boxes, axis=0)
    fixed = square_crop_box([float(value) for value in usual], size, crop, angle)
    centres, sizes = _centres(boxes), np.maximum(*_lengths(boxes))
    stray = np.linalg.norm(centres - _centres(usual[None]), axis=1) / fixed.side
    zoom = np.abs(np.log(sizes / max(_lengths(usual[None])[0][0], _lengths(usual[None])[1][0])))
    outside = float(((stray > STRAY) | (zoom > math.log(ZOOM))).mean())
    if outside <= OFTEN:
        return Shot(start, times[:1], (fixed.placement,)), 0.0
    smooth = _smoothed(times, np.column_stack([centres, np.log(sizes)]))
    places = []
    for x, y, log_size in smooth:
        half = math.exp(log_size) / 2
        places.append(square_placement((x - half, y - half, x + half, y + half), size, crop, angle))
    return Shot(start, times, tuple(places)), outside


def _smoothed(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values ``(K, d)`` smoothed over time by a local straight line, which neither lags nor flattens at the ends."""
    result = np.empty_like(values, dtype=np.float64)
    for index, time in enumerate(times):
        offset = times - time
        weight = np.exp(-0.5 * (offset / SMOOTHING) ** 2)
        design = np.column_stack([np.ones_like(offset), offset]) * np.sqrt(weight)[:, None]
        target = values * np.sqrt(weight)[:, None]
        result[index] = np.linalg.lstsq(design, target, rcond=None)[0][0]
    return result


def _hidden(track: FaceTrack) -> tuple[tuple[float, float], ...]:
    """Spans without the face: from the first look that misses it to the first that sees it again."""
    spans: list[tuple[float, float]] = []
    begin: float | None = None
    for look in track.looks:
        if look.box is None:
            begin = look.time if begin is None else begin
        elif begin is not None:
            spans.append((begin, look.time))
            begin = None
    if begin is not None:
        spans.append((begin, math.inf))
    return tuple(spans)


def _remarks(
    track: FaceTrack, hidden: tuple[tuple[float, float], ...], outside: float, follows: bool
) -> tuple[Remark, ...]:
    remarks = []
    length = max(track.end, 1e-6)
    unseen = sum(min(end, length) - start for start, end in hidden if start < length)
    first = track.seen[0].time
    if first > 0.1:
        remarks.append(Remark("late_face", f"no face is seen in the first {first:.1f} s; its first pose is held there"))
        unseen -= first
    if unseen / length > HIDDEN:
        start = next(start for start, _ in hidden if start > 0 or first <= 0.1)
        remarks.append(
            Remark(
                "hidden_face",
                f"no face is seen for {unseen:.1f} s, first at {start:.1f} s; the last pose is held there. "
                "Cut these parts out if that looks wrong",
            )
        )
    if track.cuts:
        when = ", ".join(f"{cut:.1f} s" for cut in track.cuts[:4]) + (" and later" if len(track.cuts) > 4 else "")
        remarks.append(
            Remark(
                "cut",
                f"the scene is cut or another person appears at {when}; the largest face is followed from there. "
                "Use one shot of one person for even motion",
            )
        )
    if follows:
        remarks.append(
            Remark(
                "moving_face",
                f"the face leaves its place in {100 * outside:.0f} % of the clip; the square follows it slowly. "
                "A clip in which only the head moves works best",
            )
        )
    if track.most_faces > 1:
        remarks.append(
            Remark("more_faces", f"{track.most_faces} faces are seen; one is followed, another can be chosen")
        )
    if _touches_border(track) > CUT_OFF:
        remarks.append(
            Remark("cut_off", "the face reaches over the border of the clip; leave room round the head when recording")
        )
    return tuple(remarks)


def _touches_border(track: FaceTrack) -> float:
    height, width = track.size
    boxes = np.array([look.box for look in track.seen])
    margin = 0.02 * np.maximum(*_lengths(boxes))
    near = (boxes[:, 0] < margin) | (boxes[:, 1] < margin)
    near |= (boxes[:, 2] > width - margin) | (boxes[:, 3] > height - margin)
    return float(near.mean())


def _centres(boxes: np.ndarray) -> np.ndarray:
    return np.column_stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]]) / 2


def _lengths(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
