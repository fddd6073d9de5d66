"""Hair and shoulders of a driving clip are followed by what is seen of them."""

import cv2
import numpy as np
import pytest
import torch

from imtalker.config import BODY_CELLS, BODY_DIM, MOTION_DIM
from imtalker.faces.motion_reading import HeadReading, read_head
from imtalker.renderer.body import follow_head_and_torso
from imtalker.renderer.body_tracker import BodyTracker
from imtalker.renderer.face_outline import depth
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.motion_transfer import remap
from imtalker.renderer.portrait_part import face_unit
from imtalker.weights.load import bundled_basis
from tests.support.puppet_person import mean_landmarks

BASIS = bundled_basis()
POINTS = mean_landmarks()
READING = read_head(POINTS, BASIS)
LOW = slice(BODY_CELLS * 3 // 4, BODY_CELLS - 2)  # rows of the lattice, below the face and within the square
WITHIN = slice(2, BODY_CELLS - 2)


def everywhere(square: np.ndarray) -> np.ndarray:
    """A person in all pixels."""
    return np.ones(square.shape[:2], np.float32)


def cloth(shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """A woven square (512,512,3) shifted by pixels to the right and down."""
    noise = np.random.default_rng(0).integers(0, 255, (80, 80)).astype(np.uint8)
    large = cv2.resize(noise, (800, 800), interpolation=cv2.INTER_CUBIC)
    moved = cv2.warpAffine(large, np.array([[1, 0, shift[0] - 144], [0, 1, shift[1] - 144]], np.float32), (512, 512))
    return np.repeat(moved[..., None], 3, -1)


def whole_motion(reading: HeadReading, body: np.ndarray) -> torch.Tensor:
    motion = np.zeros(MOTION_DIM, np.float32)
    motion[: len(reading.motion)] = reading.motion
    return torch.from_numpy(np.concatenate([motion, body]))[None]


@pytest.fixture
def tracker() -> BodyTracker:
    tracker = BodyTracker(everywhere, BASIS)
    assert not tracker(cloth(), POINTS, READING).any()
    return tracker


@pytest.mark.parametrize("shift", [(3.0, -2.0), (14.0, 6.5), (0.0, 0.0)])
def test_a_body_that_moves_under_a_still_head_is_found(tracker: BodyTracker, shift: tuple[float, float]) -> None:
    body = tracker(cloth(shift), POINTS, READING).reshape(BODY_CELLS, BODY_CELLS, 2)
    pixels = body * face_unit(whole_motion(READING, body.ravel())).item() * 256
    assert np.abs(pixels[LOW, WITHIN] + shift).max() < 0.1 * np.hypot(*shift) + 0.2  # it comes from where it was


def test_frames_drawn_after_it_look_like_the_clip(tracker: BodyTracker) -> None:
    """Head and shoulders move apart: the first frame, moved as head, body and usual body say, is the clip's frame."""
    points = POINTS + np.array([5, -3, 0])
    reading = read_head(points, BASIS)
    later = cloth((9, 4))
    body = tracker(later, points, reading)
    geometry = FaceGeometry.of(POINTS, whole_motion(READING, body)[0, :MOTION_DIM].numpy(), BASIS)
    targets = torch.from_numpy(np.float32(points[None, :, :2] / 256 - 1))
    centres = (torch.arange(512) + 0.5) / 256 - 1
    still = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1)[None]

    def error(body: np.ndarray) -> float:
        found = follow_head_and_torso(still, whole_motion(reading, body), targets, geometry, depth(targets, 512))
        drawn = remap(cloth(), ((found.coordinates[0] + 1) * 256 - 0.5).numpy())
        outside = found.face[0, 0].numpy() == 0
        outside[:, :40] = outside[:, -40:] = outside[:40] = outside[-40:] = False
        return float(np.abs(drawn.astype(float) - later)[outside].mean())

    assert error(body) < 0.35 * error(np.zeros(BODY_DIM, np.float32))


def test_without_a_face_or_anything_to_see_nothing_moves(tracker: BodyTracker) -> None:
    there = tracker(cloth((4, 0)), POINTS, READING)
    assert there.any() and np.array_equal(tracker(cloth((40, 0)), None, None), there)
    assert np.abs(tracker(np.zeros((512, 512, 3), np.uint8), POINTS, READING)).max() < 1e-3
    alone = BodyTracker(lambda square: np.zeros(square.shape[:2], np.float32), BASIS)  # background only
    for shift in ((0, 0), (5, 0)):
        assert not alone(cloth(shift), POINTS, READING).any()


def test_after_a_cut_to_another_picture_the_body_goes_with_the_head(tracker: BodyTracker) -> None:
    other = np.ascontiguousarray(cloth()[::-1, ::-1]) // 4 + 190
    assert not tracker(other, POINTS, READING).any()
