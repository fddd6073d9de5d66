import numpy as np
import pytest
import torch

from imtalker.errors import InputError
from imtalker.generator.motion_parts import PARTS, Part, combine, lower_face_matrix, split
from imtalker.train.puppet import motion_space
from imtalker.train.puppet.controls import sample_controls
from imtalker.train.puppet.motion_space import EXPRESSION, GAZE, TONGUE, MotionSpace

SPACE = MotionSpace.load()


@pytest.fixture(scope="module")
def motions() -> tuple[torch.Tensor, torch.Tensor]:
    """Two unrelated motions (200, 32) of the training distribution."""
    rng = np.random.default_rng(5)
    drawn = [sample_controls(rng) for _ in range(400)]
    motion = SPACE.encode({name: np.array([c[name] for c in drawn]) for name in drawn[0]})
    return torch.from_numpy(motion[:200]), torch.from_numpy(motion[200:])


def lips(motion: torch.Tensor) -> np.ndarray:
    return SPACE.mouth_gap(motion.numpy())


def lids(motion: torch.Tensor) -> np.ndarray:
    return SPACE.eye_aperture(motion.numpy())


def leak(result: np.ndarray, wanted: np.ndarray, other: np.ndarray) -> float:
    """How much of the difference of ``other`` shows up in ``result`` beside ``wanted``: 0 none, 1 all."""
    difference = (other - wanted).ravel()
    return float((result - wanted).ravel() @ difference / (difference @ difference))


def test_the_stored_matrix_is_that_of_the_motion_space() -> None:
    np.testing.assert_allclose(lower_face_matrix(), motion_space.lower_face_matrix(SPACE), atol=1e-6)


def test_parts_add_up_and_everything_is_everything(motions) -> None:
    first, second = motions
    torch.testing.assert_close(sum(split(first).values()), first)
    wholes: list[list[Part]] = [["all"], ["lips", "eyes", "head"], ["expression", "head"]]
    for parts in wholes:
        torch.testing.assert_close(combine(first, second, parts), first)
    torch.testing.assert_close(combine(first, first, "lips"), first)


def test_lips_come_from_one_motion_and_lids_from_the_other(motions) -> None:
    first, second = motions
    result = combine(first, second, "lips")
    assert np.abs(lips(result) - lips(first)).max() < 0.1 * lips(first).std()
    assert np.abs(lids(result) - lids(second)).mean() < 0.05 * lids(second).std()
    assert abs(leak(lips(result), lips(first), lips(second))) < 0.005
    assert abs(leak(lids(result), lids(second), lids(first))) < 0.01
    torch.testing.assert_close(result[:, TONGUE], first[:, TONGUE])
    torch.testing.assert_close(result[:, : EXPRESSION.start], second[:, : EXPRESSION.start])


def test_eyes_take_gaze_lids_and_brows_only(motions) -> None:
    first, second = motions
    result = combine(first, second, "eyes")
    assert abs(leak(lids(result), lids(first), lids(second))) < 0.01
    assert abs(leak(lips(result), lips(second), lips(first))) < 0.005
    torch.testing.assert_close(result[:, GAZE], first[:, GAZE])
    torch.testing.assert_close(result[:, :6], second[:, :6])
    both = combine(first, result, "lips")
    torch.testing.assert_close(both, combine(first, second, "expression"), atol=1e-4, rtol=1e-4)


def test_head_and_expression_are_separate_channels(motions) -> None:
    first, second = motions
    torch.testing.assert_close(combine(first, second, "head"), torch.cat([first[:, :6], second[:, 6:]], 1))
    torch.testing.assert_close(combine(first, second, "expression"), torch.cat([second[:, :6], first[:, 6:]], 1))


def test_windows_against_one_portrait(motions) -> None:
    first, second = motions
    windows = combine(first[None], second[0], "lips")
    torch.testing.assert_close(windows[0, 7], combine(first[7], second[0], "lips"))


@pytest.mark.parametrize("parts", ["nose", (), ("lips", "nose"), ""])
def test_unknown_parts_are_refused(motions, parts) -> None:
    with pytest.raises(InputError, match="lips"):
        combine(motions[0], motions[1], parts)
    assert set(PARTS) == {"all", "expression", "lips", "eyes", "head"}
