"""How far lids are open, as a share of how far the person's own are at rest.

An explicit motion means the same by a blink for everybody: lids that meet. In centimetres it is another way for
everyone, and what a blink of narrow eyes leaves of wide ones is half of them.
"""

import numpy as np

from imtalker.faces.mesh import BROW_L, BROW_R, EYES, LIP_INNER_LOWER, LIP_INNER_UPPER, NUM_FACE
from imtalker.faces.smooth import smoothstep

SHUT = 0.12  # cm that the landmark model puts between lids that are shut
HALF_SHUT = (0.35, 0.5)  # cm: narrower lids at rest are not at rest but shut; wider ones are the person's own
_MIDDLE = slice(3, 6)  # of the landmarks of a lid


def lid_gaps(face: np.ndarray) -> np.ndarray:
    """Opening (...,2) of the lids in cm, the image's left eye first, of faces (...,468,3) in the head frame."""
    return np.stack([_apart(face[..., 1], upper[_MIDDLE], lower[_MIDDLE]) for upper, lower in EYES], -1)


def open_gaps(rest: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Opening (2,) in cm of the open eyes of someone whose lids are ``rest`` cm apart in a picture at rest.

    typical: (2,) cm, of the average face; taken where the eyes of the picture are shut.
    """
    return typical + open_eyes(rest) * (rest - typical)


def open_eyes(gaps: np.ndarray) -> np.ndarray:
    """How surely lids ``gaps (2,)`` cm apart are those of open eyes, 0 to 1."""
    return smoothstep(*HALF_SHUT, gaps)


def lid_shares(gaps: np.ndarray, rest: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Openings (2,) as shares of those of the open eyes, 0 shut: of ``gaps (2,)`` cm; see :func:`open_gaps`."""
    return np.maximum(gaps - SHUT, 0) / (open_gaps(rest, typical) - SHUT)


def lid_readout(components: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(k,2) change of either eye's share of its opening for one unit of each of k components of an expression.

    Args:
        components: (k,1404) displacement in cm.
        face: (468,3) cm, the average face.
    """
    return lid_gaps(components.reshape(-1, NUM_FACE, 3)) / lid_gaps(face)


def lid_directions(components: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(2,k) expressions that open either eye by its whole opening and leave the other one, lips and brows."""
    moved = components.reshape(-1, NUM_FACE, 3)[..., 1]
    lips = _apart(moved, LIP_INNER_UPPER[3:8], LIP_INNER_LOWER[3:8])
    brows = [moved[:, list(brow)].mean(-1) for brow in (BROW_R, BROW_L)]
    readouts = np.column_stack([lid_readout(components, face), lips, *brows])
    return np.linalg.pinv(readouts)[:2]


def _apart(heights: np.ndarray, upper: tuple[int, ...], lower: tuple[int, ...]) -> np.ndarray:
    return (heights[..., list(upper)] - heights[..., list(lower)]).mean(-1)
