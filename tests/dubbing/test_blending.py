"""Blending: nothing outside the mask changes, the patch is in its middle, colours agree at the rim."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from imtalker.dubbing.blending import Blender, soft_mask
from imtalker.dubbing.engine import Patch
from tests.support.dubbing import CopyEngine, PaintEngine, track_of

SCALE = 10.0  # pixels in a centimetre
TO_IMAGE = np.array([[SCALE, 0, 100.0], [0, SCALE, 100.0]])


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (200, 240, 3)).astype(np.uint8)


@pytest.fixture
def lower() -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 40)
    return np.stack([120 + 45 * np.cos(angle), 110 + 35 * np.sin(angle)], 1).astype(np.float32)


def blended(frame, *rest, blender: Blender | None = None) -> np.ndarray:
    """A copy of the frame with a patch blended into it."""
    result = frame.copy()
    (blender or Blender())(result, *rest)
    return result


def test_outside_the_mask_every_pixel_is_kept(frame, lower):
    patch = PaintEngine(margin=20).patch(frame, lower)
    result = blended(frame, patch, lower, TO_IMAGE, 1.0, True)
    changed = (result != frame).any(-1)
    mask = np.zeros(frame.shape[:2], np.float32)
    height, width = patch.pixels.shape[:2]
    area = (slice(patch.top, patch.top + height), slice(patch.left, patch.left + width))
    mask[area] = soft_mask(lower - [patch.left, patch.top], (height, width), SCALE)
    assert changed.any() and not changed[mask == 0].any()
    assert (mask == 0).mean() > 0.6
    distance = np.linalg.norm((np.argwhere(changed)[:, ::-1] - [120, 110]) / [45, 35], axis=1)
    assert distance.max() < 1.2  # just round the landmarks


def test_the_middle_is_the_patch(frame, lower):
    smooth = np.full_like(frame, 120)
    result = blended(smooth, PaintEngine((130, 120, 110)).patch(smooth, lower), lower, TO_IMAGE, 1.0, True)
    assert np.abs(result[110, 120].astype(int) - [130, 120, 110]).max() <= 10
    result = blended(frame, CopyEngine().patch(frame, lower), lower, TO_IMAGE, 1.0, True)
    np.testing.assert_array_equal(result, frame)


def test_a_cast_of_colour_is_taken_away(lower):
    frame = np.full((200, 240, 3), 120, np.uint8)
    tinted = CopyEngine().patch(frame, lower)
    tinted = Patch(tinted.left, tinted.top, tinted.pixels + np.array([6, 0, -6], np.float32), tinted.lower)
    result = blended(frame, tinted, lower, TO_IMAGE, 1.0, True).astype(int)
    assert np.abs(result - 120).max() <= 2


def test_the_strength_leads_from_the_frame_to_the_patch(frame, lower):
    patch = PaintEngine().patch(frame, lower)
    none, half, full = (blended(frame, patch, lower, TO_IMAGE, s, True).astype(int) for s in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(none, frame)
    assert np.abs(half - (none + full) / 2).max() <= 1


def test_the_colour_match_changes_slowly_but_not_across_a_cut(lower):
    frame = np.full((200, 240, 3), 120, np.uint8)
    copy = CopyEngine().patch(frame, lower)
    tinted = Patch(copy.left, copy.top, copy.pixels + 8, copy.lower)
    for fresh in (False, True):
        blender = Blender()
        blended(frame, copy, lower, TO_IMAGE, 1.0, True, blender=blender)
        middle = int(blended(frame, tinted, lower, TO_IMAGE, 1.0, fresh, blender=blender)[110, 120, 0])
        assert (middle <= 122) == fresh


def test_a_patch_that_is_too_soft_is_sharpened_to_its_rim(frame, lower):
    grain = cv2.GaussianBlur(frame, (0, 0), 0.7)
    soft = CopyEngine().patch(cv2.GaussianBlur(grain, (0, 0), 0.8), lower)
    result = blended(grain, soft, lower, TO_IMAGE, 1.0, True)
    middle = (slice(95, 125), slice(100, 140))
    before, there, after = (
        cv2.Laplacian(x, cv2.CV_32F).std()
        for x in (
            grain[middle],
            soft.pixels[80 - soft.top : 110 - soft.top, 80 - soft.left : 120 - soft.left],
            result[middle],
        )
    )
    assert there < 0.7 * before and there < after < 1.2 * before
    painted = replace(soft, painted=np.ones((*soft.pixels.shape[:2], 1), np.float32))  # as soft as it shall be
    assert cv2.Laplacian(blended(grain, painted, lower, TO_IMAGE, 1.0, True)[middle], cv2.CV_32F).std() < 0.7 * before


def test_a_face_at_the_pictures_edge_is_blended_too(frame, lower):
    moved = lower + np.array([90, 70], np.float32)  # half of it outside
    patch = PaintEngine().patch(frame, moved)
    result = blended(frame, patch, moved, TO_IMAGE, 1.0, True)
    assert result.shape == frame.shape and (result[:60] == frame[:60]).all()


def test_the_hull_of_old_and_new_face_counts(lower):
    size = (200, 240)
    both = soft_mask(np.concatenate([lower, lower + np.array([0, 20], np.float32)]), size, SCALE)
    assert (both >= soft_mask(lower, size, SCALE) - 1e-6).all()
    assert both[160, 120] > 0.9 > soft_mask(lower, size, SCALE)[160, 120]


def test_tracks_are_cut_by_frame_numbers():
    track = track_of(6, yaw=np.arange(6.0))
    assert track.take(np.array([4, 4, 1])).yaw.tolist() == [4, 4, 1]
