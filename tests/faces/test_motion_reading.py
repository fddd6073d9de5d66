"""Reading motion from landmarks: exact on drawn puppets, the same for portrait and clip, calm where no face is seen."""

import numpy as np
import pytest

from imtalker.errors import WeightsError
from imtalker.faces.motion_reading import (
    EXPRESSION,
    GAZE,
    HEAD,
    HeadReading,
    MotionBasis,
    motion_of,
    neutral_face,
    read_head,
    read_portrait,
)
from imtalker.faces.motion_track import NEUTRAL_FRAMES, bridge, choose_neutral, motion_track, smooth
from imtalker.train.puppet.motion_space import MotionSpace, displacement, reading_basis
from imtalker.weights.load import MOTION_BASIS, bundled_basis
from imtalker.weights.presets import BUNDLED_WEIGHTS
from tests.support.puppet_person import mean_landmarks

BASIS = bundled_basis()
SPACE = MotionSpace.load()


def reading(**controls: float) -> HeadReading:
    """Of the mean face with expression controls, at the motion's zero."""
    return HeadReading(np.zeros(8), BASIS.face + displacement(controls)[0])


def test_the_bundled_basis_is_that_of_the_motion_space() -> None:
    made = reading_basis(SPACE)
    for name in ("face", "smile", "jaw_weight", "lip_operator", "solver"):
        np.testing.assert_allclose(getattr(BASIS, name), getattr(made, name), atol=1e-5, err_msg=name)


def test_a_damaged_or_missing_basis_is_said(tmp_path) -> None:
    (tmp_path / "cut.npz").write_bytes((BUNDLED_WEIGHTS / "tiny" / MOTION_BASIS).read_bytes()[:500])
    np.savez(tmp_path / "other.npz", face=np.zeros(3))
    for name in ("cut.npz", "other.npz", "missing.npz"):
        with pytest.raises(WeightsError, match=name):
            MotionBasis.load(tmp_path / name)


@pytest.mark.parametrize("yaw", [-20.0, 0.0, 15.0])
def test_the_mean_face_reads_as_it_was_drawn(yaw: float) -> None:
    motion = read_portrait(mean_landmarks(yaw), BASIS)
    assert motion[0] == pytest.approx(yaw / 10, abs=0.02)
    assert np.abs(motion[1 : HEAD.stop]).max() < 0.15 and np.abs(motion[GAZE]).max() < 0.1
    assert np.abs(motion[EXPRESSION]).max() < 0.15


def test_place_and_size_are_read_in_the_units_of_the_motion() -> None:
    still = read_head(mean_landmarks(), BASIS).motion
    moved = read_head(np.add(mean_landmarks(), [17.53, -17.53, 0]), BASIS).motion  # a cm to the right and up
    assert moved[3:5] - still[3:5] == pytest.approx([2, 2], abs=0.08)
    larger = mean_landmarks() * 1.1 - [25.6, 25.6, 0]
    assert read_head(larger, BASIS).motion[5] - still[5] == pytest.approx(np.log(1.1) / 0.06, abs=0.02)


@pytest.mark.parametrize(
    "controls",
    [{"jaw": 0.4}, {"blinkL": 1.0, "blinkR": 1.0}, {"smile": 0.8}, {"pucker": 0.9}, {"brow_in": 0.8}, {"wide": 0.6}],
)
def test_expressions_read_as_the_training_defines_them(controls: dict[str, float]) -> None:
    found = motion_of(reading(**controls), BASIS.face, BASIS)
    exact = SPACE.encode(controls)[0]
    assert SPACE.mouth_gap(found) == pytest.approx(SPACE.mouth_gap(exact), abs=0.04)
    assert SPACE.eye_aperture(found) == pytest.approx(SPACE.eye_aperture(exact), abs=0.04)
    assert np.linalg.norm(found - exact) < 0.3 * np.linalg.norm(exact)


def test_portrait_and_first_frame_of_a_clip_read_alike() -> None:
    face = reading(jaw=0.2, smile=0.5)
    alone = motion_of(face, neutral_face(face, BASIS), BASIS)
    track = list(motion_track([face] * 40, BASIS))
    assert len(track) == 40
    np.testing.assert_allclose(track, np.tile(alone, (40, 1)), atol=1e-5)


def test_a_clip_that_starts_in_a_blink_has_an_open_neutral_face() -> None:
    blink, rest = reading(blinkL=1.0, blinkR=1.0), reading()
    assert choose_neutral([blink] * 4 + [rest] * 10) is rest
    track = np.stack(list(motion_track([blink] * 4 + [rest] * 30, BASIS)))
    apertures = SPACE.eye_aperture(track).mean(1)
    assert apertures[0] < 0.25 and apertures[-1] == pytest.approx(1, abs=0.03)


def test_the_look_ahead_is_bounded() -> None:
    taken = 0

    def readings():
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield reading()

    track = motion_track(readings(), BASIS)
    next(track)
    assert taken <= NEUTRAL_FRAMES + 2
    next(track)
    assert taken <= NEUTRAL_FRAMES + 3


@pytest.mark.parametrize("length", [1, 2, 3, 7, 60])
def test_smoothing_keeps_length_constants_and_time(length: int) -> None:
    constant = [np.full(32, 3, np.float32)] * length
    np.testing.assert_allclose(list(smooth(constant)), constant, rtol=1e-6)
    pulse = np.zeros((length, 32), np.float32)
    pulse[length // 2] = 1
    smoothed = np.stack(list(smooth(pulse)))
    assert smoothed.shape == pulse.shape
    if length > 5:  # symmetric about the pulse: no delay
        middle = length // 2
        np.testing.assert_allclose(smoothed[middle - 2 : middle], smoothed[middle + 2 : middle : -1], rtol=1e-6)
        np.testing.assert_allclose(smoothed.sum(0), 1, rtol=1e-6)


def test_smoothing_takes_shiver_out_of_the_head_and_leaves_the_lips_quick() -> None:
    shiver = np.random.default_rng(0).normal(size=(400, 32)).astype(np.float32)
    after = np.stack(list(smooth(shiver))).std(0)
    assert after[HEAD].max() < 0.6 and after[EXPRESSION].min() > 0.7


def test_moments_without_a_face_hold_the_head_and_rest_the_face() -> None:
    rng = np.random.default_rng(1)
    usual = np.zeros(32, np.float32)
    blink = usual.copy()
    blink[EXPRESSION], blink[HEAD] = 2.0, 1.0
    motions = [None, None, *[usual] * 50, blink, *[None] * 15, *[usual + 0.5] * 20]
    filled = np.stack(list(bridge(motions)))
    assert len(filled) == len(motions)
    np.testing.assert_array_equal(filled[:2], [usual, usual])
    lost = filled[53:68]
    np.testing.assert_array_equal(lost[:, HEAD], np.ones((15, 6)))  # the head stays
    assert np.abs(lost[-1, EXPRESSION]).max() < 0.2  # lids do not stay half shut
    steps = np.abs(np.diff(filled[52:], axis=0)).max(0)
    assert steps[HEAD].max() < 0.2  # no jump when it returns: 0.5 to go
    np.testing.assert_allclose(filled[-1], motions[-1])
    seen = [rng.normal(size=32).astype(np.float32) for _ in range(9)]
    np.testing.assert_allclose(list(bridge(seen)), seen, atol=1e-5)  # nothing changes while the face is seen


def test_a_clip_without_any_face_has_no_track() -> None:
    assert list(motion_track([None] * 80, BASIS)) == []
    assert list(motion_track([], BASIS)) == []
