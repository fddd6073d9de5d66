"""Lips are the portrait's own, and between them is what the face's geometry says: nothing while they are closed."""

import numpy as np
import pytest
import torch

from imtalker.faces.mesh import LIP_INNER_LOWER, LIP_INNER_UPPER, LIP_OUTER_LOWER, LIP_OUTER_UPPER
from imtalker.faces.motion_reading import EXPRESSION, SQUARE, MotionBasis, read_portrait
from imtalker.faces.neutral import jaw_displacement
from imtalker.renderer.bands import BandFrame
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.lips import LipLines, keep_lips
from imtalker.renderer.mouth_interior import MouthInterior, MouthPlacement, _jaw_displacement, denture_of
from imtalker.weights.load import bundled_basis
from tests.support.puppet_person import draw_person, mean_landmarks

SIZE = 128


@pytest.fixture(scope="module")
def basis() -> MotionBasis:
    return bundled_basis()


def person(basis: MotionBasis, gap: float = 0.0, grey: bool = False) -> tuple[FaceGeometry, MouthInterior]:
    """Someone drawn whose lips are ``gap`` pixels of 512 apart."""
    points = mean_landmarks()
    arch = 1 - np.linspace(-1, 1, len(LIP_INNER_UPPER)) ** 2
    for upper, lower in ((LIP_INNER_UPPER, LIP_INNER_LOWER), (LIP_OUTER_UPPER, LIP_OUTER_LOWER)):
        points[list(upper), 1] -= arch * gap / 2
        points[list(lower), 1] += arch * gap / 2
    square, _ = draw_person(points)
    if grey:
        square = np.repeat(square.mean(-1, keepdims=True), 3, -1).astype(np.uint8)
    geometry = FaceGeometry.of(points, read_portrait(points, basis), basis)
    return geometry, MouthInterior.of(denture_of(square, points, geometry, basis), points, geometry, basis)


def opened(geometry: FaceGeometry, mouth: MouthInterior, *jaws: float) -> torch.Tensor:
    """Motions whose jaw is open by so much more than the portrait's."""
    motion = geometry.motion.repeat(len(jaws), 1)
    motion[:, EXPRESSION] += torch.tensor(jaws)[:, None] * mouth.jaw / mouth.jaw.norm() ** 2
    return motion


def place(geometry: FaceGeometry, mouth: MouthInterior, motion: torch.Tensor) -> MouthPlacement:
    return mouth.place(motion, geometry.place(motion)[0], geometry)


def identity(size: int = SIZE) -> torch.Tensor:
    centres = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y], -1)[None]


def test_a_curve_passes_through_its_landmarks(basis: MotionBasis) -> None:
    geometry, _ = person(basis, 20)
    lines = LipLines.through(geometry.landmarks[None])
    torch.testing.assert_close(lines.inner[0, 0, ::4], geometry.landmarks[list(LIP_INNER_UPPER)])
    torch.testing.assert_close(lines.inner[0, 1, ::4], geometry.landmarks[list(LIP_INNER_LOWER)])


def test_sealed_lips_touch_and_never_cross(basis: MotionBasis) -> None:
    lines = LipLines.through(person(basis, 6)[0].landmarks[None])
    assert lines.sealed(lines.gap[0]).gap.max() < 1e-5
    sealed = lines.sealed(10 * lines.gap[0])
    assert ((sealed.inner[:, 1] - sealed.inner[:, 0])[..., 1] > -1e-5).all()


