"""Named channels of an explicit motion latent (``GeneratorConfig.motion_layout="explicit"``, the tiny preset).

0:3 yaw, pitch, roll / 10 degrees; 3:5 head translation; 5 log of the head's scale; 6:8 gaze x, y / 10 degrees in
the head's frame; the rest is expression. The official latent is learned and has no named channels.
"""

from typing import TypeVar

import numpy as np
from torch import Tensor

Array = TypeVar("Array", Tensor, np.ndarray)

POSE_CHANNELS = slice(0, 3)
HEAD_CHANNELS = slice(0, 6)  # pose, translation, scale
HEAD_DIM = 6
GAZE_CHANNELS = slice(6, 8)
CAMERA_CHANNELS = [5, 3, 4]  # scale, x, y: the order of the camera condition
ANGLE_UNIT = 10.0  # degrees per unit of pose and gaze


def camera_gaze(motion: Array) -> Array:
    """Gaze ``(..., 2)`` of a motion ``(..., 32)`` measured from the camera, not from the head.

    0 looks into the camera however the head is turned: what the gaze condition and the gaze controls mean.
    """
    return motion[..., GAZE_CHANNELS] + motion[..., :2]
