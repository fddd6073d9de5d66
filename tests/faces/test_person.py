"""A person is told from what is behind."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imtalker.faces.person import PersonMatte, outline_distance
from tests.support.standin import bundled_matte

PORTRAITS = Path(__file__).parents[2] / "assets" / "portraits"


@pytest.fixture(scope="module")
def person_matte() -> PersonMatte:
    return bundled_matte()


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum())


@pytest.mark.parametrize("name", ["mei", "chidi", "grete", "painting"])
def test_the_face_is_the_person_and_the_corners_are_not(person_matte: PersonMatte, name: str) -> None:
    picture = np.asarray(Image.open(PORTRAITS / f"{name}.jpg").convert("RGB"))
    matte = person_matte(picture)
    height, width = matte.shape
    assert matte.shape == picture.shape[:2] and matte.dtype == np.float32
    assert matte.min() >= 0 and matte.max() <= 1
    assert matte[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20].min() > 0.9
    assert matte[:10, :10].max() < 0.1 and matte[:10, -10:].max() < 0.1
    assert np.array_equal(person_matte(picture), matte)


def test_a_mirrored_picture_has_the_mirrored_matte(person_matte: PersonMatte) -> None:
    picture = np.asarray(Image.open(PORTRAITS / "mei.jpg").convert("RGB"))
    mirrored = person_matte(np.ascontiguousarray(picture[:, ::-1]))[:, ::-1]
    assert overlap(person_matte(picture), mirrored) > 0.97


def test_the_size_of_the_picture_hardly_matters(person_matte: PersonMatte) -> None:
    picture = Image.open(PORTRAITS / "mei.jpg").convert("RGB")
    small, oblong = (np.asarray(picture.resize(size)) for size in ((200, 200), (200, 300)))
    expected = person_matte(small)
    found = person_matte(oblong)
    assert found.shape == (300, 200)
    assert overlap(np.asarray(Image.fromarray(found).resize((200, 200))), expected) > 0.97


def test_distances_are_to_the_outline() -> None:
    matte = np.zeros((40, 40), np.float32)
    matte[:, 20:] = 1
    assert np.allclose(outline_distance(matte)[7, [10, 19, 20, 30]], [10, 1, -1, -11], atol=0.1)
