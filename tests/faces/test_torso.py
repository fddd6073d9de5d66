"""Shoulders are followed by what is seen of them."""

from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest

from imtalker.faces.motion_reading import HeadReading
from imtalker.faces.torso import FOLLOWS, TorsoTracker, face_unit, head_place, torso_track
from tests.support.puppet_person import mean_landmarks


def everywhere(square: np.ndarray) -> np.ndarray:
    """A person in all pixels."""
    return np.ones(square.shape[:2], np.float32)


@pytest.fixture
def points() -> np.ndarray:
    """Landmarks in the upper half, so that the torso is the lower half of a person everywhere."""
    points = mean_landmarks()
    points[:, :2] = points[:, :2] * 0.7 + [70, -20]
    return points


def cloth(shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """A woven square (512,512,3) shifted by pixels to the right and down."""
    noise = np.random.default_rng(0).integers(0, 255, (80, 80)).astype(np.uint8)
    large = cv2.resize(noise, (800, 800), interpolation=cv2.INTER_CUBIC)
    moved = cv2.warpAffine(large, np.array([[1, 0, shift[0] - 144], [0, 1, shift[1] - 144]], np.float32), (512, 512))
    return np.repeat(moved[..., None], 3, -1)


def test_a_shift_is_found_to_a_fraction_of_a_pixel(points: np.ndarray) -> None:
    tracker = TorsoTracker(everywhere)
    assert not tracker(cloth(), points).any()
    for shift in ((3.0, -2.0), (7.5, 1.0), (0.0, 0.0)):
        assert np.abs(tracker(cloth(shift), points) * 256 - shift).max() < 0.3


def test_a_long_way_is_followed_over_key_frames(points: np.ndarray) -> None:
    tracker = TorsoTracker(everywhere)
    for step in range(15):
        found = tracker(cloth((8.0 * step, -3.0 * step)), points)
    assert np.abs(found * 256 - [112, -42]).max() < 3


def test_without_a_face_or_anything_to_see_nothing_moves(points: np.ndarray) -> None:
    tracker = TorsoTracker(everywhere)
    assert not tracker(cloth((9, 9)), None).any()
    tracker(cloth(), points)
    there = tracker(cloth((4, 0)), points)
    assert np.array_equal(tracker(cloth((40, 0)), None), there)
    assert np.abs(tracker(np.zeros((512, 512, 3), np.uint8), points) - there).max() < 0.05
    blank = TorsoTracker(everywhere)
    for _ in range(2):
        assert not blank(np.full((512, 512, 3), 90, np.uint8), points).any()


def reading(x: float, y: float, shift: tuple[float, float]) -> HeadReading:
    motion = np.zeros(8)
    motion[3:5] = x, y
    return HeadReading(motion, np.zeros((468, 3)), shift)


def test_a_torso_that_goes_with_the_head_as_usual_needs_no_number() -> None:
    readings = []
    for x, y in ((0, 0), (0.5, 0.2), (1.0, -0.4), (0.6, 0.0)):
        begin, here = head_place(np.zeros(8)), head_place(reading(x, y, (0, 0)).motion)
        readings.append(reading(x, y, tuple(FOLLOWS * (here - begin))))
    assert np.abs(list(torso_track(readings))).max() < 1e-6
    unit = face_unit(np.zeros(8)) * 0.5
    still = list(torso_track([replace(readings[0], torso=(0.0, 0.0))] + [reading(0, 0, (unit, 0.0))] * 9))
    assert np.allclose(still[-1], [1, 0]) and not still[0].all()


def test_the_track_streams_and_holds_where_no_face_is_seen() -> None:
    readings = [reading(0, 0, (0.01 * i, 0.0)) if i % 4 else None for i in range(30)]
    whole = list(torso_track(readings))
    assert len(whole) == 30

    def endless():
        yield from readings
        raise AssertionError("looked further ahead than two frames")

    assert np.array_equal(list(islice(torso_track(endless()), 28)), whole[:28])
