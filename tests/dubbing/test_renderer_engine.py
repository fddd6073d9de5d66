"""Which frames a mouth is drawn from, and that what is drawn does not depend on the old mouth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from imtalker.dubbing.mouth_painting import RestGeometry
from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import cut_square, landmarks_in_square, register, square_to_image
from imtalker.dubbing.renderer_engine import RendererEngine, source_shares
from imtalker.dubbing.rest_frames import MAX_CELLS, RestFrames
from imtalker.dubbing.source_frame import SourceFrame
from imtalker.dubbing.tracking import watch
from imtalker.faces.landmarks import find_faces
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS, combine
from imtalker.weights.load import load_models
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.dubbing import track_of, understood
from tests.support.standin import small_models

POSES = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 8.0]])


def references_at(poses: np.ndarray, opening: float = 0.0) -> References:
    picture = np.zeros((8, 8, 3), np.uint8)
    rest = tuple(SourceFrame(i, opening, picture, np.zeros((478, 3)), picture, np.eye(2, 3)) for i in range(len(poses)))
    still, motion = np.zeros(32, np.float32), np.zeros((len(poses), 32), np.float32)
    return References(0, still, np.zeros((64, 2)), np.zeros(23), rest, motion, poses)


def test_shares_are_whole_smooth_and_mostly_one_source():
    yaw = np.linspace(-20, 30, 500)
    shares = source_shares(track_of(500, yaw=yaw), references_at(POSES))
    np.testing.assert_allclose(shares.sum(1), 1)
    assert np.abs(np.diff(shares, axis=0)).max() < 0.15  # a tenth of a degree a step
    assert (shares.max(1) == 1).mean() > 0.8
    assert shares[np.abs(yaw).argmin(), 0] == 1 and shares[np.abs(yaw - 10).argmin(), 1] == 1


def test_far_from_every_rest_frame_the_frame_itself_is_the_source():
    shares = source_shares(track_of(2, yaw=np.array([0.0, -25.0])), references_at(POSES))
    assert shares[0, 0] == 1 and shares[1, -1] == 1
    wide = source_shares(track_of(1, yaw=np.array([-10.0]), opening=np.array([1.5])), references_at(POSES))
    assert wide[0, 0] == 1  # better turned than with a ghost
    np.testing.assert_array_equal(source_shares(track_of(3), references_at(np.zeros((0, 2)))), np.ones((3, 1)))


def test_a_rest_frame_that_is_not_quite_closed_counts_less():
    both = replace(references_at(POSES[[0, 0]]))
    open_one = replace(both.rest[1], opening=0.8)
    shares = source_shares(track_of(1), replace(both, rest=(both.rest[0], open_one)))
    assert shares[0].argmax() == 0 and shares[0, 1] == 0


def test_the_most_closed_frame_of_a_pose_is_kept():
    gaps = [8.0, 4.0, 0.0, 6.0]
    track, references = understood([draw_face(DrawnFace(gap=gap)) for gap in gaps])
    assert [frame.index for frame in references.rest if frame.opening == track.opening.min()] == [2]
    for frame in references.rest:
        assert frame.opening <= track.opening.min() + 0.3
        (face,) = find_faces(draw_face(DrawnFace(gap=gaps[frame.index])))
        assert frame.picture.shape[0] < 256 and frame.square.shape == (64, 64, 3)
        assert face.points[152, 1] > 0


def test_what_is_kept_does_not_grow_with_the_clip():
    rest = RestFrames()
    frames = (draw_face(DrawnFace(shift=0.3 * i, angle=(i % 7) - 3)) for i in range(40))
    for index, sighting in enumerate(watch(frames, 0, "the clip")):
        assert sighting.place is not None
        rest.add(index, sighting, cut_square(sighting.frame, sighting.place.to_image, 64))
    assert len(rest.result()) <= MAX_CELLS


@pytest.fixture(scope="module")
def engine() -> RendererEngine:
    return RendererEngine(small_models().renderer)


def test_the_old_mouth_does_not_reach_what_is_drawn_from_a_rest_frame(engine):
    """Two frames in one pose, their mouths different, the same lips asked for: the same patch."""
    frames = [draw_face(DrawnFace(gap=gap)) for gap in (0.0, 8.0)]
    track, references = understood(frames)
    row = track.take(np.array([0]))
    asked = torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    asked = combine(asked, torch.from_numpy(row.motion), "lips")
    assert source_shares(row, references)[0, -1] == 0
    first, second = (engine.draw([frame], row, asked, references)[0] for frame in frames)
    np.testing.assert_array_equal(first.pixels, second.pixels)


def test_frames_drawn_together_and_alone_are_equal(engine):
    frames = [draw_face(DrawnFace(gap=gap, shift=gap)) for gap in (0.0, 2.0, 4.0)]
    track, references = understood(frames)
    motion = torch.from_numpy(track.motion)
    together = engine.draw(frames, track, motion, references)
    for i, patch in enumerate(together):
        (alone,) = engine.draw([frames[i]], track.take(np.array([i])), motion[i : i + 1], references)
        assert (alone.left, alone.top) == (patch.left, patch.top)
        assert np.abs(alone.pixels - patch.pixels).mean() < 0.01  # an attention peak may fall to its neighbour


def test_landmarks_of_the_square_lie_where_the_square_shows_them():
    picture = draw_face(DrawnFace(shift=20.0), 320)
    face = find_faces(picture)[0]
    place = register(face).to_image
    inside = landmarks_in_square(face.points, place, 512)
    shown = find_faces(cut_square(picture, place, 512))[0]
    assert np.abs(inside[:, :2] - shown.points[:, :2]).mean() < 6  # 1 % of the square: found once more
    back = square_to_image(place, 512)
    np.testing.assert_allclose(inside[:, :2] @ back[:, :2].T + back[:, 2], face.points[:, :2], atol=1e-6)


def test_a_rest_frame_asked_for_its_own_motion_keeps_its_landmarks():
    basis = load_models("tiny").motion_basis
    assert basis is not None
    points = find_faces(draw_face(DrawnFace(), 512))[0].points
    own = np.random.default_rng(0).normal(0, 0.3, 32).astype(np.float32)  # however badly its head was read
    geometry = RestGeometry.of(points, own, basis)
    torch.testing.assert_close(geometry.place(torch.from_numpy(own)[None])[0][0], geometry.landmarks)
    open_wide = torch.from_numpy(own)[None].clone()
    gap = torch.from_numpy(mouth_space().gap)
    open_wide[:, EXPRESSION_CHANNELS] += gap / gap.norm() ** 2  # a centimetre between the lips
    apart = geometry.place(open_wide)[0][0] - geometry.landmarks
    assert apart[14, 1] - apart[13, 1] > 0.03  # of the inner lips, half sides of the square; down is positive
