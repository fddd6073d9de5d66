"""The motion latent of ``tiny``: exact, linear, mirror-symmetric."""

import numpy as np
import pytest

from imtalker.errors import InputError
from imtalker.train.puppet import mirror_controls, sample_controls
from imtalker.train.puppet.controls import DEFAULTS
from imtalker.train.puppet.motion_space import EXPRESSION, MotionSpace, build_motion_space, displacement, explained
from tests.support.puppet_person import drawn_asset


@pytest.fixture(scope="module")
def space():
    return MotionSpace.load()


@pytest.fixture(scope="module")
def controls():
    rng = np.random.default_rng(0)
    return [sample_controls(rng) for _ in range(64)]


def as_arrays(frames):
    return {name: np.array([c[name] for c in frames]) for name in DEFAULTS}


def test_neutral_is_zero(space):
    motion = space.encode({})
    assert motion.shape == (1, 32) and motion.dtype == np.float32
    assert not motion.any()
    assert space.mouth_gap(motion)[0] == 0
    np.testing.assert_allclose(space.eye_aperture(motion), 1)


def test_pose_reads_back(space, controls):
    yaw, pitch, roll, gaze_x, gaze_y = space.decode_pose(space.encode(as_arrays(controls)))
    for found, name in ((yaw, "yaw"), (pitch, "pitch"), (roll, "roll"), (gaze_x, "gx"), (gaze_y, "gy")):
        np.testing.assert_allclose(found, [c[name] for c in controls], atol=1e-4)


def test_many_frames_are_the_frames_one_by_one(space, controls):
    together = space.encode(as_arrays(controls))
    one_by_one = np.concatenate([space.encode(c) for c in controls[:8]])
    np.testing.assert_allclose(together[:8], one_by_one, atol=1e-6)


def test_mirror_is_the_flipped_face(space, controls):
    flipped = space.encode(as_arrays([mirror_controls(c) for c in controls]))
    motion = space.encode(as_arrays(controls))
    np.testing.assert_allclose(space.mirror(motion), flipped, atol=1e-4)
    np.testing.assert_array_equal(space.mirror(space.mirror(motion)), motion)


def test_lips_and_lids_read_out(space):
    amount = np.linspace(0, 0.5, 6)
    gap = space.mouth_gap(space.encode({"jaw": amount}))
    assert (np.diff(gap) > 0.05).all()
    closed = space.mouth_gap(space.encode({"jaw": amount, "close": 1.0, "smile": amount[::-1]}))
    assert np.abs(closed).max() < 0.03
    aperture = space.eye_aperture(space.encode({"blinkR": [0.0, 0.5, 1.0], "blinkL": 0.0}))
    np.testing.assert_allclose(aperture[:, 0], [1, 0.5, 0], atol=0.05)
    np.testing.assert_allclose(aperture[:, 1], 1, atol=0.05)


def test_components_hold_what_matters(space):
    table = explained(space, count=300)
    assert min(table.values()) > 0.97, table


def test_a_motion_stands_for_its_displacement(space, controls):
    field = displacement(as_arrays(controls))
    rebuilt = space.displacement(space.encode(as_arrays(controls)))
    assert np.abs(rebuilt - field).max() < 0.35
    assert np.abs(rebuilt - field).mean() < 0.01
    np.testing.assert_allclose(space.project(rebuilt), space.project(field), atol=1e-3)


def test_motion_of_a_photo(space):
    asset = drawn_asset()
    motion = space.encode_asset_photo(asset)
    yaw, pitch, roll, _, _ = space.decode_pose(motion)
    assert max(abs(yaw), abs(pitch), abs(roll)) < 1
    assert np.abs(motion[EXPRESSION]).max() < 0.3  # the drawn face is nearly neutral
    assert abs(space.mouth_gap(motion)) < 0.1


def test_the_space_is_deterministic_and_survives_a_file(space, tmp_path):
    first, second = build_motion_space(300, seed=5), build_motion_space(300, seed=5)
    np.testing.assert_array_equal(first.encoder, second.encoder)
    assert set(np.unique(first.parity)) <= {-1.0, 1.0}
    space.save(tmp_path / "space.npz")
    np.testing.assert_array_equal(MotionSpace.load(tmp_path / "space.npz").encoder, space.encoder)


def test_bad_controls_are_refused(space):
    with pytest.raises(InputError, match="unknown"):
        space.encode({"jaws": 1.0})
    with pytest.raises(InputError, match="arrays"):
        space.encode({"jaw": np.zeros((2, 2))})
