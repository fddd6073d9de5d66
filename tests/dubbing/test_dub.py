"""The whole road: clip and speech in, the same clip with a new mouth out."""

import threading
import time
import tracemalloc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

import imtalker
from imtalker import DubOptions, InputError, NoFaceError, dub, save_video
from imtalker.dubbing.mouth_space import lip_gap
from imtalker.dubbing.renderer_engine import RendererEngine
from imtalker.dubbing.tracking import FaceTrack
from imtalker.evaluate.dataset import BUNDLED_FOLDER
from imtalker.media.sound_blocks import SoundMix
from imtalker.media.video import native_rate, read_frames
from imtalker.pipeline.recipe import read_recipe
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.dubbing import CopyEngine, PaintEngine, rows_of, talking_clip, talking_frame, understood
from tests.support.sample_media import decode_video, tone, write_video, write_wav
from tests.support.standin import small_pipeline


@pytest.fixture(scope="module")
def pipeline():
    return small_pipeline()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return talking_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", 12)


def speech(seconds: float) -> np.ndarray:
    return tone(seconds)[:, 0]


def frames_of(animation) -> np.ndarray:
    return np.stack(list(animation.frames()))


def test_the_result_has_the_clips_size_and_the_speechs_length(pipeline, clip):
    run = dub(pipeline, clip, speech(0.8))
    assert (run.size, run.total) == ((256, 256), 20)
    frames = frames_of(run)
    assert frames.shape == (20, 256, 256, 3) and frames.dtype == np.uint8
    assert run.motion.motion.shape == (20, 32)  # of the lips, to be saved
    assert run.timings.frames == 20 and {"tracking", "rendering", "blending"} <= run.timings.stages.keys()


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(50), Fraction(12)])
def test_the_clips_own_rate_is_kept_to_the_file(pipeline, tmp_path, rate):
    path = talking_clip(tmp_path / "v.mp4", 14, rate)
    seconds = float(12 / rate)
    save_video(dub(pipeline, path, speech(seconds), engine=CopyEngine()), tmp_path / "out.mp4")
    frames, facts = decode_video(tmp_path / "out.mp4")
    assert len(frames) == 12 and native_rate(tmp_path / "out.mp4") == rate
    assert facts["video"] == pytest.approx(seconds, abs=0.002)


def test_outside_the_lower_face_nothing_changes(pipeline, clip):
    before = list(read_frames(clip))
    for result, frame in zip(frames_of(dub(pipeline, clip, speech(0.48))), before, strict=True):
        changed = np.argwhere((result != frame).any(-1))
        assert len(changed)
        assert changed[:, 0].min() > 120  # below the eyes; the drawn face's lie at 122
        assert (result[:120] == frame[:120]).all()


def test_an_engine_that_draws_the_frame_gives_the_clip_back(pipeline, clip):
    before = np.stack(list(read_frames(clip)))
    np.testing.assert_array_equal(frames_of(dub(pipeline, clip, speech(0.48), engine=CopyEngine())), before)


def test_longer_speech_runs_the_clip_back_and_forth(pipeline, clip):
    before = np.stack(list(read_frames(clip)))
    frames = frames_of(dub(pipeline, clip, speech(1.2), engine=CopyEngine()))
    order = [*range(12), *range(10, 0, -1), *range(8)]
    np.testing.assert_array_equal(frames, before[order])


def test_with_the_videos_length_the_rest_is_untouched(pipeline, clip):
    before = np.stack(list(read_frames(clip)))
    engine = PaintEngine()
    frames = frames_of(dub(pipeline, clip, speech(0.24), DubOptions(length="video"), engine=engine))
    assert len(frames) == 12 and engine.drawn <= 6
    np.testing.assert_array_equal(frames[6:], before[6:])
    assert (frames[:3] != before[:3]).any()


def test_where_the_face_is_lost_the_original_is_kept(pipeline, tmp_path):
    def picture(index):
        return np.full((256, 256, 3), 90, np.uint8) if 8 <= index < 16 else talking_frame(index)

    path = talking_clip(tmp_path / "v.mp4", 24, picture=picture)
    before = np.stack(list(read_frames(path)))
    run = dub(pipeline, path, speech(0.96), engine=PaintEngine())
    frames = frames_of(run)
    np.testing.assert_array_equal(frames[8:16], before[8:16])
    changed = [int((a != b).any(-1).sum()) for a, b in zip(frames, before, strict=True)]
    assert changed[0] > 1000 and changed[23] > 1000
    assert not any("no face" in remark.words for remark in run.early_remarks)
    assert "no face is seen for 0.3 s" in " ".join(remark.words for remark in run.remarks)


def test_in_pauses_the_old_mouth_may_stay(pipeline, tmp_path):
    path = talking_clip(tmp_path / "v.mp4", 40)
    sound = speech(1.6)
    sound[8000:24_000] = 0
    before = np.stack(list(read_frames(path)))
    kept, closed = (
        frames_of(dub(pipeline, path, sound, DubOptions(keep_pauses=keep), engine=PaintEngine()))
        for keep in (True, False)
    )
    np.testing.assert_array_equal(kept[15:35], before[15:35])
    assert (closed[15:35] != before[15:35]).any()


