"""Source coordinates are held to the portrait's landmarks, its irises too, and to nothing else."""

import numpy as np
import pytest
import torch

from imtalker.faces.mesh import IRIS_R, NOSE_TIP, NUM_FACE
from imtalker.faces.motion_reading import ANGLE_UNIT, GAZE, SQUARE, MotionBasis, read_portrait
from imtalker.faces.rigid import rotation_matrix
from imtalker.renderer.landmark_guide import LIMIT, FaceGeometry, _rotation, follow_landmarks, sample_coordinates
from imtalker.weights.load import bundled_basis

SIDE = 256


@pytest.fixture(scope="module")
def basis() -> MotionBasis:
    return bundled_basis()


@pytest.fixture(scope="module")
def geometry(basis: MotionBasis) -> FaceGeometry:
    """The average face turned and lifted a little, its irises between the corners of the eyes."""
    face = basis.face.astype(np.float64)
    middles = np.stack([face[[33, 133]].mean(0), face[[362, 263]].mean(0)])
    irises = np.repeat(middles, 5, axis=0) + np.array([0.1, 0.1, 0.2])
    irises += np.tile([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [-0.5, 0, 0], [0, -0.5, 0]], (2, 1))
    turned = np.concatenate([face, irises]) @ rotation_matrix(12, -5, 4).T
    nearer = 1 / (1 - turned[:, 2:] / 100)
    points = np.concatenate([turned[:, :2] * nearer, turned[:, 2:]], 1) * [17, -17, -17] + [SQUARE / 2, SQUARE / 2, 0]
    return FaceGeometry.of(points, read_portrait(points, basis), basis)


def identity(side: int = SIDE) -> torch.Tensor:
    centres = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y], -1)[None]


def errors(coordinates: torch.Tensor, targets: torch.Tensor, geometry: FaceGeometry) -> torch.Tensor:
    """Distance (N,) between where the targets come from and the landmarks, pixels of a square of 512."""
    return (sample_coordinates(coordinates, targets) - geometry.landmarks)[0].norm(dim=-1) * SQUARE / 2


def moved(geometry: FaceGeometry, **changes: float) -> torch.Tensor:
    motion = geometry.motion.clone()
    for channel, change in changes.items():
        motion[int(channel[1:])] += change
    return motion[None]


def test_rotations_are_those_of_the_head() -> None:
    angles = np.random.default_rng(0).uniform(-40, 40, (5, 3))
    expected = torch.from_numpy(rotation_matrix(*angles.T)).float()
    torch.testing.assert_close(_rotation(torch.from_numpy(angles).float()), expected, atol=1e-5, rtol=0)


def test_the_own_motion_gives_back_the_landmarks(geometry: FaceGeometry) -> None:
    placed, _ = geometry.place(geometry.motion[None])
    assert (placed[0] - geometry.landmarks).abs().max() * SQUARE / 2 < 0.02


def test_what_leads_to_the_landmarks_already_stays(geometry: FaceGeometry) -> None:
    placed, weights = geometry.place(geometry.motion[None])
    assert (follow_landmarks(identity(), placed, weights, geometry.landmarks) - identity()).abs().max() < 1e-3


@pytest.mark.parametrize("channel, change", [("c0", 0.4), ("c1", -0.3), ("c2", 0.3), ("c3", 0.3), ("c8", 2.5)])
def test_coordinates_lead_to_the_landmarks(geometry: FaceGeometry, channel: str, change: float) -> None:
    """From coordinates that do not move at all, at every kind of motion."""
    targets, weights = geometry.place(moved(geometry, **{channel: change}))
    before, followed = identity(), follow_landmarks(identity(), targets, weights, geometry.landmarks)
    believed = weights[0, :NUM_FACE] == 1
    assert believed.float().mean() > 0.5
    after, before_it = (errors(x, targets, geometry)[:NUM_FACE][believed].mean() for x in (followed, before))
    assert before_it > 2
    assert after < 0.2 * before_it
    assert (followed - before)[:, :8, :8].abs().max() < 0.01  # the corner of the picture rests


def test_irises_follow_the_gaze(geometry: FaceGeometry) -> None:
    motion = moved(geometry, c6=12 / ANGLE_UNIT)
    targets, weights = geometry.place(motion)
    shift = (targets[0] - geometry.landmarks)[list(IRIS_R)] * SQUARE / 2
    assert 2.5 < shift[:, 0].min() and shift[:, 1].abs().max() < 1.5  # sin 12 degrees of a centimetre of 17 pixels
    followed = follow_landmarks(identity(), targets, weights, geometry.landmarks)
    assert errors(followed, targets, geometry)[list(IRIS_R)].mean() < 0.3 * shift.norm(dim=-1).mean()
    assert geometry.motion[GAZE].abs().max() < 3  # so that the sine is not at its limit


def test_a_landmark_far_off_pulls_no_further_than_the_limit(geometry: FaceGeometry) -> None:
    targets, weights = geometry.place(geometry.motion[None])
    targets[:, 4] += 0.6
    moved_by = follow_landmarks(identity(), targets, weights, geometry.landmarks) - identity()
    assert moved_by.norm(dim=-1).max() <= 2 * LIMIT


def test_frames_do_not_depend_on_their_batch(geometry: FaceGeometry) -> None:
    motions = torch.cat([moved(geometry, c0=0.3), moved(geometry, c1=0.2)])
    together = follow_landmarks(identity().repeat(2, 1, 1, 1), *geometry.place(motions), geometry.landmarks)
    for i in range(2):
        alone = follow_landmarks(identity(), *geometry.place(motions[i : i + 1]), geometry.landmarks)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=0)


def test_what_turns_away_is_believed_less(geometry: FaceGeometry) -> None:
    """Turned to the image's right, the image's right side of the face counts less, and the nose as before."""
    _, ahead = geometry.place(geometry.motion[None])
    _, turned = geometry.place(moved(geometry, c0=4.0))
    right = geometry.head[:NUM_FACE, 0] > 4
    assert turned[0, :NUM_FACE][right].mean() < 0.8 * ahead[0, :NUM_FACE][right].mean()
    assert turned[0, NOSE_TIP] == ahead[0, NOSE_TIP] == 1
