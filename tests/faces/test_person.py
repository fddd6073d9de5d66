"""A person is told from what is behind."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imtalker.errors import WeightsError
from imtalker.faces import person
from imtalker.faces.person import outline_distance, person_matte

PORTRAIT = Path(__file__).parents[2] / "assets" / "portraits" / "mei.jpg"


def test_the_face_is_the_person_and_the_corner_is_not() -> None:
    picture = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    matte = person_matte(picture)
    height, width = matte.shape
    assert matte.shape == picture.shape[:2] and matte.dtype == np.float32
    assert matte[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20].min() > 0.9
    assert matte[:10, :10].max() < 0.1
    assert np.array_equal(person_matte(picture), matte)


def test_distances_are_to_the_outline() -> None:
    matte = np.zeros((40, 40), np.float32)
    matte[:, 20:] = 1
    assert np.allclose(outline_distance(matte)[7, [10, 19, 20, 30]], [10, 1, -1, -11], atol=0.1)


def test_a_damaged_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person, "SHA256", "0" * 64)
    person._segmenter.cache_clear()
    try:
        with pytest.raises(WeightsError, match="install imtalker again"):
            person_matte(np.zeros((8, 8, 3), np.uint8))
    finally:
        person._segmenter.cache_clear()
