"""What the completion network is told about the mouth: numbers of the motion tokens."""

import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.mouth_space import lower_face, mouth_space

JAW, LIPS = slice(5, 14), slice(24, 64)  # of ``MouthSpace.landmarks``
ANGLE_UNIT = 10.0  # degrees
TONGUE = 31  # channel of the motion


def motion_numbers(motion: Tensor, yaw: np.ndarray, pitch: np.ndarray) -> tuple[Tensor, Tensor]:
    """Offsets ``(n, 49, 3)`` of jaw and lips in cm on the mean face, and pose ``(n, 3)``: yaw, pitch, tongue.

    Args:
        motion: ``(n, 32)``.
        yaw, pitch: ``(n,)`` degrees of the head in the frames.
    """
    moved = lower_face(motion) - mouth_space().neutral
    offsets = torch.from_numpy(np.concatenate([moved[:, JAW], moved[:, LIPS]], 1).astype(np.float32))
    angles = torch.from_numpy(np.stack([yaw, pitch], 1).astype(np.float32)) / ANGLE_UNIT
    return offsets, torch.cat([angles, motion[:, TONGUE, None].float().cpu() / 2], 1)
