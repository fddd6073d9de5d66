"""Curves of the editor and control files are two forms of the same."""

import json

import numpy as np
import pytest

from imtalker.demo.page.controls_editor import ControlsEditor, _state
from imtalker.demo.runs.curves import TOLERANCE, eased, read_controls, read_curves, write_controls
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from tests.support.demo_setup import speech_file

CURVES = {"yaw": [(0.0, 0.0), (1.0, 20.0), (2.0, -10.0)], "gaze_y": [(0.5, 5.0)]}


def test_a_curve_passes_through_its_points_and_stays_level_at_the_ends():
    times = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 9.0])
    assert np.allclose(eased(CURVES["yaw"], times), [0, 0, 10, 20, -10, -10])
    fine = eased(CURVES["yaw"], np.linspace(0, 1, 200))
    assert (np.diff(fine) >= 0).all() and np.abs(np.diff(fine)).max() < 0.2  # no jump


def test_what_is_drawn_is_the_controls_file(tmp_path):
    path = tmp_path / "controls.csv"
    write_controls(CURVES, 2.4, path)
    controls = MotionControls.from_file(path)
    times = np.arange(60) / 25
    assert controls.num_frames == 60 and controls.pitch is None
    assert np.allclose(controls.yaw, eased(CURVES["yaw"], times), atol=1e-3)  # pyright: ignore
    assert np.allclose(controls.gaze_y, 5)  # pyright: ignore


def test_a_controls_file_is_read_back_as_few_points(tmp_path):
    path = tmp_path / "controls.csv"
    write_controls(CURVES, 2.4, path)
    curves, seconds = read_controls(path)
    assert seconds == pytest.approx(2.4) and set(curves) == {"yaw", "gaze_y"} and len(curves["yaw"]) < 12
    times = np.arange(60) / 25
    for name, points in CURVES.items():
        assert np.abs(eased(curves[name], times) - eased(points, times)).max() <= TOLERANCE + 1e-3
    again = tmp_path / "again.csv"
    write_controls(curves, seconds, again)
    before, after = MotionControls.from_file(path), MotionControls.from_file(again)
    assert np.abs(np.subtract(before.yaw, after.yaw)).max() <= TOLERANCE + 1e-2  # pyright: ignore


@pytest.mark.parametrize(
    "sent, words",
    [(None, "no curves"), ({"yaw": "text"}, "list"), ({"yaw": [[0]]}, "seconds and degrees"),
     ({"yaw": [[0, 91]]}, "91 degrees at 0 s"), ({"yaw": [[-1, 0]]}, "-1 s"), ({"gaze_x": [[0, "nan"]]}, "within 60"),
     ({"roll": [[0, 0]] * 201}, "at most 200")],
)  # fmt: skip
def test_whatever_a_page_sends_is_checked(sent, words):
    with pytest.raises(InputError, match=words):
        read_curves(sent)
    assert read_curves({"yaw": [[1, 2], [0, 1]], "pitch": [], "other": 3}) == {"yaw": [(0.0, 1.0), (1.0, 2.0)]}


def test_nothing_drawn_is_no_file(tmp_path):
    for curves, seconds in (({}, 1.0), (CURVES, 0.0), (CURVES, 1e6), (CURVES, float("nan"))):
        with pytest.raises(InputError):
            write_controls(curves, seconds, tmp_path / "c.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_drawing_shows_the_sound_and_keeps_the_curves(tmp_path):
    editor = ControlsEditor.__new__(ControlsEditor)
    sound = speech_file(tmp_path / "speech.wav", 2.0)
    sent = json.dumps({"curves": {"yaw": [[0, 5]]}, "seconds": 1})
    shown = json.loads(editor._shown(str(sound), sent))
    assert shown["seconds"] == 2.0 and len(shown["peaks"]) == 240 and 0.3 < max(shown["peaks"]) < 0.5
    assert shown["curves"] == {"yaw": [[0, 5]]} and shown["ranges"]["yaw"] > 0
    assert json.loads(editor._shown(None, "no json"))["peaks"] == []


def test_a_state_cannot_leave_its_attribute():
    assert "'" not in _state({"x'><script>": []}, 1.0, []) and "<" not in _state({"<": []}, 1.0, [])
