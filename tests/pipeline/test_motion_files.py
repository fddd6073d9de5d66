"""Saved motion moves any portrait of its preset."""

import pytest
import torch

from imtalker import MotionControls, load_motion, save_motion
from imtalker.errors import InputError
from imtalker.pipeline.inputs import describe_file
from imtalker.pipeline.motion_clip import MotionClip
from imtalker.pipeline.recipe import requested_controls
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.runs import BOX, FAST, all_frames, speech


def test_saved_motion_moves_any_portrait(pipeline, portrait, tmp_path):
    animation = pipeline.animate_from_audio(portrait, speech(1), MotionControls(yaw=5.0), FAST)
    all_frames(animation)
    save_motion(tmp_path / "m.safetensors", animation.motion)
    loaded = load_motion(tmp_path / "m.safetensors")
    assert torch.equal(loaded.motion, animation.motion.motion)
    assert loaded.recipe["sampling"]["num_steps"] == 2 and requested_controls(loaded.recipe)["yaw"] == 5.0
    other = pipeline.encode_source(draw_face(DrawnFace(skin=(120, 80, 60))), crop=BOX)
    run = pipeline.render_motion(other, loaded)
    assert run.recipe["motion"] == describe_file(tmp_path / "m.safetensors") | {"recipe": loaded.recipe}
    assert requested_controls(run.recipe)["yaw"] == 5.0 and len(all_frames(run)) == 25


def test_motion_of_another_preset_is_refused(pipeline, portrait):
    with pytest.raises(InputError, match="'base'"):
        pipeline.render_motion(portrait, MotionClip(torch.zeros(3, 32), {"preset": "base"}))


@pytest.mark.parametrize("motion", [torch.zeros(0, 32), torch.zeros(3), torch.full((2, 32), torch.nan)])
def test_unusable_motion_is_not_saved(tmp_path, motion):
    with pytest.raises(InputError):
        save_motion(tmp_path / "m.safetensors", motion)
    assert not list(tmp_path.iterdir())
