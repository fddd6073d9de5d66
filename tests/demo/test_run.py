"""One run: the frames of the pipeline, valid files at any end, errors in words; and comparisons made of runs."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from imtalker.demo.runs.compare import Comparison, make_variants, run_comparison
from imtalker.demo.runs.gpu import Failure, make_renderer
from imtalker.demo.runs.jobs import make_job, sampling_options
from imtalker.demo.runs.requests import ClipRequest, SpeechRequest
from imtalker.demo.runs.run import Stopped, run_clip
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from imtalker.media.audio import load_waveform
from imtalker.media.side_by_side import SideBySide
from imtalker.media.video import probe_video, read_frames
from imtalker.pipeline.animation import save_video
from imtalker.pipeline.motion_clip import load_motion
from tests.support.demo_setup import speech_file


@pytest.fixture(scope="module")
def request_(inputs) -> SpeechRequest:
    return SpeechRequest(str(inputs.portrait), str(inputs.speech), steps=2, guidance=1.0, seed=5)


@pytest.fixture(scope="module")
def job(request_, pipeline):
    return make_job(request_, pipeline)


def test_a_run_writes_the_frames_of_the_pipeline(pipeline, host, inputs, request_, job, folder, finish, tmp_path):
    run = finish(run_clip(job, make_renderer(host), folder(), host.describe(), beside=True))
    portrait = pipeline.encode_source(inputs.portrait)
    options = sampling_options(request_, pipeline.preset.sampling)
    direct = save_video(pipeline.animate_from_audio(portrait, inputs.speech, options=options), tmp_path / "direct.mp4")
    for ours, theirs in zip(read_frames(run.video), read_frames(direct), strict=True):
        assert np.array_equal(ours, theirs)
    assert run.side_by_side is not None and probe_video(run.side_by_side).width == 256
    assert json.loads(run.recipe.read_text())["sampling"]["seed"] == 5
    assert load_motion(run.motion).motion.shape == (25, 32)
    assert run.report["frames"] == 25 and run.report["seconds"]["rendering"] > 0
    assert run.report["total_seconds"] >= 0.9 * sum(run.report["seconds"].values())
    assert run.report["first_frame_seconds"] < run.report["total_seconds"]
    run.remove()
    assert not run.video.parent.exists()


def test_stopping_leaves_a_valid_shorter_video(pipeline, host, request_, folder, tmp_path):
    speech = speech_file(tmp_path / "long.wav", 8.0)
    job = make_job(replace(request_, speech=str(speech)), pipeline)
    seen = []
    events = run_clip(
        job, make_renderer(host), folder(), host.describe(), should_stop=lambda: len(seen) >= 15, pieces="joined"
    )
    for event in events:
        seen.append(event)
    run = seen[-1]
    frames = len(list(read_frames(run.video)))
    assert 0 < frames < 200 and run.report["stopped"] and run.report["frames"] == frames
    assert len(load_motion(run.motion).motion) == frames
    assert abs(len(load_waveform(run.video)) / 16_000 - frames / 25) < 0.1
    pieces = [piece for event in seen[:-1] for piece in event.pieces]
    assert sum(len(list(read_frames(piece))) for piece in pieces) == frames


def test_a_stop_before_the_first_picture_asks_for_no_gpu(job, folder):
    def render(_):
        raise AssertionError("a GPU was asked for")

    place = folder()
    assert list(run_clip(job, render, place, {}, should_stop=lambda: True)) == [Stopped()]
    assert list(place.iterdir()) == []


def test_a_dropped_or_failed_run_leaves_no_files(host, job, folder):
    place = folder()
    events: Any = run_clip(job, make_renderer(host), place, host.describe(), pieces="joined", beside=True)
    next(events)
    events.close()
    assert list(place.iterdir()) == []
    with pytest.raises(InputError, match="broken"):
        list(run_clip(job, lambda _: iter([Failure("broken; mend it")]), folder("b"), {}))


def test_errors_on_the_gpu_side_come_out_as_words(host, job, monkeypatch):
    (failure,) = make_renderer(host)(replace(job, options=replace(job.options, num_steps=0)))
    assert isinstance(failure, Failure) and "num_steps" in failure.message
    (failure,) = make_renderer(host)(replace(job, speech=None))  # nobody foresaw that
    assert isinstance(failure, Failure) and "reference" in failure.message


def test_driving_clip_beside_its_driver(pipeline, host, inputs, folder, finish):
    job = make_job(ClipRequest(str(inputs.portrait), str(inputs.clip), paste_back=True, label=True), pipeline)
    run = finish(run_clip(job, make_renderer(host), folder(), host.describe(), beside=True))
    assert (run.report["width"], run.report["height"]) == (256, 256)
    assert len(list(read_frames(run.side_by_side))) == 25


def test_variants_differ_in_one_thing_only(job):
    assert [v.job.options.num_steps for v in make_variants("steps", job)] == [4, 10, 25]  # pyright: ignore
    assert {v.job.options.seed for v in make_variants("guidance", job)} == {5}  # pyright: ignore
    free, held = make_variants("pose", job, pose=MotionControls(yaw=10))
    assert free.job.controls is None and held.job.controls is not None and held.job.controls.yaw == 10
    for kind in ("portraits", "pose", "nothing"):
        with pytest.raises(InputError):
            make_variants(kind, job)


def test_two_portraits_move_in_step(pipeline, host, inputs, request_, job, folder):
    other = make_job(replace(request_, portrait=str(inputs.other)), pipeline)
    place = folder()
    variants = make_variants("portraits", job, other)
    result = list(run_comparison(variants, make_renderer(host), place, host.describe()))[-1]
    assert isinstance(result, Comparison) and len(result.rows()) == 2
    stages = [report["seconds"] for report in result.reports]
    assert "motion_generation" in stages[0] and "motion_generation" not in stages[1]
    assert [path.name for path in place.iterdir()] == ["comparison.mp4"]
    frames = list(read_frames(result.video))
    assert len(frames) == 25 and frames[0].shape == (128, 256, 3) and probe_video(result.video).has_audio


def test_grid_keeps_shape_and_order():
    grid = SideBySide(["a", "b", "c", "d"], (128, 128), limit=64)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    frame = grid.compose([np.full((32, 64, 3), colour, np.uint8) for colour in colours])
    assert frame.shape == (128, 192, 3)
    assert tuple(frame[32, 32]) == colours[0] and tuple(frame[96, 32]) == colours[3]
    assert tuple(frame[2, 60]) == (0, 0, 0)  # a wide picture is not stretched
