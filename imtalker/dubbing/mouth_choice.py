"""Which frames of a clip show the mouth that is asked for.

They are chosen by what is asked and by the pose of the head alone: what the mouth does in the frame that is dubbed has
no part in it.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.own_mouth import opening_and_width
from imtalker.dubbing.references import References
from imtalker.dubbing.tracking import FaceTrack
from imtalker.faces.smooth import smoothstep

OPENING, WIDTH, ANGLE = 0.12, 0.25, 20.0  # cm, cm and degrees of yaw and pitch that count the same
SOFTNESS = 0.25  # of these, over which one frame passes into the next
LEAST = 0.15  # share of a frame that is worth drawing
FAR = (0.25, 0.5)  # cm that a mouth is further or less open than asked for, from which on it does not show it


class MouthChoice(NamedTuple):
    """Frames for n mouths."""

    shares: np.ndarray  # (n, M) of the frames that show mouths, mostly one or two in each row, which sums to 1
    shown: np.ndarray  # (n,) 0..1 how far they show what is asked


def chosen_mouths(landmarks: FaceTrack, motion: Tensor, references: References) -> MouthChoice:
    """Choose among ``References.mouths``, smoothly in what is asked and in the pose.

    Args:
        landmarks: n rows.
        motion: ``(n, 32)`` what is asked.
    """
    if not references.mouths:
        return MouthChoice(np.zeros((len(motion), 0)), np.zeros(len(motion)))
    asked, there = opening_and_width(motion), opening_and_width(torch.from_numpy(references.mouth_motion))
    mouth = (asked[:, None] - there) / [OPENING, WIDTH]
    pose = (np.stack([landmarks.yaw, landmarks.pitch], 1)[:, None] - references.mouth_pose) / ANGLE
    far = np.sqrt((mouth**2).sum(-1) + (pose**2).sum(-1))
    shares = np.exp((far.min(1, keepdims=True) - far) / SOFTNESS)
    shares /= shares.sum(1, keepdims=True)
    third = np.sort(shares, 1)[:, -3, None] if shares.shape[1] > 2 else np.zeros((len(shares), 1))
    least = np.minimum(np.maximum(LEAST, third), 0.9 * shares.max(1, keepdims=True))  # where many are as near
    shares = np.clip(shares - least, 0, None)
    shares /= shares.sum(1, keepdims=True)
    return MouthChoice(shares, 1 - smoothstep(*FAR, np.abs(asked[:, 0] - shares @ there[:, 0])))
