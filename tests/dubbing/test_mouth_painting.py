"""What is painted between lips: as soft as the clip, where it belongs, and nowhere else."""

import cv2
import numpy as np
import pytest

from imtalker.dubbing.mouth_painting import PaintedInside
from imtalker.dubbing.registration import square_to_image
from imtalker.dubbing.softness import edge_blur
from imtalker.faces.motion_reading import SQUARE


def edges(blur: float) -> np.ndarray:
    """Tilted step edges, blurred."""
    y, x = np.mgrid[:160, :160]
    steps = 120.0 + 80 * np.sign(np.sin((x + 0.2 * y) / 12))
    grey = cv2.GaussianBlur(steps, (0, 0), blur)
    return np.repeat(np.rint(grey)[..., None], 3, -1).astype(np.uint8)


@pytest.mark.parametrize("blur", [0.7, 1.2, 2.0])
def test_the_blur_of_edges_is_found(blur: float) -> None:
    assert edge_blur(edges(blur)) == pytest.approx(blur, rel=0.25)


def test_a_picture_without_edges_has_some_blur() -> None:
    assert np.isfinite(edge_blur(np.full((40, 40, 3), 90, np.uint8)))


@pytest.mark.parametrize("shift", [0.0, -60.0, 400.0])
def test_laid_over_a_part_is_laid_over_the_whole(shift: float) -> None:
    """Also where the patch ends, or the mouth lies beyond it."""
    rng = np.random.default_rng(0)
    opacity = np.pad(rng.random((1, 20, 40, 1)), ((0, 0), (3, 3), (3, 3), (0, 0)))
    pixels = np.concatenate([opacity * rng.random((1, 26, 46, 3)), opacity], -1).astype(np.float32)
    inside = PaintedInside(pixels, 236, 330)
    to_image = np.array([[9.0, 1.0, 150 + shift], [-1.0, 9.0, 140]])
    patch = rng.uniform(0, 255, (80, 90, 3)).astype(np.float32)
    result = patch.copy()
    painted = np.zeros((80, 90, 1), np.float32)
    inside.lay_over(0, result, painted, to_image, (100, 150), 0.5)
    square = np.zeros((SQUARE, SQUARE, 4), np.float32)
    square[330:356, 236:282] = pixels[0]
    place = square_to_image(to_image, SQUARE) - [[0, 0, 100], [0, 0, 150]]
    there = 0.5 * cv2.warpAffine(square, place, (90, 80), flags=cv2.INTER_LINEAR)
    np.testing.assert_allclose(result, patch * (1 - there[..., 3:]) + 255 * there[..., :3], atol=3)
    np.testing.assert_allclose(painted, there[..., 3:], atol=0.01)
    np.testing.assert_array_equal(result[there[..., 3] == 0], patch[there[..., 3] == 0])
    assert (result != patch).any() == (there[..., 3] > 0).any() == (shift < 100)
