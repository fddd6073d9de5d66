"""Synthetic people: the same seed is the same person, and the controls do what they say."""

import shutil

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="moderngl is not installed (pip install .[train])")
pytest.importorskip("scipy", reason="scipy is not installed (pip install .[train])")

from imtalker.errors import InputError
from tools.synthetic_people.expression import face_units
from tools.synthetic_people.head import Head
from tools.synthetic_people.identity import TraitOverrides, sample_identity
from tools.synthetic_people.painting import paint
from tools.synthetic_people.rasterizer import egl_installed
from tools.synthetic_people.renderer import Frame, PersonRenderer, Pose
from tools.synthetic_people.subdivision import catmull_clark

needs_egl = pytest.mark.skipif(not egl_installed(), reason="libEGL is not installed, so nothing can be rendered")
NOSE_TIP = (0.0, 6.9, 1.75)
SEED = 1004


@pytest.fixture(scope="module")
def studio() -> PersonRenderer:
    return PersonRenderer(128, supersample=1, density=0.1)


def project(studio: PersonRenderer, frame: Frame, mark: tuple[float, float, float]) -> np.ndarray:
    """Pixel (x to the right, y up, -1..1) of a mark of the rest mesh."""
    point = frame.view_projection @ np.append(frame.surface[studio.head.nearest_rest(mark)], 1.0)
    return point[:2] / point[3]


@needs_egl
def test_the_same_seed_is_the_same_picture(studio: PersonRenderer) -> None:
    first = studio.render(studio.person(SEED)).image
    other = studio.render(studio.person(SEED + 1)).image
    again = studio.render(studio.person(SEED)).image
    assert first.shape == (128, 128, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


@needs_egl
def test_a_blink_closes_the_lids_and_the_jaw_opens_the_mouth(studio: PersonRenderer) -> None:
    person = studio.person(SEED)
    rest = studio.render(person)
    blink = studio.render(person, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    assert rest.eye_aperture > 5
    assert blink.eye_aperture < 0.25 * rest.eye_aperture
    vowel = studio.render(person, face_units({"jaw": 0.4, "lld": 0.2}))
    closed = studio.render(person, face_units({"jaw": 0.4, "lld": 0.2, "close": 1.0}))
    assert vowel.mouth_gap > rest.mouth_gap + 5
    assert closed.mouth_gap < 1.5
    assert np.abs(vowel.image.astype(int) - rest.image).max() > 40


@needs_egl
@pytest.mark.parametrize(("pose", "axis"), [(Pose(yaw=12), 0), (Pose(pitch=8), 1)])
def test_yaw_turns_right_and_pitch_turns_up(studio: PersonRenderer, pose: Pose, axis: int) -> None:
    person = studio.person(SEED)
    straight = project(studio, studio.render(person), NOSE_TIP)
    turned = project(studio, studio.render(person, pose=pose), NOSE_TIP)
    assert turned[axis] > straight[axis] + 0.05


def test_a_wish_changes_only_what_it_names() -> None:
    head = Head()
    free = sample_identity(head, np.random.default_rng(5), TraitOverrides())
    old = sample_identity(head, np.random.default_rng(5), TraitOverrides(age=0.7))
    assert old.old == 0.7
    assert old.details == free.details
    assert np.array_equal(old.ancestry, free.ancestry)
    assert sum(free.macro()[f"{a}-female-old"] for a in ("african", "asian", "caucasian")) <= 1


def test_an_unknown_face_unit_is_refused() -> None:
    head = Head()
    with pytest.raises(InputError, match="eyebrowWiggle"):
        head.pose(head.base, {"eyebrowWiggle": 1.0}, np.zeros(3), np.zeros(3))


def test_closed_lips_win_over_any_vowel() -> None:
    quiet, loud = (face_units({"jaw": jaw, "ulr": jaw, "close": 1.0}) for jaw in (0.0, 0.6))
    assert quiet["jawOpen"] == pytest.approx(loud["jawOpen"])
    assert set(face_units({"jaw": 0.3})) <= {*Head().unit_names, "tongueUp"}


def test_subdivision_keeps_planes_and_averages_to_one() -> None:
    quads = np.array([[0, 1, 4, 3], [1, 2, 5, 4]])
    points = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]], float)
    matrix, fine, uv = catmull_clark(6, quads, points[quads])
    assert np.allclose(np.asarray(matrix.sum(1)), 1)
    assert fine.shape == (8, 4) and uv.shape == (8, 4, 2)
    new = matrix @ points
    assert new[:, 0].min() > -1e-9 and new[:, 0].max() < 2 + 1e-9


def test_a_painting_has_the_size_of_the_picture_and_repeats() -> None:
    row = np.linspace(0, 255, 96).astype(np.uint8)
    picture = np.stack([np.tile(row, (96, 1)), np.tile(row[:, None], (1, 96)), np.full((96, 96), 90, np.uint8)], -1)
    first, second = paint(picture, seed=3), paint(picture, seed=3)
    assert first.shape == picture.shape and first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert 3 < np.abs(first.astype(int) - picture).mean() < 60


@pytest.mark.skipif(shutil.which("flite") is None, reason="the speech program flite is not installed")
def test_a_clip_is_acted_the_same_way_twice() -> None:
    from tools.synthetic_people.clips import CLIP_SCRIPTS, perform

    first, second = perform(CLIP_SCRIPTS[0]), perform(CLIP_SCRIPTS[0])
    assert np.array_equal(first.waveform, second.waveform)
    assert first.segments[-1].end <= len(first.waveform) / 16_000 + 1e-6
    for name, track in first.controls.items():
        assert len(track) == first.num_frames
        assert np.array_equal(track, second.controls[name])
