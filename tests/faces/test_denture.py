"""A photo's own teeth are taken where a row of them is seen, and nothing else is taken for one."""

import cv2
import numpy as np
import pytest

from imtalker.faces.denture import Denture, fit_denture
from imtalker.faces.drawn_teeth import PLATE_SCALE, TEETH_DEPTH
from imtalker.faces.mesh import LIP_INNER_LOWER, LIP_INNER_UPPER
from imtalker.faces.tone import Tone
from tests.support.puppet_person import SIZE, draw_person, mean_landmarks

PX = 20.0  # of the picture in a centimetre


def photo(kind: str, colour: tuple[int, int, int] = (210, 200, 190)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture, landmarks and head-frame landmarks of a face whose mouth is a centimetre open."""
    landmarks = mean_landmarks()
    head = np.zeros((478, 3))
    head[:, 0], head[:, 1] = (landmarks[:, 0] - SIZE / 2) / PX, -(landmarks[:, 1] - SIZE / 2) / PX
    arch = 1 - np.linspace(-1, 1, 11) ** 4
    middle = head[13, 1]
    head[list(LIP_INNER_UPPER), 1] = middle + 0.4 * arch
    head[list(LIP_INNER_LOWER), 1] = middle - 0.6 * arch
    landmarks[:, 1] = SIZE / 2 - PX * head[:, 1]
    picture, _ = draw_person(landmarks)
    x, y = landmarks[13, 0], SIZE / 2 - PX * middle

    def bar(top: float, bottom: float, left: float, right: float) -> None:
        corners = np.array([[x + PX * left, y - PX * top], [x + PX * right, y - PX * bottom]]).round().astype(int)
        cv2.rectangle(picture, tuple(map(int, corners[0])), tuple(map(int, corners[1])), colour, -1)

    if kind == "row":
        bar(0.4, -0.3, -1.4, 1.4)
    elif kind == "gap":
        bar(0.4, -0.3, -1.4, -0.5)
        bar(0.4, -0.3, 0.5, 1.4)
    elif kind == "lower":
        bar(-0.2, -0.6, -1.4, 1.4)
    elif kind == "glint":
        bar(0.3, 0.1, -0.3, 0.2)
    return picture, landmarks, head


def to_photo(points: np.ndarray) -> np.ndarray:
    return np.stack([SIZE / 2 + PX * points[:, 0], SIZE / 2 - PX * points[:, 1]], 1)


def denture(kind: str, colour: tuple[int, int, int] = (210, 200, 190)) -> Denture:
    return fitted(*photo(kind, colour))


def fitted(picture: np.ndarray, landmarks: np.ndarray, head: np.ndarray) -> Denture:
    neutral = head[:468].copy()
    neutral[[13, 14], 1] = neutral[[13, 14], 1].mean() + 0.1
    return fit_denture(picture, landmarks, to_photo, neutral, head)


def test_a_row_that_is_seen_is_the_persons_own() -> None:
    own, drawn = denture("row"), denture("none")
    assert own.upper_edge != drawn.upper_edge
    bottom = np.nonzero(own.plates[0, :, 128, 3] > 128)[0].max()
    edge = own.upper_edge - (bottom - 63.5) / PLATE_SCALE
    assert edge == pytest.approx(own.middle[1] - 0.1 - 0.3, abs=0.12)
    assert TEETH_DEPTH > 0


@pytest.mark.parametrize("kind", ["gap", "lower", "glint"])
def test_what_is_no_upper_row_is_not_taken_for_one(kind: str) -> None:
    taken, drawn = denture(kind), denture("none")
    assert taken.upper_edge == drawn.upper_edge
    np.testing.assert_array_equal(taken.plates[..., 3], drawn.plates[..., 3])


@pytest.mark.parametrize("colour", [(240, 236, 225), (190, 175, 130)])
def test_teeth_have_the_colour_that_is_seen(colour: tuple[int, int, int]) -> None:
    for kind in ("row", "lower"):
        own = denture(kind, colour)
        for crowns in (own.plates[0, 42:58, 100:156, :3], own.plates[1, 70:86, 100:156, :3]):
            seen = np.median(crowns.reshape(-1, 3), 0)
            np.testing.assert_allclose(seen / seen.max(), np.array(colour) / max(colour), atol=0.08)
            assert seen.max() == pytest.approx(max(colour), rel=0.25)


def test_a_tongue_is_not_taken_for_teeth() -> None:
    np.testing.assert_array_equal(denture("lower", (205, 150, 150)).plates, denture("none").plates)


def test_a_gap_in_the_row_stays_drawn() -> None:
    """What is dark between teeth that are seen is no tooth: no blotch is carried through every frame."""
    picture, landmarks, head = photo("row")
    x, y = landmarks[13, 0], SIZE / 2 - PX * head[13, 1]
    holed = picture.copy()
    cv2.rectangle(holed, (int(x + 8), int(y - 8)), (int(x + 13), int(y + 6)), (20, 8, 8), -1)
    whole, gapped = fitted(picture, landmarks, head), fitted(holed, landmarks, head)
    crowns = np.s_[0, 30:60, 90:166, :3]
    assert gapped.plates[crowns].min() > 0.5 * np.median(whole.plates[crowns])


def test_one_tone_and_many() -> None:
    picture, landmarks, _ = photo("none")
    assert Tone.of(picture, landmarks).share == 0
    brightness = picture.astype(np.float64).mean(-1, keepdims=True)
    sepia = (brightness * [1.0, 0.85, 0.65]).astype(np.uint8)
    tone = Tone.of(sepia, landmarks)
    assert tone.share > 0.95
    red = tone(np.array([180.0, 40, 40]))
    np.testing.assert_allclose(red / red[0], [1.0, 0.85, 0.65], atol=0.05)
