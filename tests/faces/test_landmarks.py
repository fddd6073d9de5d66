import threading

import numpy as np
import pytest

from imtalker.faces.landmarks import (
    BLENDSHAPE_NAMES,
    FaceLandmarks,
    blendshapes,
    detect_faces,
    find_faces,
    follow_face,
    track_face,
)
from imtalker.faces.networks import canonical_face, networks
from imtalker.faces.readings import (
    eye_apertures,
    head_frame,
    head_pose,
    mouth_width,
    read_face,
    read_faces,
)
from tests.support.drawn_face import DrawnFace, draw_face


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
    assert face.points.shape == (478, 3) and face.presence > 0.9
    assert np.abs(face.points[[468, 473], :2] - [[104, 122], [152, 122]]).max() < 5
    assert find_faces(np.full((200, 300, 3), 127, np.uint8)) == []


def test_face_is_found_in_wide_tall_and_tight_pictures():
    drawn = draw_face(size=200)
    for canvas, (left, top) in (((200, 640), (210, 0)), ((640, 200), (0, 330))):
        image = np.full((*canvas, 3), 90, np.uint8)
        image[top : top + 200, left : left + 200] = drawn
        (found,) = detect_faces(image)
        center = (found.box[:2] + found.box[2:]) / 2
        assert np.abs(center - [left + 100, top + 110]).max() < 20
    assert len(find_faces(draw_face()[62:220, 68:190])) == 1


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
    closed, opened = (blendshapes(find_faces(draw_face(DrawnFace(gap=g)))[0]) for g in (0, 9))
    assert len(BLENDSHAPE_NAMES) == 52 == closed.size
    assert closed.min() >= 0 and opened.max() <= 1
    index = BLENDSHAPE_NAMES.index("jawOpen")
    assert opened[index] > closed[index] + 0.1


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
    reading = read_face(FaceLandmarks(points.astype(np.float32), 1.0))
    assert np.isnan(reading.gaze_x) and np.isfinite(reading.yaw)


def test_each_thread_has_its_own_networks():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(networks()))
    thread.start()
    thread.join()
    assert seen[0] is not networks() and networks() is networks()
