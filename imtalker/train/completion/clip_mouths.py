"""Mouth patches of a video, followed as dubbing follows it; with its counterfactual where there is one.

``NAME.mp4`` and ``NAME-other.mp4`` show the same head, eyes and light frame by frame, and another mouth (``python -m
tools.synthetic_people clips`` makes some). Real video has no such twin.
"""

from itertools import islice
from pathlib import Path

import numpy as np

from imtalker.dubbing.completion.mouth_patch import apply, cut_patch, inverse, patch_to_image
from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.references import References, choose_neutral, sharpness_of
from imtalker.dubbing.registration import cut_square
from imtalker.dubbing.timing import MAX_YAW
from imtalker.dubbing.tracking import FaceRow, FaceTrack, measure, watch
from imtalker.errors import NoFaceError
from imtalker.faces.motion_reading import SQUARE
from imtalker.media.video import native_rate, read_frames
from imtalker.train.completion.mouths import Mouths

OTHER = "-other"  # ending of a counterfactual's name
APART_SECONDS = 0.5  # frames nearer than that show nearly the same


def clip_mouths(clip: Path, side: int, max_seconds: float) -> Mouths:
    """Frames of one clip and of its counterfactual, patches of ``side`` pixels.

    Raises:
        InputError: unusable file.
        NoFaceError: nobody in it.
    """
    fps = float(native_rate(clip))
    other = clip.with_name(f"{clip.stem}{OTHER}{clip.suffix}")
    columns: dict[str, list[np.ndarray]] = {}
    for path in (clip, other) if other.is_file() else (clip,):
        one, motion, patches = _followed(path, fps, max_seconds, side)
        usable = [i for i in patches if abs(one.yaw[i]) <= MAX_YAW]
        maps = [inverse(patch_to_image(one.to_image[i], one.turn[i], side)) for i in usable]
        rows = {
            "patches": np.stack([patches[i] for i in usable]),
            "landmarks": np.stack([apply(m, one.lower[i]) for m, i in zip(maps, usable, strict=True)]),
            "motion": motion[usable],
            "turn": one.turn[usable],
            "pose": np.stack([one.yaw, one.pitch], 1)[usable],
            "opening": one.opening[usable],
        }
        for name, values in rows.items():
            columns.setdefault(name, []).append(values if name == "patches" else values.astype(np.float32))
        columns.setdefault("group", []).append(np.array(usable, np.int32))
    arrays = {name: np.concatenate(values) for name, values in columns.items()}
    return Mouths(apart=np.array(round(APART_SECONDS * fps), np.int32), **arrays)


def _followed(
    path: Path, fps: float, max_seconds: float, side: int
) -> tuple[FaceTrack, np.ndarray, dict[int, np.ndarray]]:
    """The face's track, its motion ``(T, 32)``, and the patches of the frames that show it."""
    what = f"clip {path}"
    rows: list[FaceRow | None] = []
    sharpness: list[float] = []
    kept: dict[int, np.ndarray] = {}
    frames = islice(read_frames(path, fps), max(1, round(max_seconds * fps)))
    for index, sighting in enumerate(watch(frames, 0, what)):
        row = measure(sighting)
        rows.append(row)
        if row is not None:
            sharpness.append(sharpness_of(cut_square(sighting.frame, row.to_image, SQUARE)))
            kept[index] = cut_patch(sighting.frame, row.to_image, row.turn, side)
    if not kept:
        raise NoFaceError(f"no face was found in {what}")
    track = FaceTrack.of(rows)
    found = np.array(list(kept))
    neutral = int(found[choose_neutral(track.take(found), np.array(sharpness))])
    return track, read_motion(track, References.of(track, neutral, neutral)), kept
