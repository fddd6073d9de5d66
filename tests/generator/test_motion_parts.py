"""Parts of a motion: the mouth comes from one motion and leaves nothing of the other's, and the other way round."""

import numpy as np
import pytest
import torch

from imtalker.generator.motion_layout import EXPRESSION_CHANNELS, TONGUE_CHANNEL
from imtalker.generator.motion_parts import join_parts, lip_gap, lower_face, motion_parts, scale_mouth, with_sides_of
from imtalker.train.puppet.motion_parts import build_motion_parts
from imtalker.train.puppet.motion_space import MotionSpace, sample_fields


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
    motion[:, TONGUE_CHANNEL] = torch.linspace(0, 2, 400)
    return motion[:200], motion[200:]


def test_the_file_is_what_the_motion_space_gives(space):
    built = build_motion_parts(space)
    for name, value in vars(motion_parts()).items():
        np.testing.assert_allclose(value, getattr(built, name), atol=1e-5)


def test_lips_come_from_one_motion_and_lids_from_the_other(space, pairs):
    mouth, rest = pairs
    joined = join_parts(mouth, rest)
    gap = (lip_gap(joined) - lip_gap(mouth)).numpy()
    assert gap.std() < 0.005 and np.abs(gap).max() < 0.02  # cm
    apertures = space.eye_aperture(joined.numpy()) - space.eye_aperture(rest.numpy())
    assert apertures.std() < 0.03  # of an open eye
    assert torch.equal(joined[:, :8], rest[:, :8])
    assert torch.equal(joined[:, TONGUE_CHANNEL], mouth[:, TONGUE_CHANNEL])


def test_nothing_of_the_old_mouth_is_left(pairs):
    mouth, rest = pairs
    gaps = [lip_gap(motion).numpy() for motion in (join_parts(mouth, rest), mouth, rest)]
    design = np.stack([gaps[1], gaps[2], np.ones(len(mouth))], 1)
    (new, old, _), *_ = np.linalg.lstsq(design, gaps[0], rcond=None)
    assert abs(new - 1) < 0.01 and abs(old) < 0.01
    same_eyes = join_parts(mouth, rest), join_parts(mouth, rest.roll(1, 0))
    torch.testing.assert_close(lip_gap(same_eyes[0]), lip_gap(same_eyes[1]), atol=0.02, rtol=0)


def test_a_motion_joined_with_itself_is_itself(pairs):
    torch.testing.assert_close(join_parts(pairs[0], pairs[0]), pairs[0])


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
    moved = lower_face(pairs[0]) - motion_parts().neutral
    np.testing.assert_allclose(moved, space.displacement(pairs[0].numpy())[:, motion_parts().landmarks], atol=1e-4)
