"""The neutral face of a person, estimated from one picture: smile, open jaw and parted lips are taken out."""

from dataclasses import dataclass

import numpy as np

from imtalker.faces.mesh import LIP_INNER_LOWER, LIP_INNER_UPPER

JAW_ANGLE = np.radians(20.0)  # at jaw = 1
JAW_GLIDE = (-0.5, 1.5)  # cm down and forward at jaw = 1 (the condyle slides)
JAW_AXIS = (-1.6, -6.3)  # y, z of the temporomandibular axis, cm
_SMILE_SPOTS = [61, 291, 78, 308, 57, 287, 186, 410, 212, 432, 205, 425, 50, 280, 187, 411, 206, 426]
# Columns of the lip operator: the outer upper line (11), the outer lower one without its corners (9), the inner ones.
_OUTER_UPPER, _OUTER_LOWER = slice(1, 10), slice(11, 20)
_INNER_UPPER, _INNER_LOWER = slice(21, 30), slice(31, 40)


@dataclass(frozen=True, eq=False)
class NeutralModel:
    """Statistics over several hundred faces, head frame, cm."""

    face: np.ndarray  # (468,3) the average neutral face
    smile: np.ndarray  # (468,3) displacement of the average smile
    jaw_weight: np.ndarray  # (468,) share of the jaw's motion that a vertex takes
    lip_operator: np.ndarray  # (468,40) spreads displacements of the lips over the face


def jaw_displacement(points: np.ndarray, jaw: np.ndarray | float) -> np.ndarray:
    """Displacement (...,N,3) of points fixed to the jaw when it opens by ``jaw`` (broadcast over the frames)."""
    jaw = np.asarray(jaw, np.float64)[..., None]
    theta = jaw * JAW_ANGLE
    c, s = np.cos(theta), np.sin(theta)
    y, z = points[..., 1] - JAW_AXIS[0], points[..., 2] - JAW_AXIS[1]
    dy = y * c - z * s - y + jaw * JAW_GLIDE[0]
    dz = y * s + z * c - z + jaw * JAW_GLIDE[1]
    return np.stack([np.zeros_like(dy), dy, dz], -1)


def seal_lips(face: np.ndarray, lip_operator: np.ndarray) -> np.ndarray:
    """Bring the inner lips of one face (468,3) together half-way; the outer contour follows by half."""
    handles = np.zeros((40, 3))
    upper, lower = face[list(LIP_INNER_UPPER)], face[list(LIP_INNER_LOWER)]
    middle = (upper + lower) / 2
    handles[_INNER_UPPER] = (middle - upper)[1:-1]
    handles[_INNER_LOWER] = (middle - lower)[1:-1]
    handles[_OUTER_UPPER] = 0.5 * handles[_INNER_UPPER]
    handles[_OUTER_LOWER] = 0.5 * handles[_INNER_LOWER]
    return face + lip_operator @ handles


def remove_expression(face: np.ndarray, model: NeutralModel) -> tuple[np.ndarray, float]:
    """Neutral face (468,3) with sealed lips, and the lip gap (cm) of the given face (468,3)."""
    gap = float(np.mean(face[list(LIP_INNER_UPPER[3:8]), 1] - face[list(LIP_INNER_LOWER[3:8]), 1]))
    weight = np.array([1.0, 1.0, 0.3])  # depth of landmarks is the least certain
    delta, residual = model.smile[_SMILE_SPOTS], (face - model.face)[_SMILE_SPOTS]
    smile = float(np.clip((residual * delta * weight).sum() / (delta * delta * weight).sum(), 0, 1.6)) * 0.85
    jaw = float(np.clip(0.35 * (gap - 0.05) / 2.2, 0, 0.4))  # a toothy smile opens the jaw a little
    neutral = face - smile * model.smile
    neutral = neutral - jaw_displacement(neutral, jaw) * model.jaw_weight[:, None]
    return seal_lips(neutral, model.lip_operator), gap
