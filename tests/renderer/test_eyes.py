"""Lids meet where the motion shuts them, and an eye at rest is the portrait's own."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from imtalker.faces.eyeball import IRIS_EXTENT, IRIS_TEXTURE, build_eye
from imtalker.faces.lids import SHUT, lid_gaps
from imtalker.faces.mesh import EYES, IRISES, NUM_FACE, closed_loop
from imtalker.faces.motion_reading import EXPRESSION, GAZE, MEAN_SCALE, SQUARE, MotionBasis, head_points, read_portrait
from imtalker.renderer.eyes import Eyes
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.lids import LidLines
from imtalker.renderer.motion_transfer import resample_coordinates
from imtalker.renderer.source import magnify, widen
from imtalker.weights.load import bundled_basis
from tests.support.puppet_person import draw_person, mean_landmarks

SIZE = 256
EYEBALL = torch.tensor([0.0, 1.0, 0.0])  # nothing else is as green


@pytest.fixture(scope="module")
def basis() -> MotionBasis:
    return bundled_basis()


class Person:
    """Someone drawn, with eyes open by a share of the usual."""

    def __init__(self, basis: MotionBasis, share: float = 1.0, grey: bool = False):
        points = mean_landmarks()
        for upper, lower in EYES:
            middle = (points[list(upper)] + points[list(lower)]) / 2
            for lid in (upper, lower):
                points[list(lid)] = middle + share * (points[list(lid)] - middle)
        square, _ = draw_person(points)
        if grey:
            square = np.repeat(square.mean(-1, keepdims=True), 3, -1).astype(np.uint8)
        self.basis = basis
        self.geometry = FaceGeometry.of(points, read_portrait(points, basis), basis)
        self.eyes = Eyes.of(square, points, self.geometry)
        pixels = torch.from_numpy(square.transpose(2, 0, 1)[None] / 255).float()
        picture, self.reach = widen(pixels)
        self.picture = magnify(picture)

    def motion(self, *shares: float, gaze: tuple[float, float] | None = None) -> torch.Tensor:
        """The portrait's own, with lids open by so much."""
        motion = self.geometry.motion.repeat(len(shares), 1)
        change = torch.tensor(shares)[:, None] - self.geometry.lid_shares(motion)
        motion[:, EXPRESSION] += change @ torch.from_numpy(self.basis.lid_directions).float()
        if gaze is not None:
            motion[:, GAZE] = torch.tensor(gaze) / 10
        return motion

    def head(self, motion: torch.Tensor) -> np.ndarray:
        """Landmarks (468,3) under a motion (1,32) in the head frame, read back from where they come to lie."""
        placed = (self.geometry.place(motion)[0][0].numpy() + 1) * (SQUARE / 2)
        depth = mean_landmarks()[:, 2]
        return head_points(np.column_stack([placed, depth]), self.basis)[:NUM_FACE]

    def place(self, motion: torch.Tensor):
        return self.eyes.place(motion, self.geometry.place(motion)[0])

    def paint(self, motion: torch.Tensor, size: int = SIZE):
        return self.eyes.paint(self.place(motion), size, self.picture, self.reach)

    def with_green_eyeballs(self) -> "Person":
        """Their own and the painted ones."""
        person = object.__new__(Person)
        person.__dict__ |= self.__dict__
        whites, irises = self.eyes.whites.clone(), self.eyes.irises.clone()
        whites[:, :3], irises[:, :3] = EYEBALL[:, None, None], EYEBALL[:, None, None]
        whites[:, 3] = 0
        person.eyes = replace(self.eyes, whites=whites, irises=irises)
        return person


@pytest.fixture(scope="module")
def person(basis: MotionBasis) -> Person:
    return Person(basis)


def identity(size: int) -> torch.Tensor:
    centres = (torch.arange(size) + 0.5) / size * 2 - 1
    return torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1)[None]


def greenness(painted: torch.Tensor) -> torch.Tensor:
    return painted[:, 1] - torch.maximum(painted[:, 0], painted[:, 2])


@pytest.mark.parametrize("share", [0.7, 1.0, 1.3])
def test_the_own_motion_gives_the_own_eyes_back(basis: MotionBasis, share: float) -> None:
    person = Person(basis, share)
    own = resample_coordinates(person.picture, identity(SIZE) / person.reach)
    for painted, left, top in person.paint(person.geometry.motion[None]):
        assert painted[:, 3].max() == 1
        there = own[..., top : top + painted.shape[2], left : left + painted.shape[3]]
        difference = (painted[:, :3] - painted[:, 3:] * there).abs()
        assert difference.max() < 0.03


