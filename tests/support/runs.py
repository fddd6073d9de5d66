"""What tests of runs share: quick sampling, a square, speech, and how frames are compared."""

import numpy as np
import torch

from imtalker import CropBox, SamplingOptions
from tests.support.sample_media import tone

FAST = SamplingOptions(num_steps=2)
BOX = CropBox(40, 30, 180)  # in a drawn face


def speech(seconds: float = 2.5) -> np.ndarray:
    return tone(seconds)[:, 0]


def all_frames(animation) -> np.ndarray:
    return np.concatenate([chunk.frames for chunk in animation])


def rendered_motion(animation) -> torch.Tensor:
    all_frames(animation)
    return animation.motion.motion


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal up to the last bit before rounding, which depends on where tensors lie in memory."""
    return a.shape == b.shape and np.abs(a.astype(int) - b).max() <= 1
