"""What the mouth does in every frame, read from its landmarks.

Expression moves landmarks linearly, so the mouth of a frame follows from where its landmarks lie against those of the
neutral frame: least squares with the usual size of every component as prior (ridge regression).
"""

from functools import lru_cache

import numpy as np
import torch

from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import landmarks_in_square, register
from imtalker.dubbing.tracking import FaceTrack, smoothed
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.motion_reading import SQUARE, MotionBasis, read_portrait
from imtalker.generator.motion_layout import HEAD_CHANNELS
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS, combine

NOISE = 0.06  # cm, of one landmark
LIPS_BEGIN = 24  # landmarks before are the border of the face and the foot of the nose
HEAD_SMOOTHING = 1.5  # frames
BORDER_NOISE = 4.0  # times as uncertain: the outline moves with the head's turn


def read_motion(track: FaceTrack, references: References, sigma: float = HEAD_SMOOTHING) -> np.ndarray:
    """Motion ``(T, 32)`` of the frames: the mouth by its landmarks, head and gaze as measured; eyes and brows, which
    no mouth needs, as in the neutral frame.

    Args:
        sigma: frames over which the head's part is smoothed, since place, size and roll are in the registration
            already; 0: not at all, for frames that do not follow each other.
    """
    moved = (track.shape - references.shape).reshape(len(track), -1)
    rest = np.repeat(references.motion[None], len(track), 0)
    mouth = rest.copy()
    mouth[:, EXPRESSION_CHANNELS] += moved @ _expression_of_landmarks()
    rest[:, : EXPRESSION_CHANNELS.start] = track.motion[:, : EXPRESSION_CHANNELS.start]
    if sigma:
        rest[:, HEAD_CHANNELS] = smoothed(rest[:, HEAD_CHANNELS], track.first, sigma)
    return combine(torch.from_numpy(mouth), torch.from_numpy(rest), "lips").numpy()


def neutral_motion(face: FaceLandmarks, basis: MotionBasis) -> np.ndarray:
    """Motion ``(32,)`` of the neutral frame, by its landmarks: what all others are measured against."""
    return read_portrait(landmarks_in_square(face.points, register(face).to_image, SQUARE), basis)


@lru_cache(maxsize=1)
def _expression_of_landmarks() -> np.ndarray:
    """``(2 K, 23)`` float32: displacements of the landmarks in cm -> expression."""
    parts = mouth_space()
    basis = parts.displacement.reshape(len(parts.deviation), -1, 3)[..., :2].reshape(len(parts.deviation), -1)
    noise = np.full(len(parts.landmarks), NOISE)
    noise[:LIPS_BEGIN] *= BORDER_NOISE
    certainty = np.repeat(1 / noise**2, 2)
    normal = (basis * certainty) @ basis.T + np.diag(1 / parts.deviation.astype(np.float64) ** 2)
    return np.linalg.solve(normal, basis * certainty).T.astype(np.float32)
