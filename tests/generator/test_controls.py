"""Controls: units, files, ranges, and the errors that name the value."""

from pathlib import Path

import numpy as np
import pytest

from imtalker.config import GeneratorConfig
from imtalker.errors import InputError
from imtalker.generator.controls import (
    LIMITS,
    REACH,
    ControlTracks,
    MotionControls,
    pose_remarks,
    rotation_vectors,
)
from imtalker.generator.motion_style import MotionStyle

LEARNED, EXPLICIT = GeneratorConfig(), GeneratorConfig(motion_layout="explicit")


def test_explicit_units_are_ten_degrees() -> None:
    tracks = MotionControls(yaw=20, pitch=[10, -10], roll=5, gaze_x=-10, gaze_y=0).tracks(EXPLICIT, 0, 3)
    assert tracks.pose is not None and tracks.gaze is not None
    np.testing.assert_allclose(tracks.pose, [[2, 1, 0.5], [2, -1, 0.5], [2, -1, 0.5]])
    np.testing.assert_allclose(tracks.gaze, [[-1, 0]] * 3)


def test_angles_that_are_not_given_stay_the_portraits() -> None:
    reference = np.arange(32, dtype=np.float32) / 10
    tracks = MotionControls(yaw=20).tracks(EXPLICIT, 0, 2, reference)
    assert tracks.pose is not None and tracks.gaze is None and tracks.camera is None
    np.testing.assert_allclose(tracks.pose, [[2, 0.1, 0.2]] * 2, rtol=1e-6)
    gaze = MotionControls(gaze_y=0).tracks(EXPLICIT, 0, 1, reference).gaze
    assert gaze is not None
    np.testing.assert_allclose(gaze, [[reference[6] + reference[0], 0]], rtol=1e-6)


@pytest.mark.parametrize("own", [0.0, 12.0, -25.0])
def test_a_head_turns_within_reach_of_the_portraits_own_pose(own: float) -> None:
    reference = np.zeros(32, np.float32)
    reference[:3] = own / 10
    for name, index in (("yaw", 0), ("pitch", 1), ("roll", 2)):
        for asked in (-40.0, own - 3, own + 3, 40.0):
            tracks = MotionControls(**{name: asked}).tracks(EXPLICIT, 0, 1, reference)
            assert tracks.pose is not None
            turned = tracks.pose[0] * 10
            assert abs(turned[index] - np.clip(asked, own - REACH[name], own + REACH[name])) < 1e-4
            assert np.allclose(np.delete(turned, index), own, atol=1e-4)
            remarks = pose_remarks(MotionControls(**{name: asked}), reference)
            assert bool(remarks) == (abs(asked - own) > REACH[name]) and all(name in str(r) for r in remarks)
    learned = MotionControls(yaw=40).tracks(LEARNED, 0, 1, reference).pose
    assert learned is not None and abs(learned[0, 1] - np.radians(40)) < 1e-6


def test_impossible_angles_are_refused_with_the_limit() -> None:
    for name, limit in LIMITS.items():
        with pytest.raises(InputError, match=f"{name} is 90; give values within {limit:g} degrees"):
            MotionControls(**{name: 90})


@pytest.mark.parametrize(
    ("angles", "axis"), [((30, 0, 0), (0, 1, 0)), ((0, 30, 0), (-1, 0, 0)), ((0, 0, 30), (0, 0, 1))]
)
def test_learned_pose_is_an_axis_angle_vector(angles: tuple, axis: tuple) -> None:
    tracks = MotionControls(*angles).tracks(LEARNED, 0, 1)
    assert tracks.pose is not None
    np.testing.assert_allclose(tracks.pose[0], np.radians(30) * np.array(axis), atol=1e-6)


def test_combined_angles_turn_the_head_by_yaw_then_pitch_then_roll() -> None:
    yaw, pitch, roll = np.radians([25.0, -15.0, 40.0])
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    expected = np.array(about_z) @ about_x @ about_y
    x, y, z = rotation_vectors(np.array([[25.0, -15.0, 40.0]], np.float32))[0].astype(float)
    angle = np.sqrt(x * x + y * y + z * z)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / angle
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    np.testing.assert_allclose(rotation, expected, atol=1e-6)


def test_no_rotation_is_the_zero_vector() -> None:
    np.testing.assert_array_equal(rotation_vectors(np.zeros((2, 3), np.float32)), np.zeros((2, 3)))