def test_however_short_the_speech_the_clip_is_looked_at_for_lips_at_rest(pipeline, tmp_path):
    path = talking_clip(tmp_path / "v.mp4", 24, picture=lambda i: draw_face(DrawnFace(gap=0.0 if i == 20 else 8.0)))
    seen = []

    class Looking(CopyEngine):
        def draw(self, frames, landmarks, motion, references):
            seen.extend(rest.index for rest in references.rest)
            return super().draw(frames, landmarks, motion, references)

    assert len(frames_of(dub(pipeline, path, speech(0.24), engine=Looking()))) == 6
    assert set(seen) == {20}


def test_the_same_seed_gives_the_same_video_however_fast_the_face_is_followed(pipeline, clip, monkeypatch):
    first = frames_of(dub(pipeline, clip, speech(0.8)))
    monkeypatch.setattr("imtalker.dubbing.following.AHEAD_SECONDS", 0.04)
    taken = []
    for frame in dub(pipeline, clip, speech(0.8)).frames():
        taken.append(frame)
        time.sleep(0.01)
    np.testing.assert_array_equal(first, taken)


def test_a_run_given_up_leaves_nothing_running(pipeline, tmp_path):
    before = set(threading.enumerate())
    run = dub(pipeline, talking_clip(tmp_path / "v.mp4", 60), speech(2.4), engine=CopyEngine())
    next(run)
    run.close()
    assert not {thread for thread in set(threading.enumerate()) - before if thread.name == "ahead"}


def test_what_goes_wrong_while_the_face_is_followed_or_drawn_is_raised(pipeline, clip, monkeypatch):
    class Broken(CopyEngine):
        def draw(self, frames, landmarks, motion, references):
            raise InputError("no brush")

    with pytest.raises(InputError, match="no brush"):
        list(dub(pipeline, clip, speech(0.4), engine=Broken()))

    def lost(sighting):
        raise InputError("no eyes")

    run = dub(pipeline, clip, speech(0.4), engine=CopyEngine())
    monkeypatch.setattr("imtalker.dubbing.following.measure", lost)
    with pytest.raises(InputError, match="no eyes"):
        list(run)
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_a_face_that_comes_late_fades_in(pipeline, tmp_path):
    def picture(index):
        return np.full((256, 256, 3), 90, np.uint8) if index < 30 else talking_frame(index % 12)

    path = talking_clip(tmp_path / "v.mp4", 45, picture=picture)
    before = np.stack(list(read_frames(path)))
    frames = frames_of(dub(pipeline, path, speech(1.8), engine=PaintEngine()))
    np.testing.assert_array_equal(frames[:30], before[:30])
    changed = (frames != before).any(-1).sum((1, 2))
    assert changed[44] > 1000 and changed[30] < changed[40]


@pytest.mark.parametrize("length", [1, 5])
def test_very_short_clips_work(pipeline, tmp_path, length):
    path = talking_clip(tmp_path / "v.mp4", length)
    engine = PaintEngine()
    assert len(frames_of(dub(pipeline, path, speech(0.6), engine=engine))) == engine.drawn == 15


def test_memory_does_not_grow_with_the_clip(pipeline, tmp_path):
    peaks = []
    for frames in (20, 80):
        path = talking_clip(tmp_path / f"{frames}.mp4", frames)
        tracemalloc.start()
        try:
            for _ in dub(pipeline, path, speech(frames / 25), engine=CopyEngine()):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 20 * 256 * 256 * 3  # 60 more frames of speech and clip: less than 20 pictures


def test_frames_come_as_soon_as_they_are_asked_for(pipeline, clip):
    engine = CopyEngine()
    run = dub(pipeline, clip, speech(2.0), engine=engine)
    assert engine.drawn == 0
    next(run)
    assert 0 < engine.drawn <= 3 * pipeline.batch_size  # these, the next ones, and some that wait to be taken
    run.close()


def test_only_the_mouth_is_asked_to_change(pipeline, clip):
    engine = CopyEngine()
    list(dub(pipeline, clip, speech(0.48), engine=engine))
    track = FaceTrack.of(rows_of(read_frames(clip)))
    np.testing.assert_allclose(np.stack(engine.motion)[:, 6:8], track.motion[:, 6:8], atol=1e-4)


def test_articulation_scales_the_lips(pipeline, clip):
    gaps = {}
    for factor in (0.6, 1.0, 1.4):
        run = dub(pipeline, clip, speech(0.48), DubOptions(articulation=factor), engine=CopyEngine())
        list(run)
        gaps[factor] = lip_gap(run.motion.motion)
        assert run.recipe["dubbing"]["articulation"] == factor
    middle = (gaps[0.6] + gaps[1.4]) / 2
    torch.testing.assert_close(middle, gaps[1.0], atol=0.02, rtol=0.05)
    assert not torch.allclose(gaps[0.6], gaps[1.4])


