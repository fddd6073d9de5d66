"""How two faces differ, frame by frame: identity, expression, pose, gaze, lips.

The paper measures expression and pose by 3D morphable models, gaze by L2CS-Net and identity by ArcFace.
Here all come from face-mesh landmarks (and SFace), so the values are not comparable with the paper's.
Every function takes arrays over frames; frames that hold NaN on either side are left out, and the result
is NaN when none remains.
"""

import numpy as np

from imtalker.faces.mesh import LIPS
from imtalker.faces.readings import HeadFrame
from imtalker.faces.rigid import gaze_vector, rotation_matrix


def csim(result: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cosine similarity of identity embeddings (K,D) and (K,D) or (D,): (K,) -1..1, higher is better.

    Source: CSIM, Deng et al. 2019 (ArcFace); here by SFace.
    """
    target = np.broadcast_to(target, result.shape)
    norms = np.linalg.norm(result, axis=-1) * np.linalg.norm(target, axis=-1)
    return (result * target).sum(-1) / norms


def aed(result: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Average expression distance: mean absolute difference of blendshapes (T,52), (T,) 0..1, lower is
    better.

    Source: AED, Siarohin et al. 2019; here on the 51 coefficients after the neutral one.
    """
    return np.abs(result[:, 1:] - target[:, 1:]).mean(1)


def apd(result: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Average pose distance: mean absolute difference of yaw, pitch, roll (T,3), (T,) degrees, lower is
    better.

    Source: APD, Siarohin et al. 2019; here in degrees, by a rigid fit to the landmarks.
    """
    return np.abs((result - target + 180) % 360 - 180).mean(1)


def gaze_direction(pose: np.ndarray, gaze: np.ndarray) -> np.ndarray:
    """Unit vectors of the gaze as the camera sees it, (T,3): x image right, y up, z toward the camera.

    Args:
        pose: (T,3) yaw, pitch, roll of the head, degrees.
        gaze: (T,2) gaze relative to the head to the image's right and up, degrees.
    """
    in_head = gaze_vector(*gaze.T)
    return np.einsum("tij,tj->ti", rotation_matrix(*pose.T), in_head)


def angular_error(result: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Angle between unit vectors (T,3), (T,) degrees 0..180, lower is better (MAE of gaze, Doukas et al.
    2021).
    """
    return np.degrees(np.arccos(np.clip((result * target).sum(1), -1, 1)))


def lip_distance(result: HeadFrame, target: HeadFrame) -> float:
    """LMD of the mouth: mean distance of 40 lip landmarks, both heads brought into one frame, mm; lower is
    better.

    Pose, size and place of the heads do not count; the shape of the face and of the lips does.
    Source: landmark distance, Chen et al. 2018; here in millimetres on a face of average size.
    """
    difference = result.points[list(LIPS), :2] - target.points[list(LIPS), :2]
    return float(np.linalg.norm(difference - difference.mean(0), axis=1).mean() * 10)


def finite_mean(values: np.ndarray) -> float:
    """Mean of the values that are numbers; NaN when there is none."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")
