import json
from pathlib import Path

import numpy as np
import pytest

from imtalker.faces.canonical import canonical_face
from imtalker.faces.mesh import RIGID_WEIGHTS
from imtalker.faces.rigid import (
    CAMERA_DISTANCE,
    fit_head,
    gaze_vector,
    rotation_angles,
    rotation_matrix,
    rotation_vector,
    similarity_transform,
)

ROOT = Path(__file__).parents[2]


def poses(count: int = 200, limit: float = 85.0) -> np.ndarray:
    return np.random.default_rng(3).uniform(-limit, limit, (count, 3))


def test_rotations_are_roll_after_pitch_after_yaw() -> None:
    y, p, r = np.radians([25.0, -15.0, 40.0])
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_x = [[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]]  # pitch > 0 lifts the nose
    about_z = [[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]]
    assert np.allclose(rotation_matrix(25, -15, 40), np.array(about_z) @ about_x @ about_y)


def test_signs_are_those_seen_on_the_screen() -> None:
    nose = np.array([0.0, 0, 1])
    assert (rotation_matrix(10, 0, 0) @ nose)[0] > 0.1  # to the image's right
    assert (rotation_matrix(0, 10, 0) @ nose)[1] > 0.1  # up
    assert (rotation_matrix(0, 0, 10) @ [1, 0, 0])[1] > 0.1  # the right-hand side rises


def test_reading_gives_back_what_was_drawn() -> None:
    drawn = poses()
    matrices = rotation_matrix(*drawn.T)
    assert matrices.shape == (200, 3, 3)
    assert np.allclose(np.stack(rotation_angles(matrices), -1), drawn)
    assert np.allclose(matrices @ matrices.swapaxes(1, 2), np.eye(3))
    assert np.allclose(rotation_matrix(*drawn[0]), matrices[0])


def test_rotation_vectors_turn_as_their_matrices_do() -> None:
    vectors = rotation_vector(rotation_matrix(*poses().T))
    for vector, matrix in zip(vectors, rotation_matrix(*poses().T), strict=True):
        angle = np.linalg.norm(vector)
        x, y, z = vector / angle
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        assert np.allclose(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross, matrix)
    assert np.array_equal(rotation_vector(np.eye(3)), np.zeros(3))


def test_gaze_is_azimuth_and_elevation() -> None:
    x, y = np.array([-20.0, 0, 15]), np.array([10.0, -5, 0])
    vectors = gaze_vector(x, y)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(np.degrees(np.arctan2(vectors[:, 0], vectors[:, 2])), x)
    assert np.allclose(np.degrees(np.arcsin(vectors[:, 1])), y)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_similarity_is_found_exactly_and_ignores_what_weighs_nothing(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(9, dimensions))
    turn = rotation_matrix(20, -10, 35) if dimensions == 3 else rotation_matrix(0, 0, 35)[:2, :2]
    target = 1.7 * source @ turn.T + np.arange(dimensions)
    weights = np.full(9, 1 / 8)
    weights[4], target[4] = 0, 100
    scale, rotation, shift = similarity_transform(source, target, weights)
    assert scale == pytest.approx(1.7) and np.allclose(rotation, turn) and np.allclose(shift, np.arange(dimensions))


@pytest.mark.parametrize("pose", [(0, 0, 0), (20, 10, 0), (-25, 8, 10), (5, -15, -30)])
def test_a_drawn_head_is_read_back(pose: tuple[float, float, float]) -> None:
    face = canonical_face().vertices
    pixels_per_cm, centre, place = 11.0, np.array([128.0, 120.0]), np.array([1.5, -2.0, 0.0])
    seen = face @ rotation_matrix(*pose).T + place
    near = pixels_per_cm / (1 - seen[:, 2:] / CAMERA_DISTANCE)
    points = np.concatenate([centre + near * seen[:, :2] * [1, -1], -pixels_per_cm * seen[:, 2:]], 1)
    scale, rotation, shift, in_head = fit_head(points, face, RIGID_WEIGHTS, centre)
    assert np.stack(rotation_angles(rotation)) == pytest.approx(pose, abs=0.05)
    assert scale == pytest.approx(pixels_per_cm, rel=1e-3)
    assert (shift[:2] - [centre[0], -centre[1]]) / scale == pytest.approx(place[:2], abs=0.01)
    assert in_head == pytest.approx(face, abs=0.02)


@pytest.mark.parametrize("clip", [*(ROOT / "assets" / "driving").glob("*.json")], ids=lambda path: path.stem)
def test_bundled_clips_have_the_angles_of_their_pictures(clip: Path) -> None:
    from itertools import islice

    from imtalker.faces.landmarks import track_face
    from imtalker.faces.readings import read_faces
    from imtalker.media.video import read_frames

    truth = json.loads(clip.read_text(encoding="utf-8"))
    frames = islice(read_frames(clip.with_suffix(".mp4")), 0, None, 8)
    curves = read_faces(list(track_face(frames)))
    for name, spread in (
        ("yaw", 3.0),
        ("pitch", 1.25),
        ("roll", 2.5),
    ):  # every face has its own zero, above all of pitch
        error = curves[name] - truth[name][::8][: len(curves[name])]
        assert error.std() < spread, name
        assert name == "pitch" or abs(error.mean()) < 3, name
