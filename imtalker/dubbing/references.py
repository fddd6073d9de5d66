"""Frames of the clip that show best what the person looks like: lips closed at rest, and one that shows the teeth."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from imtalker.dubbing.mouth_frames import MouthFrames
from imtalker.dubbing.mouth_space import parted_lips
from imtalker.dubbing.rest_frames import OpenFrame, RestFrames
from imtalker.dubbing.source_frame import SourceFrame
from imtalker.dubbing.tracking import FaceTrack
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS

SHARE_OF_EYES = 0.75  # of the usual opening of the lids; below, the eyes blink


@dataclass(frozen=True, eq=False)
class References:
    """Reference frames of a clip."""

    neutral: int  # frame: frontal, lips closed, sharp (IMGTalk's neutral silent state)
    motion: np.ndarray  # (32,) float32 of the neutral frame
    shape: np.ndarray  # (K, 2) float32 cm, landmarks of its lower face, see ``FaceTrack.shape``
    appearance: np.ndarray  # (23,) float32, its expression against the average face: how the person looks at rest
    rest: tuple[SourceFrame, ...] = ()  # frames to draw from, with the mouth at rest
    rest_motion: np.ndarray = field(default_factory=lambda: np.zeros((0, 32), np.float32))  # (R, 32) of these
    rest_pose: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))  # (R, 2) their yaw and pitch, degrees
    mouths: tuple[SourceFrame, ...] = ()  # frames that show what mouths of many openings and widths look like
    mouth_motion: np.ndarray = field(default_factory=lambda: np.zeros((0, 32), np.float32))  # (M, 32) of these
    mouth_pose: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))  # (M, 2) their yaw and pitch, degrees
    open: OpenFrame | None = None  # shows the teeth
    open_motion: np.ndarray = field(default_factory=lambda: np.zeros(32, np.float32))  # (32,) of it

    @classmethod
    def of(cls, track: FaceTrack, row: int, number: int) -> "References":
        """With one row of a track as the neutral frame, which is frame ``number`` of the clip.

        That this face is at rest is known because it was chosen for it; from one picture it is read with errors of half
        a centimetre, full lips looking parted, and all that is asked of the mouth is asked against this frame.
        """
        motion = track.motion[row].copy()
        motion[EXPRESSION_CHANNELS] = parted_lips(float(track.opening[row]))
        return cls(number, motion, track.shape[row], track.motion[row, EXPRESSION_CHANNELS])

    def with_frames(
        self, frames: RestFrames, mouths: MouthFrames, track: FaceTrack, rows: Mapping[int, int]
    ) -> "References":
        """The same with frames to draw from.

        Args:
            track: of frames of the clip, with their motion read.
            rows: numbers of frames -> their rows in the track.
        """
        pose = np.stack([track.yaw, track.pitch], 1)
        rest, shown = frames.result(), mouths.result()
        at_rest, at_shown = (np.array([rows[frame.index] for frame in kept], int) for kept in (rest, shown))
        found = replace(
            self,
            rest=rest,
            rest_motion=track.motion[at_rest],
            rest_pose=pose[at_rest],
            mouths=shown,
            mouth_motion=track.motion[at_shown],
            mouth_pose=pose[at_shown],
        )
        if frames.open is None:
            return found
        return replace(found, open=frames.open, open_motion=track.motion[rows[frames.open.index]])


def choose_neutral(track: FaceTrack, sharpness: np.ndarray) -> int:
    """The row of a track that serves best as the neutral frame.

    Args:
        sharpness: ``(T,)`` of the face in every row that shows it.
    """
    seen = np.flatnonzero(track.seen)
    turned = np.hypot(track.yaw, track.pitch - np.median(track.pitch[seen]))[seen] / 15
    opening = track.opening[seen]
    shut = np.clip((opening - np.percentile(opening, 5)) / 0.5, 0, None)
    blurred = np.clip(1 - sharpness[seen] / max(np.median(sharpness[seen]), 1e-6), 0, None)
    lids = track.lids[seen]
    blink = (lids < SHARE_OF_EYES * np.median(lids)).astype(float)
    return int(seen[np.argmin(turned + 2 * shut + blurred + blink)])


def sharpness_of(square: np.ndarray) -> float:
    """Energy of the finest detail of a registered square, uint8 RGB."""
    return float(cv2.Laplacian(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())
