"""The mouth of a motion: how far it opens, where the lower face lies, and what of it can be exchanged."""

import numpy as np
import pytest
import torch

from imtalker.dubbing.mouth_space import lip_gap, lower_face, mouth_space, scale_mouth, with_sides_of
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS
from imtalker.train.puppet.motion_space import MotionSpace, sample_fields
from imtalker.train.puppet.mouth_space import build_mouth_space


@pytest.fixture(scope="module")
def space() -> MotionSpace:
    return MotionSpace.load()


@pytest.fixture(scope="module")
def pairs(space) -> tuple[torch.Tensor, torch.Tensor]:
    """200 pairs of motions over the training distribution."""
    fields = sample_fields(400, seed=3)
    motion = torch.zeros(400, 32)
    motion[:, EXPRESSION_CHANNELS] = torch.from_numpy(space.project(fields)).float()
    motion[:, :8] = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    motion[:, 31] = torch.linspace(0, 2, 400)
    return motion[:200], motion[200:]


def test_the_file_is_what_the_motion_space_gives(space):
    built = build_mouth_space(space)
    for name, value in vars(mouth_space()).items():
        np.testing.assert_allclose(value, getattr(built, name), atol=1e-5)


def test_scaling_keeps_closed_lips_closed_and_eyes_as_they_are(space, pairs):
    closed = torch.zeros(32)
    torch.testing.assert_close(scale_mouth(closed, closed, 1.4), closed)
    wider = scale_mouth(pairs[0], closed, 1.3)
    torch.testing.assert_close(lip_gap(wider), 1.3 * lip_gap(pairs[0]), atol=0.02, rtol=0)
    lids = space.eye_aperture(wider.numpy()) - space.eye_aperture(pairs[0].numpy())
    assert np.abs(lids).mean() < 0.02
    torch.testing.assert_close(scale_mouth(pairs[0], closed, 1.0), pairs[0])


def test_sides_are_taken_from_the_own_motion(space, pairs):
    new, own = pairs
    mixed = with_sides_of(new, own)
    even = ((mixed + torch.from_numpy(space.mirror(mixed.numpy()))) / 2)[:, EXPRESSION_CHANNELS]
    wanted = ((new + torch.from_numpy(space.mirror(new.numpy()))) / 2)[:, EXPRESSION_CHANNELS]
    torch.testing.assert_close(even, wanted)
    torch.testing.assert_close(lip_gap(mixed), lip_gap(new), atol=2e-3, rtol=0)
    assert torch.equal(with_sides_of(own, own), own)


def test_landmarks_of_the_lower_face_move_as_the_motion_space_says(space, pairs):
    moved = lower_face(pairs[0]) - mouth_space().neutral
    np.testing.assert_allclose(moved, space.displacement(pairs[0].numpy())[:, mouth_space().landmarks], atol=1e-4)
