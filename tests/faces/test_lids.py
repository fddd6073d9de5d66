"""Lids are told by shares of the person's own opening: what shuts in the clip shuts in the portrait."""

import numpy as np
import pytest

from imtalker.faces.lids import SHUT, lid_gaps, lid_shares, open_gaps
from imtalker.faces.mesh import EYES
from imtalker.faces.motion_reading import EXPRESSION, HeadReading, MotionBasis, motion_of
from imtalker.weights.load import bundled_basis

TYPICAL = np.array([0.75, 0.75])


@pytest.fixture(scope="module")
def basis() -> MotionBasis:
    return bundled_basis()


def with_gaps(face: np.ndarray, *gaps: float) -> np.ndarray:
    """The face with its lids so many cm apart, the image's left eye first."""
    face = face.astype(np.float64)
    for (upper, lower), gap, now in zip(EYES, gaps, lid_gaps(face), strict=True):
        middle = (face[list(upper)] + face[list(lower)]) / 2
        face[list(upper)] = middle + gap / now * (face[list(upper)] - middle)
        face[list(lower)] = 2 * middle - face[list(upper)]
    return face


@pytest.mark.parametrize("rest", [0.55, 0.75, 1.0])
def test_whoever_shuts_the_eyes_shuts_them_in_the_motion(basis: MotionBasis, rest: float) -> None:
    neutral = with_gaps(basis.face, rest, rest)
    for gap, other, share, other_share in ((SHUT, SHUT, 0, 0), (0, rest, 0, 1), ((SHUT + rest) / 2, rest, 0.5, 1)):
        motion = motion_of(HeadReading(np.zeros(8), with_gaps(neutral, gap, other)), neutral, basis)
        read = 1 + motion[EXPRESSION] @ basis.lid_readout
        np.testing.assert_allclose(read, [share, other_share], atol=1e-3)


def test_a_face_at_rest_has_no_expression(basis: MotionBasis) -> None:
    neutral = with_gaps(basis.face, 0.6, 0.9)
    motion = motion_of(HeadReading(np.zeros(8), neutral), neutral, basis)
    np.testing.assert_allclose(motion[EXPRESSION], 0, atol=1e-6)


def test_opening_the_lids_leaves_the_other_eye_and_the_lips(basis: MotionBasis) -> None:
    np.testing.assert_allclose(basis.lid_directions @ basis.lid_readout, np.eye(2), atol=1e-5)


def test_eyes_that_are_shut_at_rest_can_open() -> None:
    shut, own = np.array([0.15, 0.1]), np.array([0.6, 1.0])
    np.testing.assert_allclose(open_gaps(shut, TYPICAL), TYPICAL)
    np.testing.assert_allclose(open_gaps(own, TYPICAL), own)
    assert (lid_shares(shut, shut, TYPICAL) < 0.06).all()
    np.testing.assert_allclose(lid_shares(own, own, TYPICAL), 1)
    assert (np.diff([lid_shares(np.array([g, g]), own, TYPICAL) for g in (0.0, 0.3, 0.6, 1.2)], axis=0) > 0).all()
