"""Following a face: who is meant, short gaps, lost faces, cuts; and the square that is cut round it."""

import cv2
import numpy as np
import pytest

from imtalker.dubbing.registration import SQUARE_CM, cut_square, pixels_per_cm, register, square_to_image
from imtalker.dubbing.tracking import BRIDGE, GLANCE, FaceTrack, TrackRecorder, watch
from imtalker.errors import InputError, NoFaceError
from imtalker.faces.landmarks import find_faces
from tests.support.drawn_face import DrawnFace, draw_face

EMPTY = np.full((256, 256, 3), 90, np.uint8)


def followed(frames, index=None) -> FaceTrack:
    recorder = TrackRecorder()
    for sighting in watch(frames, 64, index, "the clip"):
        recorder.add(sighting)
    return recorder.result("the clip")


def two_people(left: int = 256, right: int = 256) -> np.ndarray:
    canvas = np.full((256, 512, 3), 90, np.uint8)
    canvas[:left, :left] = draw_face(size=left)
    canvas[:right, 512 - right :] = draw_face(DrawnFace(skin=(150, 110, 90)), size=right)
    return canvas


def test_a_face_is_followed_and_its_mouth_measured():
    gaps = [0.0, 4.0, 8.0, 4.0]
    track = followed(draw_face(DrawnFace(gap=gap, shift=3.0 * i)) for i, gap in enumerate(gaps))
    assert track.seen.all() and track.first.tolist() == [True, False, False, False]
    assert track.opening[2] > track.opening[1] > track.opening[0]
    assert np.diff(track.lower.mean(1)[:, 0]).mean() == pytest.approx(3, abs=1)
    assert np.abs(track.yaw).max() < 15


def test_short_gaps_are_bridged_and_long_ones_are_not():
    frames = [draw_face(DrawnFace(shift=float(i))) for i in range(24)]
    for gap in (slice(3, 6), slice(10, 18)):
        frames[gap] = [EMPTY] * (gap.stop - gap.start)
    track = followed(frames)
    assert track.seen[3:6].all() and not track.seen[10:18].any()
    steps = np.diff(track.lower[2:7].mean(1)[:, 0])
    assert np.abs(steps - 1).max() < 1.5
    assert track.first[18:].any() and not track.first[6]


def test_a_cut_to_another_place_is_a_new_beginning():
    moved = np.roll(draw_face(), 0, 0)
    canvas = [np.full((256, 512, 3), 90, np.uint8) for _ in range(4)]
    for i, frame in enumerate(canvas):
        frame[:, 256 * (i // 2) : 256 * (i // 2) + 256] = moved
    assert followed(canvas).first.tolist() == [True, False, True, False]


def test_no_face_anywhere_is_said():
    with pytest.raises(NoFaceError, match="no face was found in the clip"):
        followed([EMPTY] * 3)


def test_of_two_similar_people_one_has_to_be_chosen():
    frame = two_people()
    with pytest.raises(InputError, match="--face"):
        followed([frame])
    places = sorted(followed([frame], index).lower.mean((0, 1))[0] for index in (0, 1))
    assert places[0] < 256 < places[1]
    with pytest.raises(InputError, match="face 5 does not exist"):
        followed([frame], 5)


def test_a_small_face_in_the_background_is_no_rival():
    assert followed([two_people(256, 128)]).lower[..., 0].mean() < 256


def test_the_chosen_person_is_found_again():
    frames = [two_people()] * 2 + [np.full((256, 512, 3), 90, np.uint8)] * 3 + [two_people()] * 6
    for index in (0, 1):
        track = followed(frames, index)
        assert np.ptp(track.lower.mean(1)[:, 0]) < 20


@pytest.mark.parametrize("angle", [0.0, 20.0])
@pytest.mark.parametrize("size", [128, 256, 700])
def test_the_square_shows_the_face_upright_at_one_size(angle, size):
    image = draw_face(DrawnFace(angle=angle), size=size)
    (face,) = find_faces(image)
    place = register(face)
    square = cut_square(image, place.to_image, 256)
    (again,) = find_faces(square)
    eyes = again.points[[33, 263], :2]
    assert abs(np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1]))) < 3
    assert pixels_per_cm(register(again).to_image) == pytest.approx(256 / SQUARE_CM, rel=0.04)


def test_a_square_laid_back_is_the_picture():
    image = cv2.GaussianBlur(draw_face(DrawnFace(angle=12), size=300), (0, 0), 2)
    (face,) = find_faces(image)
    to_image = register(face).to_image
    back = cv2.warpAffine(cut_square(image, to_image, 300), square_to_image(to_image, 300), (300, 300))
    inside = (slice(100, 200), slice(100, 200))
    assert np.abs(back[inside].astype(int) - image[inside]).mean() < 1.0


def test_later_frames_are_only_glanced_at():
    frames = [draw_face(DrawnFace(shift=float(i))) for i in range(12)]
    looked = [sighting.face is not None for sighting in watch(frames, 64, 0, "the clip", closely=4)]
    assert all(looked[:4]) and sum(looked[4:]) == 8 // GLANCE and GLANCE <= BRIDGE + 1
    recorder = TrackRecorder()
    for sighting in watch(frames, 64, 0, "the clip", closely=4):
        recorder.add(sighting)
    track = recorder.result("the clip")
    assert track.seen[:10].all() and track.first.sum() == 1
    np.testing.assert_allclose(np.diff(track.lower[:10].mean(1)[:, 0]), 1, atol=1.5)