def test_a_painted_iris_lies_where_the_portraits_own_is_to_a_fraction_of_a_pixel(person: Person) -> None:
    eyes, pixel = person.eyes, 2 / SQUARE
    for eye in range(2):
        centre = eyes.centres[eye]
        places = centre + identity(48) * eyes.radii[eye] * 1.1
        own = resample_coordinates(person.picture, places / person.reach)
        errors = {
            (x, y): (eyes._eyeball(eye, places, (centre + torch.tensor([x, y]) * pixel)[None]) - own).square().mean()
            for x in (-0.5, 0.0, 0.5)
            for y in (-0.5, 0.0, 0.5)
        }
        assert min(errors, key=lambda shift: errors[shift]) == (0, 0)


@pytest.mark.parametrize("share", [0.8, 1.0, 1.4])
def test_lids_meet_and_never_cross_however_wide_the_eyes_are(basis: MotionBasis, share: float) -> None:
    person = Person(basis, share)
    openings = [
        torch.stack([lines.opening for lines in person.place(person.motion(s)).lids])
        for s in (-0.5, 0.0, 0.3, 0.7, 1.0)
    ]
    assert openings[0].max() < 0.002 and openings[1].max() < 0.002
    for narrower, wider in pairwise(openings[1:]):
        assert (narrower < wider).all()
    own = torch.stack([lines.opening for lines in LidLines.through(person.geometry.landmarks[None])])
    torch.testing.assert_close(openings[-1], own, atol=2e-3, rtol=0)


@pytest.mark.parametrize("share", [0.7, 1.0, 1.3])
def test_lids_open_by_shares_of_the_persons_own_opening(basis: MotionBasis, share: float) -> None:
    person = Person(basis, share)
    rest = lid_gaps(person.geometry.head[:NUM_FACE].numpy())
    for wanted in (0.4, 0.8, 1.0, 1.3):
        expected = rest * wanted - SHUT * max(wanted - 1, 0)  # shut lids do meet
        np.testing.assert_allclose(lid_gaps(person.head(person.motion(wanted))), expected, atol=0.03)


def test_lids_follow_the_eye_up_and_down_unless_they_are_shut(person: Person) -> None:
    def heights(share: float, look: float) -> np.ndarray:
        """Of the upper lids, the lower ones and the irises, cm."""
        motion = person.motion(share, gaze=(0, look))
        lids = person.head(motion)[[[eye[row][4] for eye in EYES] for row in range(2)], 1]
        irises = person.place(motion).irises[0, :, 1].numpy()
        return np.stack([*lids, -irises / float(person.eyes.unit)])

    down = heights(1.0, -12) - heights(1.0, 0)
    assert (down[:2] < 0.8 * down[2]).all() and (down[:2] > 1.1 * down[2]).all()
    np.testing.assert_allclose(down[0], down[1], atol=0.01)
    np.testing.assert_allclose(heights(0.0, -12)[:2], heights(0.0, 0)[:2], atol=0.01)


def test_the_upper_lid_does_most_of_a_blink(person: Person) -> None:
    upper, lower = (
        (person.head(person.motion(0.0)) - person.head(person.motion(1.0)))[[eye[row][4] for eye in EYES], 1]
        for row in range(2)
    )
    assert (upper < -0.4).all() and (np.abs(lower) < 0.25 * np.abs(upper)).all()


def test_skin_of_a_lower_lid_within_the_landmarks_line_is_not_taken_for_the_iris() -> None:
    points = mean_landmarks()
    square, _ = draw_person(points)
    upper, lower = EYES[0]
    line = np.round(points[list(lower), :2]).astype(np.int32)
    strip = np.concatenate([line - np.array([0, 4]), line[::-1] + np.array([0, 3])])
    inside = np.zeros(square.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(points[closed_loop(upper, lower), :2]).astype(np.int32)], [1])
    skin = np.zeros_like(inside)
    cv2.fillPoly(skin, [strip], [1])
    skin &= inside
    square[skin > 0] = (205, 160, 135)
    layer = build_eye(square, points, EYES[0], IRISES[0], MEAN_SCALE)
    centres = ((np.arange(IRIS_TEXTURE) + 0.5) / IRIS_TEXTURE * 2 - 1) * IRIS_EXTENT
    iris = np.hypot(*np.meshgrid(centres, centres)) < 0.85
    assert layer.iris[iris][:, :3].mean(-1).max() < 100
    x, y = layer.origin.astype(int)
    yy, xx = np.nonzero(skin)
    before = np.hypot(xx - layer.centre[0], yy - layer.centre[1]) < 0.8 * layer.radius
    assert before.sum() > 20 and layer.seen[yy[before] - y, xx[before] - x].max() < 0.5


