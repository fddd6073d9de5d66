"""Reference frames: the neutral one is frontal with closed lips, another one can be asked for; what is read from it."""

import numpy as np
import torch

from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.mouth_space import lip_gap, lower_face, mouth_space
from imtalker.dubbing.references import References, choose_neutral
from tests.support.dubbing import track_of


def references_of(track, neutral: int = 0) -> References:
    return References(neutral, np.zeros(32, np.float32), track.shape[neutral])


def test_the_neutral_frame_is_frontal_closed_and_sharp():
    opening, yaw, sharp, lids = np.full(40, 0.8), np.full(40, 4.0), np.ones(40), np.ones(40)
    opening[[5, 10, 15, 20]] = 0.0
    yaw[5], sharp[10], lids[15] = 25.0, 0.3, 0.2
    track = track_of(40, opening=opening, yaw=yaw, lids=lids)
    assert choose_neutral(track, sharp) == 20 and choose_neutral(track, sharp, 4) == 4


def test_the_mouth_is_read_from_its_landmarks():
    truth = torch.zeros(30, 32)
    truth[:, 8:31] = torch.randn(30, 23, generator=torch.Generator().manual_seed(1)) * torch.from_numpy(
        mouth_space().deviation
    )
    truth[0, 8:31] = 0
    track = track_of(30, shape=lower_face(truth)[..., :2].astype(np.float32))
    read = torch.from_numpy(read_motion(track, references_of(track)))
    assert np.corrcoef(lip_gap(read), lip_gap(truth))[0, 1] > 0.98
    assert (lip_gap(read) - lip_gap(truth)).std() < 0.2 * lip_gap(truth).std()


def test_head_and_gaze_are_those_measured_the_head_smoothed():
    motion = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    track = track_of(5, motion=motion)
    read, rough = (read_motion(track, references_of(track, 2), sigma) for sigma in (1.5, 0))
    np.testing.assert_array_equal(read[:, 6:8], motion[:, 6:8])
    np.testing.assert_array_equal(rough[:, :8], motion[:, :8])
    assert (read[:, :6].std(0) < motion[:, :6].std(0)).all()
    constant = track_of(5, motion=np.repeat(motion[:1], 5, 0))
    np.testing.assert_allclose(read_motion(constant, references_of(constant))[:, :8], constant.motion[:, :8], atol=1e-6)
