"""Finding the face and cutting the square: the largest, a chosen one, at the border, none at all."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from imtalker.config import CropConfig
from imtalker.errors import InputError, NoFaceError, WeightsError
from imtalker.media.crop import CropBox, crop_and_resize, square_crop_box, whole_picture
from imtalker.media.face_detector import Face, FaceDetector, choose_face
from imtalker.media.framing import Framing
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import write_video

PLAIN = CropConfig(scale=1.5, shift_y=0.0)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def two_faces() -> np.ndarray:
    """The larger face on the left, the smaller on the right."""
    small = cv2.copyMakeBorder(draw_face(size=128), 64, 64, 0, 0, cv2.BORDER_REPLICATE)
    return np.hstack([draw_face(size=256), small])


def test_a_face_is_found_where_it_is(detector):
    (face,) = detector.detect(draw_face())
    assert face.score > 0.8 and face.landmarks is not None and face.landmarks.shape == (5, 2)
    x0, y0, x1, y1 = face.box
    assert 50 < x0 < 80 and 40 < y0 < 80 and 175 < x1 < 205 and 190 < y1 < 230
    assert face.landmarks[0, 0] < face.landmarks[1, 0]


def test_size_of_the_picture_does_not_matter(detector):
    small, large = (detector.detect(draw_face(size=size))[0] for size in (256, 1024))
    assert np.abs(np.array(large.box) / 4 - small.box).max() < 8


@pytest.mark.parametrize("size", [(15, 1280), (1280, 1), (7, 9), (3, 4000)])
def test_strips_hold_no_face(detector, size):
    assert detector.detect(np.full((*size, 3), 90, np.uint8)) == []


def test_the_largest_comes_first_and_others_can_be_chosen(detector):
    faces = detector.detect(two_faces())
    assert len(faces) == 2 and faces[0].box[0] < 256 < faces[1].box[0]
    assert choose_face(faces) is faces[0] and choose_face(faces, 1) is faces[1]
    for index in (2, -1):
        with pytest.raises(InputError, match="has 2"):
            choose_face(faces, index)


def test_no_face_says_what_to_do(detector):
    with pytest.raises(NoFaceError, match="crop by hand"):
        choose_face(detector.detect(np.full((200, 200, 3), 128, np.uint8)))


def test_unsure_and_tiny_faces_are_refused():
    with pytest.raises(NoFaceError, match=r"0\.45"):
        choose_face([Face((0, 0, 100, 100), 0.45)])
    with pytest.raises(NoFaceError, match="only 30 pixels"):
        choose_face([Face((0, 0, 25, 30), 0.9)])


def test_threads_may_share_a_detector(detector):
    pictures = [draw_face(DrawnFace(shift=4.0 * i)) for i in range(8)]
    alone = [detector.detect(picture)[0].box for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = [faces[0].box for faces in pool.map(detector.detect, pictures)]
    assert together == alone


def test_s3fd_is_never_downloaded(tmp_path):
    with pytest.raises(WeightsError):
        FaceDetector("s3fd", tmp_path / "s3fd.pth")


def test_square_is_centred_scaled_and_shifted():
    box = square_crop_box((100, 100, 180, 200), (400, 400), PLAIN)
    assert box == CropBox(65, 75, 150)
    up = square_crop_box((100, 100, 180, 200), (400, 400), replace(PLAIN, shift_y=-0.1))
    assert up == CropBox(65, 60, 150)


@pytest.mark.parametrize("face", [(0, 0, 80, 100), (320, 300, 400, 400), (0, 300, 80, 400)])
def test_square_moves_into_the_picture(face):
    box = square_crop_box(face, (400, 400), PLAIN)
    assert box.side == 150 and 0 <= box.left <= 250 and 0 <= box.top <= 250


def test_square_larger_than_the_picture_repeats_its_edges():
    picture = np.full((100, 60, 3), 200, np.uint8)
    box = square_crop_box((5, 10, 55, 90), picture.shape[:2], PLAIN)
    assert box.side == 108 and box.left <= 0 and box.left + 108 >= 60
    assert (crop_and_resize(picture, box, 64) == 200).all()  # no black bars


def test_square_shrinks_a_little_to_fit():
    assert square_crop_box((5, 5, 70, 75), (100, 100), PLAIN) == CropBox(0, 0, 100)  # 105 would be right


def test_whole_picture_holds_everything():
    picture = np.random.default_rng(0).integers(0, 255, (40, 64, 3)).astype(np.uint8)
    box = whole_picture(picture.shape[:2])
    square = crop_and_resize(picture, box, 64)
    assert (square[12:52] == picture).all() and (square[0] == picture[0]).all()


def test_boxes_by_hand_must_overlap_the_picture():
    framing = Framing(PLAIN)
    picture = np.zeros((100, 100, 3), np.uint8)
    assert framing.of_picture(picture, CropBox(-10, 20, 50)) == CropBox(-10, 20, 50)
    for box in (CropBox(100, 0, 50), CropBox(0, -50, 50), CropBox(120, 0, 50, 45)):
        with pytest.raises(InputError, match="outside"):
            framing.of_picture(picture, box)
    assert framing.of_picture(picture, CropBox(-150, -150, 400)).side == 400
    with pytest.raises(InputError, match=r"side 401 is too large.* 400 pixels"):
        framing.of_picture(picture, CropBox(0, 0, 401))
    with pytest.raises(InputError, match="too small"):
        CropBox(0, 0, 3)


def test_clip_crop_from_a_file(tmp_path, detector):
    path = write_video(tmp_path / "v.mp4", frames=12, picture=lambda i: draw_face(DrawnFace(shift=float(i))))
    framing = Framing(PLAIN, detector)
    box = framing.of_clip(path)
    single = framing.of_picture(draw_face(DrawnFace(shift=5)))
    assert abs(box.left - single.left) < 6 and abs(box.side - single.side) < 12
    assert framing.of_clip(path, None) == CropBox(0, 0, 256)
    empty = write_video(tmp_path / "w.mp4", frames=3)
    with pytest.raises(NoFaceError):
        framing.of_clip(empty)
