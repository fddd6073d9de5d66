"""The road from portrait and speech, clip or motion to frames: laws that hold for any weights."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from imtalker import CropBox, MotionControls, SamplingOptions, Timings, load_motion, save_motion, save_video
from imtalker.devices import DTYPES, resolve_device, resolve_precision
from imtalker.errors import InputError, NoFaceError
from imtalker.generator.head_transfer import back_and_forth, head_controls
from imtalker.generator.motion_style import MotionStyle
from imtalker.media.video import count_frames
from imtalker.pipeline.inputs import Portrait, SourceImage, describe_file
from imtalker.pipeline.motion_clip import MotionClip
from imtalker.pipeline.recipe import requested_controls
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import decode_video, tone, write_video, write_wav
from tests.support.standin import small_pipeline

FAST = SamplingOptions(num_steps=2)
BOX = CropBox(40, 30, 180)


@pytest.fixture(scope="module")
def pipeline() -> TalkingHeadPipeline:
    return small_pipeline()


@pytest.fixture(scope="module")
def portrait(pipeline) -> Portrait:
    return pipeline.encode_source(draw_face(), crop=BOX)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "v.mp4"
    picture = lambda i: draw_face(DrawnFace(shift=float(i % 9), gap=float(i % 5)))  # noqa: E731
    return write_video(path, frames=30, picture=picture, sound=True)


def speech(seconds: float = 2.5) -> np.ndarray:
    return tone(seconds)[:, 0]


def all_frames(animation) -> np.ndarray:
    return np.concatenate([chunk.frames for chunk in animation])


def test_portrait_is_found_cut_and_encoded(pipeline):
    found = pipeline.encode_source(draw_face(size=300))
    assert found.image.shape == (300, 300, 3) and 150 < found.box.side < 300
    assert found.features.motion.shape == (1, 32)
    with pytest.raises(NoFaceError):
        pipeline.encode_source(np.full((100, 100, 3), 99, np.uint8))
    assert pipeline.encode_source(np.full((90, 100, 3), 99, np.uint8), crop=None).box == CropBox(0, -5, 100)


@pytest.mark.parametrize("samples", [4000, 16_000, 32_001])
def test_speech_decides_the_length(pipeline, portrait, samples):
    animation = pipeline.animate_from_audio(portrait, speech(3)[:samples], options=FAST)
    chunks = list(animation)
    wanted = -(-samples // 640)
    assert animation.total == wanted == sum(len(chunk.frames) for chunk in chunks)
    assert [chunk.start for chunk in chunks] == list(np.cumsum([0] + [len(c.frames) for c in chunks[:-1]]))
    assert all(chunk.total == wanted and chunk.fps == 25 for chunk in chunks)
    assert chunks[0].frames.dtype == np.uint8 and chunks[0].frames.shape[1:] == (128, 128, 3)


def test_same_seed_same_frames(pipeline, portrait):
    runs = [all_frames(pipeline.animate_from_audio(portrait, speech(), options=FAST)) for _ in range(2)]
    assert same(*runs)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal up to the last bit before rounding, which depends on where tensors lie in memory."""
    return a.shape == b.shape and np.abs(a.astype(int) - b).max() <= 1


def rendered_motion(animation) -> torch.Tensor:
    all_frames(animation)
    return animation.motion.motion


def test_other_seed_other_motion(pipeline, portrait):
    motions = []
    for seed in (1, 2):
        animation = pipeline.animate_from_audio(portrait, speech(1), options=replace(FAST, seed=seed))
        motions.append(rendered_motion(animation))
    assert not torch.equal(*motions)


def test_streamed_frames_equal_frames_rendered_at_once(pipeline, portrait):
    animation = pipeline.animate_from_audio(portrait, speech(), options=FAST)
    streamed = all_frames(animation)
    again = all_frames(pipeline.render_motion(portrait, animation.motion))
    windows = list(pipeline.motion_from_audio(portrait, speech(), options=FAST))
    assert same(streamed, again)
    assert torch.allclose(torch.cat(windows, dim=1)[0], animation.motion.motion, atol=1e-5)
    whole = pipeline.models.renderer.render(animation.motion.motion, portrait.features, portrait.size)
    reference = whole.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert same(reference, streamed)


