"""Statistics and operators on the 478-point face mesh, and the fixed triangle list of a puppet.

The face mesh has 468 skin vertices (852 triangles; the two eye openings and the mouth opening are holes) and
10 iris points. A puppet adds 8 rings of 36 vertices outside the face oval (hair, neck, shoulders) and strips of
triangles behind the three holes.

``constants.npz`` holds float32 statistics over several hundred faces and operators derived from them
(mean neutral face in cm, jaw weights, lip / lid / brow extension operators, mean smile); all are exactly
mirror-symmetric under ``MIRROR``.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np

from imtalker.faces.mesh import (
    BROW_L,
    BROW_R,
    EYE_L_LOWER,
    EYE_L_UPPER,
    EYE_R_LOWER,
    EYE_R_UPPER,
    EYES,
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    LIP_OUTER_LOWER,
    LIP_OUTER_UPPER,
    NUM_FACE,
    OVAL,
)
from imtalker.faces.neutral import NeutralModel

RING_DISTANCES = (0.6, 1.4, 2.4, 3.6, 5.2, 7.5, 11.0, 20.0)  # cm outward from the oval
NUM_RINGS = len(RING_DISTANCES)
NUM_VERTICES = NUM_FACE + NUM_RINGS * len(OVAL)

# what a pixel shows
BACKGROUND, SKIN, MOUTH, RIGHT_EYE, LEFT_EYE = range(5)

# handles (controlled vertices) of the extension operators, in the column order of the stored matrices
LIP_HANDLES = LIP_OUTER_UPPER + LIP_OUTER_LOWER[1:-1] + LIP_INNER_UPPER + LIP_INNER_LOWER[1:-1]
LID_HANDLES = EYE_R_UPPER[1:-1] + EYE_R_LOWER[1:-1] + EYE_L_UPPER[1:-1] + EYE_L_LOWER[1:-1]
BROW_HANDLES = BROW_R + BROW_L

with np.load(Path(__file__).with_name("constants.npz")) as _constants:
    FACE_TRIANGLES = _constants["triangles"].astype(np.int32)  # (852,3)
    MIRROR = _constants["pair"].astype(np.int64)  # (468,) index of the mirrored vertex
    MEAN_NEUTRAL = _constants["mean_neutral"].astype(np.float64)  # (468,3) cm
    JAW_WEIGHT = _constants["jaw_weight"].astype(np.float64)  # (468,)
    LIP_OPERATOR = _constants["lip_operator"].astype(np.float64)  # (468,40)
    LID_OPERATOR = _constants["lid_operator"].astype(np.float64)  # (468,28)
    BROW_OPERATOR = _constants["brow_operator"].astype(np.float64)  # (468,20)
    SMILE = _constants["smile"].astype(np.float64)  # (468,3) cm


NEUTRAL_MODEL = NeutralModel(MEAN_NEUTRAL, SMILE, JAW_WEIGHT, LIP_OPERATOR)


def _ring_triangles() -> np.ndarray:
    n = len(OVAL)
    loops = [list(OVAL)] + [list(range(NUM_FACE + k * n, NUM_FACE + (k + 1) * n)) for k in range(NUM_RINGS)]
    triangles = []
    for inner, outer in pairwise(loops):
        for i in range(n):
            j = (i + 1) % n
            triangles += [(inner[i], outer[i], outer[j]), (inner[i], outer[j], inner[j])]
    return np.array(triangles, np.int32)


def _strip_triangles(upper: tuple[int, ...], lower: tuple[int, ...]) -> np.ndarray:
    triangles = []
    for i in range(len(upper) - 1):
        if upper[i] != lower[i]:
            triangles.append((upper[i], lower[i], lower[i + 1]))
        if upper[i + 1] != lower[i + 1]:
            triangles.append((upper[i], lower[i + 1], upper[i + 1]))
    return np.array(triangles, np.int32)


_HOLES = ((LIP_INNER_UPPER, LIP_INNER_LOWER), *EYES)
_PARTS = [np.concatenate([FACE_TRIANGLES, _ring_triangles()])] + [_strip_triangles(u, lo) for u, lo in _HOLES]
TRIANGLES = np.concatenate(_PARTS).astype(np.int32)  # (1474,3)
TRIANGLE_LAYER = np.concatenate([np.full(len(p), SKIN + i, np.uint8) for i, p in enumerate(_PARTS)])


def _hole_coordinates() -> np.ndarray:
    uv = np.zeros((NUM_VERTICES, 2), np.float32)
    for upper, lower in _HOLES:
        along = np.linspace(-1, 1, len(upper))
        uv[list(upper)] = np.stack([along, np.zeros_like(along)], 1)
        uv[list(lower)] = np.stack([along, np.ones_like(along)], 1)
        uv[[upper[0], upper[-1]], 1] = 0.5
    return uv


HOLE_UV = _hole_coordinates()  # along the hole -1..1; 0 at the upper rim, 1 at the lower
