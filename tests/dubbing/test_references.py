"""Reference frames: the neutral one is frontal with closed lips, another one can be asked for."""

import numpy as np
import pytest
import torch

from imtalker.dubbing.mouth_reading import read_mouth
from imtalker.dubbing.mouth_space import lip_gap, lower_face, mouth_space
from imtalker.dubbing.references import choose_references
from imtalker.errors import InputError
from tests.support.dubbing import track_of


def test_the_neutral_frame_is_frontal_closed_and_sharp():
    opening, yaw, sharp, lids = np.full(40, 0.8), np.full(40, 4.0), np.ones(40), np.ones(40)
    opening[[5, 10, 15, 20]] = 0.0
    yaw[5], sharp[10], lids[15] = 25.0, 0.3, 0.2
    references = choose_references(track_of(40, opening=opening, yaw=yaw, sharpness=sharp, lids=lids))
    assert references.neutral == 20


def test_a_reference_can_be_asked_for():
    seen = np.ones(10, bool)
    seen[3] = False
    assert choose_references(track_of(10, seen=seen), 4).neutral == 4
    for frame in (3, 10):
        with pytest.raises(InputError, match="reference time"):
            choose_references(track_of(10, seen=seen), frame)


def test_the_mouth_is_read_from_its_landmarks():
    truth = torch.zeros(30, 32)
    truth[:, 8:31] = torch.randn(30, 23, generator=torch.Generator().manual_seed(1)) * torch.from_numpy(
        mouth_space().deviation
    )
    truth[0, 8:31] = 0
    track = track_of(30, shape=lower_face(truth)[..., :2].astype(np.float32))
    read = torch.from_numpy(read_mouth(track, choose_references(track, 0)))
    assert np.corrcoef(lip_gap(read), lip_gap(truth))[0, 1] > 0.98
    assert (lip_gap(read) - lip_gap(truth)).std() < 0.2 * lip_gap(truth).std()


def test_what_is_not_the_mouth_is_left_to_the_motion_encoder():
    motion = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    track = track_of(5, motion=motion)
    read = read_mouth(track, choose_references(track, 2))
    np.testing.assert_array_equal(read[:, 6:8], motion[:, 6:8])
    constant = track_of(5, motion=np.repeat(motion[:1], 5, 0))
    np.testing.assert_allclose(read_mouth(constant, choose_references(constant, 2))[:, :8], constant.motion[:, :8])