def test_the_recipe_says_edited_and_names_both_files(pipeline, clip, tmp_path):
    sound = write_wav(tmp_path / "new words.wav", tone(0.4))
    save_video(dub(pipeline, clip, sound, DubOptions(label=True), engine=CopyEngine()), tmp_path / "out.mp4")
    recipe = read_recipe(tmp_path / "out.mp4")
    assert recipe is not None and recipe["mode"] == "dub"
    assert (recipe["edited"]["file"], recipe["speech"]["file"]) == ("clip.mp4", "new words.wav")
    assert str(tmp_path) not in str(recipe)


def test_a_label_is_written_where_asked(pipeline, clip):
    plain, labelled = (
        frames_of(dub(pipeline, clip, speech(0.2), DubOptions(label=label), engine=CopyEngine()))
        for label in (False, True)
    )
    assert (plain != labelled).any() and (plain[:, :128, :128] == labelled[:, :128, :128]).all()


def test_the_clips_own_sound_can_be_kept_under_the_speech(pipeline, clip, tmp_path):
    sounding = talking_clip(tmp_path / "v.mp4", 12, sound=True)
    run = dub(pipeline, sounding, speech(0.48), DubOptions(background_sound=0.4), engine=CopyEngine())
    assert isinstance(run.audio, SoundMix) and run.audio.level == 0.4
    with pytest.raises(InputError, match="no sound to keep"):
        dub(pipeline, clip, speech(0.48), DubOptions(background_sound=1.0), engine=CopyEngine())


@pytest.mark.parametrize("size", [(1080, 608), (96, 170), (360, 640)])
def test_portrait_format_and_other_sizes_work(pipeline, tmp_path, size):
    height, width = size
    side = min(size)

    def picture(index):
        canvas = np.full((height, width, 3), 90, np.uint8)
        top, left = (height - side) // 2, (width - side) // 2
        canvas[top : top + side, left : left + side] = draw_face(DrawnFace(gap=4.0), side)
        return canvas

    path = write_video(tmp_path / "v.mp4", frames=4, picture=picture)
    run = dub(pipeline, path, speech(0.2))
    assert run.size == size and frames_of(run).shape == (5, height, width, 3)


def test_asked_for_its_own_motion_the_renderer_gives_the_frame_back():
    pipeline = imtalker.load_pipeline("tiny")
    frames = list(read_frames(BUNDLED_FOLDER / "talk_woman.mp4"))[20:44:8]
    track, references = understood(frames, side=pipeline.models.renderer.config.input_size)
    nothing = {"rest": (), "rest_motion": references.rest_motion[:0], "rest_pose": references.rest_pose[:0]}
    references = replace(references, **nothing)
    engine = RendererEngine(pipeline.models.renderer)
    patches = engine.draw(frames, track, torch.from_numpy(track.motion), references)
    for frame, patch, lower in zip(frames, patches, track.lower, strict=True):
        height, width = patch.pixels.shape[:2]
        area = frame[patch.top : patch.top + height, patch.left : patch.left + width]
        error = ((area - patch.pixels.clip(0, 255)) ** 2).mean()
        assert 10 * np.log10(255**2 / error) > 27
        np.testing.assert_allclose(patch.lower, lower, atol=1e-3)


# ---- what cannot be dubbed


def test_a_clip_without_a_face_is_refused(pipeline, tmp_path):
    with pytest.raises(NoFaceError, match="no face was found"):
        dub(pipeline, write_video(tmp_path / "v.mp4", frames=5), speech(0.4))


def test_missing_or_silent_speech_and_clips_without_pictures_are_refused(pipeline, clip, tmp_path):
    sound = write_wav(tmp_path / "s.wav", tone(0.4))
    for video, audio, message in (
        (clip, tmp_path / "none.wav", "does not exist"),
        (clip, clip, "no sound track"),
        (clip, np.zeros(16_000, np.float32), "silent"),
        (sound, sound, "no video stream"),
        (tmp_path / "none.mp4", sound, "does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            dub(pipeline, video, audio)


def test_models_without_named_parts_cannot_dub(clip):
    with pytest.raises(InputError, match="use preset tiny"):
        dub(small_pipeline("base"), clip, speech(0.4))


@pytest.mark.parametrize(
    "options",
    [
        {"length": "both"},
        {"articulation": 3.0},
        {"articulation": "wide"},
        {"background_sound": 1.5},
        {"face": -1},
        {"reference": -2.0},
        {"reference": float("nan")},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError):
        DubOptions(**options)


def test_a_reference_after_the_end_and_an_unknown_engine_are_refused(pipeline, clip):
    with pytest.raises(InputError, match="reference time"):
        dub(pipeline, clip, speech(0.4), DubOptions(reference=60.0))
    with pytest.raises(InputError, match="unknown engine"):
        dub(pipeline, clip, speech(0.4), engine="magic")
