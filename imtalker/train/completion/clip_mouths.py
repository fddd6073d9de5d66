"""Mouth patches of a video, followed as dubbing follows it; with its counterfactual where there is one.

``NAME.mp4`` and ``NAME-other.mp4`` show the same head, eyes and light frame by frame, and another mouth (``python -m
tools.synthetic_people clips`` makes some). Real video has no such twin.
"""

from itertools import islice
from pathlib import Path

import numpy as np

from imtalker.dubbing.completion.mouth_patch import apply, cut_patch, inverse, patch_to_image
from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.references import choose_references
from imtalker.dubbing.registration import register
from imtalker.dubbing.timing import MAX_YAW
from imtalker.dubbing.tracking import FaceTrack, TrackRecorder, watch
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
    parts = [_followed(path, fps, max_seconds, side) for path in (clip, other) if path.is_file()]
    track = parts[0][0]
    references = choose_references(track)
    columns: dict[str, list[np.ndarray]] = {}
    for one, patches in parts:
        one_references = references if one is track else choose_references(one)
        motion = read_motion(one, one_references)
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


def _followed(path: Path, fps: float, max_seconds: float, side: int) -> tuple[FaceTrack, dict[int, np.ndarray]]:
    """The face's track, and the patches of the frames that show it."""
    recorder = TrackRecorder()
    frames = islice(read_frames(path, fps), max(1, round(max_seconds * fps)))
    kept: dict[int, np.ndarray] = {}
    for index, sighting in enumerate(watch(frames, SQUARE, 0, f"clip {path}")):
        recorder.add(sighting)
        if sighting.face is not None:
            place = register(sighting.face)
            kept[index] = cut_patch(sighting.frame, place.to_image, place.turn, side)
    return recorder.result(f"clip {path}"), kept