@pytest.mark.parametrize("gap", [0.0, 30.0])
def test_the_own_motion_gives_the_own_mouth_back(basis: MotionBasis, gap: float) -> None:
    geometry, mouth = person(basis, gap)
    own = place(geometry, mouth, geometry.motion[None])
    assert mouth.paint(own, SIZE)[0][:, 3].max() < 0.02
    gate, coordinates = keep_lips(torch.full((1, 1, SIZE, SIZE), 0.3), identity(), own.lips, mouth.lips)
    assert (coordinates - identity()).abs().max() * SIZE / 2 < 0.5  # pixels
    row = round(float(geometry.landmarks[0, 1] + 1) * SIZE / 2)  # the upper lip
    assert gate[0, 0, row, SIZE // 2] > 0.95 and gate[0, 0, 3, 3] == pytest.approx(0.3)


def test_lips_come_from_the_portraits_lips(basis: MotionBasis) -> None:
    geometry, mouth = person(basis)
    lips = place(geometry, mouth, opened(geometry, mouth, 0.5)).lips
    start = identity() + 0.2  # wherever attention led to
    _, coordinates = keep_lips(torch.zeros(1, 1, SIZE, SIZE), start, lips, mouth.lips)
    for lip in range(2):
        at, source = (((1 - t) * x.outer + t * x.inner)[0, lip, 8:-8] for x in (lips, mouth.lips) for t in [0.5])
        found = torch.nn.functional.grid_sample(coordinates.permute(0, 3, 1, 2), at[None, None], align_corners=False)
        assert (found[0, :, 0].T - source).norm(dim=-1).max() < 0.02
    far = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    far[: SIZE // 3] = True
    torch.testing.assert_close(coordinates[0][far], start[0][far])


def test_lips_that_touch_show_nothing_of_an_open_mouths_teeth(basis: MotionBasis) -> None:
    """The seam comes from within the portrait's lips: their inner lines have the light of the teeth behind them."""
    geometry, mouth = person(basis, 40)
    motion = geometry.motion[None].clone()
    motion[:, EXPRESSION] = 0
    lines = LipLines.through(geometry.place(motion)[0])
    closed = lines.sealed(lines.gap[0])
    _, moved = keep_lips(torch.zeros(1, 1, SIZE, SIZE), identity(), closed, mouth.lips)
    seam = closed.inner[0, 0, 8:-8]
    pixel = ((seam + 1) * SIZE / 2).long()
    there = moved[0, pixel[:, 1], pixel[:, 0]]
    inside = BandFrame.round(mouth.lips.outer, 512)
    below, above = inside.between(mouth.lips.inner)
    shown = torch.minimum(below, above)[0]  # positive between the portrait's lips
    at = ((there + 1) * 256 - there.new_tensor([inside.left, inside.top])).round().long()
    assert (shown[at[:, 1], at[:, 0]] < 0).all()


def test_more_is_seen_the_further_the_mouth_opens(basis: MotionBasis) -> None:
    geometry, mouth = person(basis)
    seen = [
        float(mouth.paint(place(geometry, mouth, opened(geometry, mouth, jaw)), SIZE)[0][:, 3].sum())
        for jaw in (0.0, 0.2, 0.4, 0.8)
    ]
    assert seen[0] < 1 and seen == sorted(seen) and seen[-1] > 20


def test_pursed_lips_hide_the_teeth(basis: MotionBasis) -> None:
    geometry, mouth = person(basis)
    motion = opened(geometry, mouth, 0.6)
    landmarks = geometry.place(motion)[0]
    middle = landmarks[:, [*LIP_INNER_UPPER, *LIP_INNER_LOWER], 0].mean()
    brightest = []
    for width in (1.0, 0.6):
        narrow = landmarks.clone()
        narrow[..., 0] = middle + width * (narrow[..., 0] - middle)
        inside = mouth.paint(mouth.place(motion, narrow, geometry), SIZE)[0]
        assert inside[:, 3].max() > 0.9  # the mouth is open
        brightest.append(float(inside[0, 1].max()))  # green: enamel has it, tongue and cavity hardly
    assert brightest[0] > 2 * brightest[1] and brightest[1] < 0.35


def test_values_along_a_line_are_linear_between_its_points(basis: MotionBasis) -> None:
    lines = LipLines.through(person(basis, 20)[0].landmarks[None]).outer
    part = BandFrame.round(lines, SIZE)
    line, values = (
        part.turned(lines)[:, 0],
        torch.rand(1, lines.shape[2], 2, generator=torch.Generator().manual_seed(0)),
    )
    found = part.along_line(line, values)
    x = np.maximum.accumulate(line[0, :, 0].numpy())
    for channel in range(2):
        expected = np.interp(part.along[0].numpy(), x, values[0, :, channel].numpy())
        np.testing.assert_allclose(found[0, ..., channel].numpy(), expected, atol=1e-4)


def test_the_upper_row_turns_with_the_head_and_the_lower_one_with_the_jaw(basis: MotionBasis) -> None:
    geometry, mouth = person(basis)
    motion = opened(geometry, mouth, 0.0, 0.6)
    rows = place(geometry, mouth, motion).rows
    torch.testing.assert_close(rows[0, 0], rows[1, 0])
    centres = -torch.linalg.solve(rows[:, 1, :, :2], rows[:, 1, :, 2])  # where the lower plate's middle is seen
    jaw = (motion[:, EXPRESSION] @ mouth.jaw).clamp(min=0)
    lower = mouth.corners[1].double().numpy()
    first, second = (jaw_displacement(lower, float(share))[0, 1] for share in jaw)
    unit = float(place(geometry, mouth, motion).unit[0])
    assert float(centres[1, 1] - centres[0, 1]) == pytest.approx((first - second) * unit, rel=0.15)


def test_the_jaw_moves_as_in_the_training() -> None:
    points = np.random.default_rng(0).normal(size=(4, 3, 3))
    jaw = np.array([0.0, 0.3, 0.7, 1.0])
    expected = np.stack([jaw_displacement(p, j) for p, j in zip(points, jaw, strict=True)])
    torch.testing.assert_close(
        _jaw_displacement(torch.from_numpy(points), torch.from_numpy(jaw)), torch.from_numpy(expected)
    )


def test_mouths_painted_together_and_alone_are_equal(basis: MotionBasis) -> None:
    geometry, mouth = person(basis)
    placement = place(geometry, mouth, opened(geometry, mouth, 0.3, 0.7))
    together, left, top = mouth.paint(placement, SIZE)
    for i in range(2):
        alone, x, y = mouth.paint(placement[i : i + 1], SIZE)
        part = together[i, :, y - top : y - top + alone.shape[2], x - left : x - left + alone.shape[3]]
        torch.testing.assert_close(part, alone[0], atol=1e-5, rtol=0)


def test_the_inside_of_a_grey_picture_is_grey(basis: MotionBasis) -> None:
    for grey in (False, True):
        geometry, mouth = person(basis, grey=grey)
        inside = mouth.paint(place(geometry, mouth, opened(geometry, mouth, 0.8)), SIZE)[0][0, :3]
        stray = (inside.amax(0) - inside.amin(0)).max()
        assert stray < 0.02 if grey else stray > 0.05


def test_square_is_the_motions(basis: MotionBasis) -> None:
    """A centimetre of the face is as long as the projection makes it."""
    geometry, mouth = person(basis)
    unit = float(place(geometry, mouth, geometry.motion[None]).unit[0])
    eyes = (geometry.landmarks[33] - geometry.landmarks[263]).norm() / 9.0  # cm between the outer corners
    assert unit == pytest.approx(float(eyes), rel=0.05) and unit * SQUARE / 2 > 10