@pytest.mark.parametrize("share", [1.0, 1.3])
def test_an_iris_is_as_large_as_it_is_seen(share: float) -> None:
    """Landmarks know irises of the usual size; drawn people may have larger ones."""
    points = mean_landmarks()
    square, _ = draw_person(points)
    centre = points[IRISES[0][0], :2]
    radius = build_eye(square, points, EYES[0], IRISES[0], MEAN_SCALE).radius
    inside = np.zeros(square.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(points[closed_loop(*EYES[0]), :2]).astype(np.int32)], [1])
    yy, xx = np.mgrid[: len(square), : len(square)]
    iris = (np.hypot(xx - centre[0], yy - centre[1]) < share * radius) & (inside > 0)
    square[inside > 0] = 235
    square[iris] = (90, 140, 70)
    layer = build_eye(square, points, EYES[0], IRISES[0], MEAN_SCALE)
    assert layer.radius == pytest.approx(share * radius, rel=0.06)
    centres = ((np.arange(IRIS_TEXTURE) + 0.5) / IRIS_TEXTURE * 2 - 1) * IRIS_EXTENT
    disc = layer.iris[np.hypot(*np.meshgrid(centres, centres)) < 0.8][:, :3]
    assert np.abs(disc - (90, 140, 70)).max() < 25  # what lids hide is as light as what is seen


def test_nothing_of_the_eyeball_is_seen_when_the_eye_is_shut(person: Person) -> None:
    green = person.with_green_eyeballs()
    seen = [max(float(greenness(part).max()) for part, *_ in green.paint(green.motion(s))) for s in (0.0, 0.5)]
    before = max(float(greenness(part).max()) for part, *_ in person.paint(person.motion(0.0)))
    assert seen[0] <= before + 1e-3 and seen[1] > 0.3


def test_an_eyeball_is_seen_more_the_further_the_lids_open(person: Person) -> None:
    green = person.with_green_eyeballs()
    areas = [
        sum(float(greenness(p).clamp(min=0).sum()) for p, *_ in green.paint(green.motion(s))) for s in (0.2, 0.5, 0.8)
    ]
    assert areas == sorted(areas) and areas[0] < areas[-1] / 2


def test_a_portrait_with_shut_eyes_opens_them(basis: MotionBasis) -> None:
    person = Person(basis, 0.1)
    assert person.geometry.lid_shares(person.geometry.motion[None]).max() < 0.1
    head = person.geometry.place(person.motion(1.0))[0]
    opened = torch.stack([lines.opening for lines in LidLines.through(head)])[:, 0] / person.eyes.unit
    assert float(opened.min()) > 0.6 * float(lid_gaps(basis.face).mean())
    green = person.with_green_eyeballs()
    assert max(float(greenness(part).max()) for part, *_ in green.paint(green.motion(1.0))) > 0.3


def test_irises_go_where_the_gaze_goes(person: Person) -> None:
    ahead, right, up = (person.place(person.motion(1.0, gaze=gaze)).irises[0] for gaze in ((0, 0), (15, 0), (0, 15)))
    assert ((right - ahead)[:, 0] > 0.01).all() and ((right - ahead)[:, 1].abs() < 0.005).all()
    assert ((up - ahead)[:, 1] < -0.01).all()
    own = person.place(person.geometry.motion[None]).irises[0]
    torch.testing.assert_close(own, person.geometry.landmarks[[iris[0] for iris in IRISES]], atol=1e-4, rtol=0)


def test_eyes_painted_together_and_alone_are_equal(person: Person) -> None:
    motion = person.motion(0.2, 0.9)
    for eye, (together, left, top) in enumerate(person.paint(motion)):
        for i in range(2):
            alone, x, y = person.paint(motion[i : i + 1])[eye]
            part = together[i, :, y - top : y - top + alone.shape[2], x - left : x - left + alone.shape[3]]
            torch.testing.assert_close(part, alone[0], atol=1e-4, rtol=0)


def test_the_eyes_of_a_grey_picture_are_grey(basis: MotionBasis) -> None:
    for share in (0.1, 1.0):
        person = Person(basis, share, grey=True)
        for motion in (person.motion(0.0), person.motion(1.0, gaze=(15, 10))):
            for painted, *_ in person.paint(motion):
                assert (painted[:, :3].amax(1) - painted[:, :3].amin(1)).max() < 0.03
