"""A person is told from what is behind."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imtalker.errors import WeightsError
from imtalker.faces import person
from imtalker.faces.person import outline_distance, person_matte
from imtalker.faces.person_network import PersonConfig, PersonNetwork
from imtalker.weights.file import load_module, save_weights

PORTRAITS = Path(__file__).parents[2] / "assets" / "portraits"


@pytest.fixture
def fresh_network() -> Iterator[None]:
    person._network.cache_clear()
    yield
    person._network.cache_clear()


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum())


@pytest.mark.parametrize("name", ["mei", "chidi", "grete", "painting"])
def test_the_face_is_the_person_and_the_corners_are_not(name: str) -> None:
    picture = np.asarray(Image.open(PORTRAITS / f"{name}.jpg").convert("RGB"))
    matte = person_matte(picture)
    height, width = matte.shape
    assert matte.shape == picture.shape[:2] and matte.dtype == np.float32
    assert matte.min() >= 0 and matte.max() <= 1
    assert matte[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20].min() > 0.9
    assert matte[:10, :10].max() < 0.1 and matte[:10, -10:].max() < 0.1
    assert np.array_equal(person_matte(picture), matte)


def test_a_mirrored_picture_has_the_mirrored_matte() -> None:
    picture = np.asarray(Image.open(PORTRAITS / "mei.jpg").convert("RGB"))
    mirrored = person_matte(np.ascontiguousarray(picture[:, ::-1]))[:, ::-1]
    assert overlap(person_matte(picture), mirrored) > 0.97


def test_the_size_of_the_picture_hardly_matters() -> None:
    picture = Image.open(PORTRAITS / "mei.jpg").convert("RGB")
    small, oblong = (np.asarray(picture.resize(size)) for size in ((200, 200), (200, 300)))
    expected = person_matte(small)
    found = person_matte(oblong)
    assert found.shape == (300, 200)
    assert overlap(np.asarray(Image.fromarray(found).resize((200, 200))), expected) > 0.97


def test_the_file_is_what_the_training_writes() -> None:
    network, config, _ = load_module(person.WEIGHTS, PersonConfig, PersonNetwork)
    own = person._network()
    assert config == own.config
    assert all(np.array_equal(a, b) for a, b in zip(network.parameters(), own.parameters(), strict=True))


def test_distances_are_to_the_outline() -> None:
    matte = np.zeros((40, 40), np.float32)
    matte[:, 20:] = 1
    assert np.allclose(outline_distance(matte)[7, [10, 19, 20, 30]], [10, 1, -1, -11], atol=0.1)


@pytest.mark.parametrize("kind", ["missing", "cut", "other sizes"])
def test_a_damaged_file_is_named(
    kind: str, fresh_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "person.safetensors"
    if kind == "cut":
        path.write_bytes(person.WEIGHTS.read_bytes()[:-10])
    if kind == "other sizes":
        save_weights(PersonNetwork(PersonConfig(32, (4, 4))), PersonConfig(32, (4, 8)), path)
    monkeypatch.setattr(person, "WEIGHTS", path)
    with pytest.raises(WeightsError, match=r"person\.safetensors.*install imtalker again"):
        person_matte(np.zeros((8, 8, 3), np.uint8))