@pytest.mark.parametrize("paste_back", [False, True])
def test_both_sizes_show_the_same(pipeline, paste_back):
    """The large result made small is the small result, whether the pipeline or the portrait asks for the size."""
    motion = torch.randn(3, 32, generator=torch.Generator().manual_seed(4))
    smaller = TalkingHeadPipeline(pipeline.models, size=64)
    runs = []
    for maker, size in ((pipeline, None), (smaller, None), (pipeline, 64)):
        portrait = maker.encode_source(draw_face(), crop=BOX, size=size)
        run = pipeline.render_motion(portrait, motion, paste_back=paste_back)
        assert run.size == ((256, 256) if paste_back else (portrait.size, portrait.size))
        runs.append(all_frames(run).astype(float))
    large, small, again = runs
    assert np.array_equal(small, again)
    if not paste_back:
        large = large.reshape(3, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(large - small).mean() < 3


def test_the_large_result_is_as_sharp_as_the_portrait(pipeline):
    """A pattern finer than the networks see is in the result at the larger size: it is taken from the picture."""
    seen = {}
    for step in (1, 64):  # lines of one pixel are grey to the networks, wide ones are not
        lines = np.where(np.arange(256) // step % 2, 180, 80).astype(np.uint8)
        picture = np.broadcast_to(lines[:, None, None], (256, 256, 3))
        for size in (64, 128):
            portrait = pipeline.encode_source(picture, crop=CropBox(64, 64, 128), size=size)
            frame = all_frames(pipeline.render_motion(portrait, portrait.features.motion))[0]
            seen[step, size] = np.abs(np.diff(frame.astype(float), axis=0)).mean()
    assert seen[1, 128] > 3 * seen[1, 64] and seen[1, 128] > 3 * seen[64, 128]


def test_heads_that_leave_the_square_show_the_picture_beyond_it(pipeline):
    """Two pictures that differ only outside the square: so do their states, and then their frames."""
    picture = draw_face()
    other = picture.copy()
    other[:30] = 255 - other[:30]
    states = [pipeline.encode_source(each, crop=BOX).features for each in (picture, other)]
    assert torch.equal(states[0].motion, states[1].motion) and torch.equal(states[0].identity, states[1].identity)
    assert not torch.equal(states[0].picture, states[1].picture)
    beyond = (states[0].reach - 1) / 2 / states[0].reach * states[0].picture.shape[-1]
    margin = round(beyond) + 12  # sharpening and cubic taps reach in
    inner = [state.picture[..., margin:-margin, margin:-margin] for state in states]
    torch.testing.assert_close(*inner)


def test_a_size_the_renderer_does_not_make_is_refused(pipeline):
    official = small_pipeline("base").models
    for make in (
        lambda: pipeline.encode_source(draw_face(), size=100),
        lambda: TalkingHeadPipeline(official, size=128),  # its network draws every pixel
    ):
        with pytest.raises(InputError, match=r"size 1\d\d: this renderer makes frames of 64"):
            make()


def test_batch_size_does_not_matter(pipeline, portrait):
    motion = torch.randn(7, 32, generator=torch.Generator().manual_seed(0))
    frames = all_frames(pipeline.render_motion(portrait, motion))
    single = TalkingHeadPipeline(pipeline.models, batch_size=1)
    chunks = list(single.render_motion(portrait, motion[None]))
    assert [len(chunk.frames) for chunk in chunks] == [1] * 7
    assert same(np.concatenate([c.frames for c in chunks]), frames)


def test_nothing_is_computed_before_the_first_chunk(pipeline, portrait):
    animation = pipeline.animate_from_audio(portrait, speech(10), options=FAST)
    assert animation.timings.frames == 0 and not animation.windows
    count = sum(len(next(animation).frames) for _ in range(2))
    assert animation.timings.frames == count < 50
    assert animation.motion.motion.shape[0] == 50  # one window so far, not the clip
    animation.close()
    with pytest.raises(StopIteration):
        next(animation)


@pytest.mark.parametrize(
    "wrong",
    [
        {"audio": np.zeros(16_000, np.float32)},
        {"audio": "nowhere.wav"},
        {"options": SamplingOptions(num_steps=0)},
        {"options": SamplingOptions(num_steps=3, solver="heun")},
        {"head_from": "nowhere.mp4"},
    ],
)
def test_errors_come_at_the_call(pipeline, portrait, wrong):
    with pytest.raises(InputError):
        pipeline.animate_from_audio(portrait, **({"audio": speech(1)} | wrong))


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


def test_back_and_forth():
    assert back_and_forth(3, 8).tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert back_and_forth(1, 3).tolist() == [0, 0, 0]
    still = head_controls(torch.full((1, 32), 20.0), 2)
    assert still.yaw.tolist() == [60.0, 60.0] and still.gaze_x.tolist() == [60.0, 60.0]  # kept within the limits


def test_paste_back_keeps_the_picture_round_the_square(pipeline, portrait):
    motion = torch.zeros(3, 32)
    animation = pipeline.render_motion(portrait, motion, paste_back=True)
    frames = all_frames(animation)
    assert animation.size == (256, 256) and frames.shape == (3, 256, 256, 3)
    assert (frames[:, :30] == portrait.image[:30]).all() and (frames[:, :, :40] == portrait.image[:, :40]).all()
    labelled = all_frames(pipeline.render_motion(portrait, motion, paste_back=True, label=True))
    assert (labelled[:, -12:, -40:] != frames[:, -12:, -40:]).any()
    assert same(labelled[:, :200], frames[:, :200])


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


def test_video_carries_the_recipe_but_no_folder_names(pipeline, portrait, tmp_path):
    wav = write_wav(tmp_path / "speech.wav", tone(1))
    animation = pipeline.animate_from_audio(portrait, wav, options=FAST)
    assert animation.recipe["speech"] == describe_file(wav) and str(tmp_path) not in json.dumps(animation.recipe)
    _, facts = decode_video(save_video(animation, tmp_path / "v.mp4"))
    assert json.dumps(animation.recipe["sampling"], separators=(",", ":")) in facts["metadata"]["comment"]
    assert facts["video"] == pytest.approx(1.0) and facts["audio"] == pytest.approx(1.0, abs=0.01)
    assert count_frames(tmp_path / "v.mp4") == 25


def test_timings_are_exclusive_and_complete(pipeline, tmp_path):
    timings = Timings()
    portrait = pipeline.encode_source(draw_face(), timings=timings)
    animation = pipeline.animate_from_audio(portrait, speech(1), options=FAST, timings=timings)
    save_video(animation, tmp_path / "v.mp4")
    facts = timings.as_dict()
    stages = {"crop", "source_encoding", "audio_encoding", "motion_generation", "rendering", "encoding"}
    assert set(facts["seconds"]) == stages and facts["frames"] == 25
    assert 0.5 * timings.total < sum(facts["seconds"].values()) <= timings.total
    assert 0 < facts["first_frame_seconds"] < facts["total_seconds"]
    json.dumps(facts)


def test_several_runs_at_once_do_not_mix(pipeline, portrait):
    other = pipeline.encode_source(draw_face(DrawnFace(skin=(90, 60, 40))), crop=BOX)

    def run(which: Portrait) -> np.ndarray:
        return all_frames(pipeline.animate_from_audio(which, speech(1), options=FAST))

    alone = [run(portrait), run(other)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, [portrait, other]))
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))


def test_devices():
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    assert DTYPES[resolve_precision("auto", torch.device("cpu"))] is torch.float32
    assert DTYPES[resolve_precision("bf16", torch.device("cpu"))] is torch.bfloat16
    for wrong in ("tpu", "cuda:99", "nonsense"):
        with pytest.raises(InputError):
            resolve_device(wrong)
    with pytest.raises(InputError):
        resolve_precision("int8", torch.device("cpu"))
