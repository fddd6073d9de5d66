"""Back into the whole picture: untouched outside, generated inside, no visible seam."""

import numpy as np
import pytest

from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.media.paste_back import PasteBack
from tests.support.drawn_face import draw_face


@pytest.fixture
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 3, (300, 400, 3))
    face = np.pad(draw_face(size=256), ((20, 24), (60, 84), (0, 0)), mode="edge")
    return np.clip(face + noise, 0, 255).astype(np.uint8)


BOX = CropBox(100, 40, 200)


def test_the_same_square_gives_the_same_picture(picture):
    square = crop_and_resize(picture, BOX, 200)
    assert np.abs(PasteBack(picture, BOX)(square[None])[0].astype(int) - picture).max() <= 1


def test_outside_nothing_changes_and_inside_the_square_shows(picture):
    square = 255 - crop_and_resize(picture, BOX, 128)
    result = PasteBack(picture, BOX)(square[None])[0]
    outside = np.ones(picture.shape[:2], bool)
    outside[40:240, 100:300] = False
    assert (result[outside] == picture[outside]).all()
    change = np.abs(result[120:160, 180:220].astype(int) - picture[120:160, 180:220]).mean()
    assert change > 20


def test_no_seam_where_the_colours_differ(picture):
    tint = np.array((12, -12, 8))
    tinted = np.clip(crop_and_resize(picture, BOX, 200) + tint, 0, 255).astype(np.uint8)
    result = PasteBack(picture, BOX)(tinted[None])[0].astype(float)
    step = np.abs(np.diff(result - picture, axis=1)).mean(axis=(0, 2))  # change from column to column
    assert step.max() < 1.0


def test_a_square_over_the_border_blends_inside_only(picture):
    box = CropBox(-30, -20, 260)
    square = crop_and_resize(picture, box, 130)
    result = PasteBack(picture, box)(np.stack([square, square]))
    assert result.shape == (2, *picture.shape) and result.dtype == np.uint8
    assert np.abs(result[0].astype(int) - picture).mean() < 4
    changed = PasteBack(picture, box)(255 - square[None])[0]
    assert np.abs(changed[0, 100].astype(int) - picture[0, 100]).mean() > 10  # no feathering at the picture's edge
