"""Reference frames: the neutral one is frontal with closed lips; what is read from it."""

import numpy as np
import pytest
import torch

from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.mouth_space import lip_gap, lower_face, mouth_space
from imtalker.dubbing.references import References, choose_neutral
from tests.support.dubbing import track_of


def test_the_neutral_frame_is_frontal_closed_and_sharp():
    opening, yaw, sharp, lids = np.full(40, 0.8), np.full(40, 4.0), np.ones(40), np.ones(40)
    opening[[5, 10, 15, 20]] = 0.0
    yaw[5], sharp[10], lids[15] = 25.0, 0.3, 0.2
    track = track_of(40, opening=opening, yaw=yaw, lids=lids)
    assert choose_neutral(track, sharp) == 20


def test_the_mouth_is_read_from_its_landmarks():
    truth = torch.zeros(30, 32)
    truth[:, 8:31] = torch.randn(30, 23, generator=torch.Generator().manual_seed(1)) * torch.from_numpy(
        mouth_space().deviation
    )
    truth[0, 8:31] = 0
    track = track_of(30, shape=lower_face(truth)[..., :2].astype(np.float32))
    read = torch.from_numpy(read_motion(track, References.of(track, 0, 0)))
    assert np.corrcoef(lip_gap(read), lip_gap(truth))[0, 1] > 0.98
    assert (lip_gap(read) - lip_gap(truth)).std() < 0.2 * lip_gap(truth).std()


def test_head_and_gaze_are_the_frames_and_the_expression_is_against_the_neutral_one():
    motion = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    track = track_of(5, motion=motion)
    read, rough = (read_motion(track, References.of(track, 2, 7), sigma) for sigma in (1.5, 0))
    np.testing.assert_array_equal(read[:, 6:8], motion[:, 6:8])
    np.testing.assert_array_equal(rough[:, :8], motion[:, :8])
    assert (read[:, :6].std(0) < motion[:, :6].std(0)).all()
    np.testing.assert_allclose(read[2, 8:31], 0, atol=1e-6)  # lips closed, face at rest
    constant = track_of(5, motion=np.repeat(motion[:1], 5, 0))
    again = read_motion(constant, References.of(constant, 2, 2))
    np.testing.assert_allclose(again[:, :8], constant.motion[:, :8], atol=1e-6)


@pytest.mark.parametrize("look", [0.0, 1.5])
@pytest.mark.parametrize("opening", [0.0, 0.4])
def test_how_a_person_looks_is_not_taken_for_what_the_mouth_does(look, opening):
    """However open full lips look to a reader of pictures, the neutral frame's are as far apart as its landmarks."""
    motion = np.zeros((4, 32), np.float32)
    motion[:, 8:31] = look * mouth_space().deviation
    track = track_of(4, motion=motion, opening=np.full(4, opening))
    references = References.of(track, 1, 1)
    assert lip_gap(torch.from_numpy(references.motion)) == pytest.approx(opening, abs=1e-5)
    np.testing.assert_allclose(lip_gap(torch.from_numpy(read_motion(track, references))), opening, atol=0.02)
