"""Frames of the clip that show best what the person looks like: lips closed at rest, and one that shows the teeth."""

from dataclasses import dataclass, field, replace

import numpy as np

from imtalker.dubbing.mouth_space import parted_lips
from imtalker.dubbing.rest_frames import OpenFrame, RestFrame, RestFrames
from imtalker.dubbing.tracking import FaceTrack
from imtalker.errors import InputError
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS

SHARE_OF_EYES = 0.75  # of the usual opening of the lids; below, the eyes blink


@dataclass(frozen=True, eq=False)
class References:
    """Reference frames of a clip."""

    neutral: int  # frame: frontal, lips closed, sharp (IMGTalk's neutral silent state)
    motion: np.ndarray  # (32,) float32 of the neutral frame
    rest: tuple[RestFrame, ...] = ()  # frames to draw from, with the mouth at rest
    rest_motion: np.ndarray = field(default_factory=lambda: np.zeros((0, 32), np.float32))  # (R, 32) of these
    rest_pose: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))  # (R, 2) their yaw and pitch, degrees
    open: OpenFrame | None = None  # shows the teeth
    open_motion: np.ndarray = field(default_factory=lambda: np.zeros(32, np.float32))  # (32,) of it

    def with_frames(self, frames: RestFrames, track: FaceTrack) -> "References":
        """The same with frames to draw from; ``track`` is the clip's, with its mouths read."""
        rest = frames.result()
        index = np.array([frame.index for frame in rest], int)
        found = replace(
            self,
            rest=rest,
            rest_motion=track.motion[index],
            rest_pose=np.stack([track.yaw[index], track.pitch[index]], 1),
        )
        if frames.open is None:
            return found
        return replace(found, open=frames.open, open_motion=track.motion[frames.open.index])


def choose_references(track: FaceTrack, neutral: int | None = None) -> References:
    """References of a track.

    Args:
        neutral: the frame to take for neutral; None: the best one.

    Raises:
        InputError: the face is not seen in the frame that was asked for.
    """
    seen = np.flatnonzero(track.seen)
    if neutral is not None and not (0 <= neutral < len(track) and track.seen[neutral]):
        raise InputError("the reference time shows no face; give another one in seconds, or leave it to the program")
    turned = np.hypot(track.yaw, track.pitch - np.median(track.pitch[seen]))[seen] / 15
    opening = track.opening[seen]
    shut = np.clip((opening - np.percentile(opening, 5)) / 0.5, 0, None)
    blurred = np.clip(1 - track.sharpness[seen] / np.median(track.sharpness[seen]), 0, None)
    lids = track.lids[seen]
    blink = (lids < SHARE_OF_EYES * np.median(lids)).astype(float)
    if neutral is None:
        neutral = int(seen[np.argmin(turned + 2 * shut + blurred + blink)])
    # That this face is at rest is known because it was chosen for it; from one picture it is read with errors of half
    # a centimetre, full lips looking parted, and all that is asked of the mouth is asked against this frame.
    motion = track.motion[neutral].copy()
    motion[EXPRESSION_CHANNELS] = parted_lips(float(track.opening[neutral]))
    return References(neutral, motion)
