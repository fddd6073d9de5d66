"""A clip moves a portrait, whole, relative, or with its head only."""

import pickle

import numpy as np
import pytest
import torch

from imtalker import MotionControls, save_video
from imtalker.errors import InputError
from imtalker.generator.head_transfer import back_and_forth, head_controls
from imtalker.generator.motion_style import MotionStyle
from imtalker.pipeline.inputs import SourceImage, describe_file
from tests.support.drawn_face import draw_face
from tests.support.runs import BOX, FAST, all_frames, rendered_motion, same, speech
from tests.support.sample_media import decode_video, write_video
from tests.support.standin import small_pipeline


def test_clip_drives_the_portrait(pipeline, portrait, clip, tmp_path):
    animation = pipeline.animate_from_video(portrait, clip)
    assert animation.total == 30 and animation.audio == clip
    path = save_video(animation, tmp_path / "out.mp4")
    frames, facts = decode_video(path)
    assert len(frames) == 30 and abs(facts["audio"] - facts["video"]) < 0.04
    assert animation.motion.motion.shape == (30, 32)
    silent = write_video(tmp_path / "silent.mp4", frames=3, picture=lambda i: draw_face())
    assert pipeline.animate_from_video(portrait, silent).audio is None


def test_a_driving_clip_is_read_once_for_any_number_of_runs(pipeline, portrait, clip, monkeypatch):
    driver = pipeline.encode_driver(clip)
    assert driver.num_frames == 30 and driver.track == clip and driver.recipe["sha256"] == describe_file(clip)["sha256"]
    frames = all_frames(pipeline.animate_from_video(portrait, clip))

    def opened(*_: object) -> None:
        raise AssertionError("probed, counted or tracked again")

    for name in ("probe_video", "count_frames"):
        monkeypatch.setattr(f"imtalker.pipeline.inputs.{name}", opened)
    monkeypatch.setattr(pipeline.framing, "clip", opened)
    for _ in range(2):
        assert same(all_frames(pipeline.animate_from_video(portrait, driver)), frames)
    assert pipeline.animate_from_video(portrait, driver, keep_sound=False).audio is None


def test_inputs_can_be_handed_to_another_process(pipeline, portrait, clip):
    source = pickle.loads(pickle.dumps(SourceImage.read(draw_face(), pipeline.framing, crop=BOX)))
    driver = pickle.loads(pickle.dumps(pipeline.encode_driver(clip)))
    again = all_frames(pipeline.animate_from_video(pipeline.encode_source(source), driver))
    assert same(again, all_frames(pipeline.animate_from_video(portrait, clip)))


def test_too_long_a_clip_is_refused_before_it_is_tracked(pipeline, clip, monkeypatch):
    monkeypatch.setattr(pipeline.framing, "clip", lambda *_: pytest.fail("tracked"))
    with pytest.raises(InputError, match="limit"):
        pipeline.encode_driver(clip, max_seconds=1.0)


def test_driving_with_the_portrait_itself_gives_its_own_motion(pipeline, portrait, tmp_path):
    path = write_video(tmp_path / "v.avi", "ffv1", 3, pix_fmt="bgr0", picture=lambda i: draw_face())
    (window,) = list(pipeline.motion_from_video(path, crop=BOX))
    assert torch.allclose(window[0], portrait.features.motion.expand(3, -1), atol=1e-4)


def test_relative_motion_starts_at_the_portraits_own_pose(pipeline, portrait, clip):
    absolute, relative = (
        rendered_motion(pipeline.animate_from_video(portrait, clip, crop=None, relative=flag)) for flag in (False, True)
    )
    assert torch.allclose(relative[0, :6], portrait.features.motion[0, :6], atol=1e-5)
    assert torch.allclose(relative[:, :6] - relative[:1, :6], absolute[:, :6] - absolute[:1, :6], atol=1e-4)
    assert torch.allclose(relative[:, 6:], absolute[:, 6:], atol=1e-5)


def test_head_of_a_clip_becomes_controls(pipeline, portrait, clip, monkeypatch):
    seen = []
    generate = pipeline.models.generator.generate
    spy = lambda f, r, c, o: (seen.append(c), generate(f, r, c, o))[1]  # noqa: E731
    monkeypatch.setattr(pipeline.models.generator, "generate", spy)
    wishes = MotionControls(gaze_y=3.0)
    pipeline.animate_from_audio(portrait, speech(2), wishes, FAST, head_from=clip)
    motion = torch.cat([w[0] for w in pipeline.motion_from_video(clip)]).numpy()
    (controls,) = seen
    assert controls.yaw.shape == (50,) and controls.gaze_y == 3.0
    assert np.allclose(controls.yaw[:30], np.clip(motion[:30, 0] * 10, -60, 60), atol=1e-4)
    assert np.allclose(controls.yaw[30:50], controls.yaw[28:8:-1])  # back and forth, no jump
    assert np.allclose(controls.camera[:30], motion[:30, [5, 3, 4]], atol=1e-5)


def test_back_and_forth():
    assert back_and_forth(3, 8).tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert back_and_forth(1, 3).tolist() == [0, 0, 0]
    still = head_controls(torch.full((1, 32), 20.0), 2)
    assert still.yaw.tolist() == [60.0, 60.0] and still.gaze_x.tolist() == [60.0, 60.0]  # kept within the limits


def test_the_official_architecture_takes_the_same_road(clip):
    base = small_pipeline("base")
    portrait = base.encode_source(draw_face(), crop=BOX)
    controls = MotionControls(yaw=10.0, gaze_x=np.linspace(-5, 5, 60, dtype=np.float32))
    spoken = base.animate_from_audio(portrait, speech(), controls, FAST)
    assert all_frames(spoken).shape == (63, 64, 64, 3) and spoken.recipe["motion_layout"] == "learned"
    driven = rendered_motion(base.animate_from_video(portrait, clip, relative=True))
    assert torch.allclose(driven[0], portrait.features.motion[0], atol=1e-5)  # nothing is named: all is relative
    with pytest.raises(InputError, match="no readable head"):
        base.animate_from_audio(portrait, speech(1), head_from=clip)
    with pytest.raises(InputError, match="expressiveness"):
        base.animate_from_audio(portrait, speech(1), MotionControls(style=MotionStyle(expressiveness=0.5)))
    with pytest.raises(InputError, match="'base'"):
        small_pipeline().render_motion(portrait, spoken.motion)
