"""Pictures weighed by planes: what NumPy's broadcasting gives, and exact where nothing is mixed."""

import numpy as np

from imtalker.media.planes import between, times


def test_planes_weigh_every_colour() -> None:
    rng = np.random.default_rng(0)
    picture, plane = (rng.random(shape).astype(np.float32) for shape in ((7, 9, 3), (7, 9)))
    np.testing.assert_array_equal(times(picture, plane), picture * plane[..., None])
    np.testing.assert_array_equal(times(picture[1:5, 2:6], plane[1:5, 2:6]), (picture * plane[..., None])[1:5, 2:6])


def test_ends_of_a_mixture_are_exact() -> None:
    rng = np.random.default_rng(1)
    first, second = (255 * rng.random((2, 6, 8, 3))).astype(np.float32)
    share = np.tile(np.float32([0, 1, 0.5, 0.25]), (6, 2))
    mixed = between(first, second, share)
    np.testing.assert_array_equal(mixed[:, [0, 4]], first[:, [0, 4]])
    np.testing.assert_array_equal(mixed[:, [1, 5]], second[:, [1, 5]])
    np.testing.assert_allclose(mixed[:, 2], (first + second)[:, 2] / 2, rtol=1e-6)
