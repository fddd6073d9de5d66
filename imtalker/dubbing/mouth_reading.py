"""What the face does in every frame, read from its landmarks against the frame in which it is at rest.

Expression moves landmarks linearly, so it follows from where they lie against those of the neutral frame. For the mouth
this is least squares with the usual size of every component as prior (ridge regression) on the lower face alone.
"""

import numpy as np
import torch

from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.references import References
from imtalker.dubbing.tracking import FaceTrack, smoothed
from imtalker.generator.motion_layout import HEAD_CHANNELS
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS, combine

NOISE = 0.06  # cm, of one landmark
LIPS_BEGIN = 24  # landmarks before are the border of the face and the foot of the nose
HEAD_SMOOTHING = 1.5  # frames
BORDER_NOISE = 4.0  # times as uncertain: the outline moves with the head's turn


def read_motion(track: FaceTrack, references: References) -> np.ndarray:
    """Motion ``(T, 32)`` of the frames.

    The head's part is smoothed over time, since place, size and roll are in the registration already.
    """
    parts = mouth_space()
    basis = parts.displacement.reshape(len(parts.deviation), -1, 3)[..., :2].reshape(len(parts.deviation), -1)
    noise = np.full(len(parts.landmarks), NOISE)
    noise[:LIPS_BEGIN] *= BORDER_NOISE
    certainty = np.repeat(1 / noise**2, 2)
    normal = (basis * certainty) @ basis.T + np.diag(1 / parts.deviation.astype(np.float64) ** 2)
    moved = (track.shape - track.shape[references.neutral]).reshape(len(track), -1)
    change = np.linalg.solve(normal, basis * certainty @ moved.T).T
    mouth = np.repeat(references.motion[None], len(track), 0)
    mouth[:, EXPRESSION_CHANNELS] += change.astype(np.float32)
    rest = track.motion.copy()
    rest[:, EXPRESSION_CHANNELS] -= rest[references.neutral, EXPRESSION_CHANNELS]
    rest[:, HEAD_CHANNELS] = smoothed(rest[:, HEAD_CHANNELS], track.first, HEAD_SMOOTHING)
    return combine(torch.from_numpy(mouth), torch.from_numpy(rest), "lips").numpy()