def test_windows_hold_the_last_value_and_constants_stay() -> None:
    part = MotionControls(yaw=[1, 2, 3], roll=7, camera=[[1, 2, 3], [4, 5, 6]]).window(2, 5)
    np.testing.assert_array_equal(part.yaw, [3, 3, 3])
    assert part.roll == 7 and part.pitch is None
    np.testing.assert_array_equal(part.camera, [[4, 5, 6]] * 3)


def test_neutral_controls_know_it() -> None:
    assert MotionControls().is_neutral
    assert not MotionControls(yaw=0).is_neutral and not MotionControls(style=MotionStyle(expressiveness=0.5)).is_neutral


def test_csv_and_npz_say_the_same(tmp_path: Path) -> None:
    yaw, gaze = np.array([1.5, -2, 0], np.float32), np.array([0, 1, 2], np.float32)
    (tmp_path / "c.csv").write_text("frame, Yaw ,gaze_x\n0,1.5,0\n1,-2,1\n\n2,0,2\n", encoding="utf-8")
    np.savez(tmp_path / "c.npz", yaw=yaw, gaze_x=gaze, time=np.arange(3))
    for controls in (MotionControls.from_csv(tmp_path / "c.csv"), MotionControls.from_npz(tmp_path / "c.npz")):
        np.testing.assert_array_equal(controls.yaw, yaw)
        np.testing.assert_array_equal(controls.gaze_x, gaze)
        assert controls.pitch is None and controls.num_frames == 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("yaw,smile\n1,2\n", "smile"),
        ("yaw\n", "no frames"),
        ("", "no frames"),
        ("frame\n1\n", "no columns"),
        ("yaw,yaw\n1,2\n", "twice"),
        ("yaw,pitch\n1,2\n3\n", "row 2"),
        ("yaw\nleft\n", "row 1"),
        ("yaw\nnan\n", "not finite"),
        ("yaw\n400\n", "400"),
        ("camera_scale,camera_x\n1,2\n", "camera_y"),
    ],
)
def test_a_bad_csv_names_what_is_wrong(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        MotionControls.from_csv(path)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(InputError, match="cannot read"):
        MotionControls.from_csv(path)
    path.write_bytes(b"\xff\xfe\x00\x80binary")
    for read in (MotionControls.from_csv, MotionControls.from_npz):
        with pytest.raises(InputError, match="is not a"):
            read(path)
    np.savez(tmp_path / "objects.npz", yaw=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="is not a"):
        MotionControls.from_npz(tmp_path / "objects.npz")
    np.savez(tmp_path / "uneven.npz", yaw=np.zeros(3), roll=np.zeros(4))
    with pytest.raises(InputError, match="shape"):
        MotionControls.from_npz(tmp_path / "uneven.npz")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"yaw": 91}, "yaw is 91"),
        ({"gaze_y": -61.0}, "gaze_y is -61"),
        ({"pitch": float("inf")}, "pitch has values that are not finite"),
        ({"roll": "left"}, "roll is 'left'"),
        ({"roll": []}, "roll has no values"),
        ({"yaw": 10**400}, "yaw is 10{50,};"),
        ({"yaw": {"a": 1}}, "yaw is"),
        ({"yaw": [[1.0, 2.0]]}, "yaw has the shape"),
        ({"camera": [1.0, 2.0]}, "camera has the shape"),
        ({"style": 1.6}, "style is 1.6"),
    ],
)
def test_bad_values_are_named(values: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        MotionControls(**values)


def test_raw_tracks_are_checked() -> None:
    with pytest.raises(InputError, match="gaze track"):
        ControlTracks(gaze=np.zeros((4, 3), np.float32))
    with pytest.raises(InputError, match="not finite"):
        ControlTracks(pose=np.full((4, 3), np.nan, np.float32))


@pytest.mark.parametrize(("place", "value"), [(8, 99), (6, 1), (8, 8)])
def test_archives_that_cannot_be_unpacked(tmp_path: Path, place: int, value: int) -> None:
    """An unknown compression, a password, data that is not what the header says."""
    path = tmp_path / "k.npz"
    np.savez(path, yaw=np.zeros(5))
    data = bytearray(path.read_bytes())
    for signature, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        data[data.index(signature) + place + shift] = value
    path.write_bytes(data)
    with pytest.raises(InputError, match="not a NumPy archive"):
        MotionControls.from_npz(path)
