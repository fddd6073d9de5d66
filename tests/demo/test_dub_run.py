"""A dubbing run of the app: the frames of ``dub``, at the clip's own rate, stopped and refused like all others."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from imtalker.demo.runs.dub_job import make_dub_job
from imtalker.demo.runs.gpu import gpu_seconds, make_renderer
from imtalker.demo.runs.requests import DubRequest
from imtalker.demo.runs.run import Finished, Progress, Stopped, run_clip
from imtalker.dubbing.dub import dub
from imtalker.errors import InputError
from imtalker.media.sound_blocks import SoundMix
from imtalker.media.video import native_rate, probe_video, read_frames
from imtalker.pipeline.animation import save_video
from imtalker.pipeline.motion_clip import load_motion
from tests.support.dubbing import talking_clip
from tests.support.sample_media import write_video
from tests.support.standin import small_pipeline


@pytest.fixture(scope="module")
def request_(inputs, tmp_path_factory) -> DubRequest:
    """Half a second at another rate than 25, with speech of a second: the clip runs back and forth."""
    clip = talking_clip(tmp_path_factory.mktemp("dub") / "clip.mp4", 10, Fraction(20), sound=True)
    return DubRequest(str(clip), str(inputs.speech), steps=2, seed=5, articulation=1.1, background=30)


@pytest.fixture(scope="module")
def job(request_, pipeline):
    return make_dub_job(request_, pipeline)


def test_a_run_writes_the_frames_of_dub_at_the_clips_own_rate(pipeline, host, job, request_, folder, finish, tmp_path):
    events = list(run_clip(job, make_renderer(host), folder(), host.describe(), pieces="own", beside=True))
    run = finish(iter(events))
    direct = dub(pipeline, request_.video, request_.speech, job.options, job.sampling)
    save_video(direct, tmp_path / "direct.mp4")
    ours, theirs = (list(read_frames(path, 20)) for path in (run.video, tmp_path / "direct.mp4"))
    np.testing.assert_array_equal(ours, theirs)
    assert run.report["recipe"] == direct.recipe and run.report["recipe"]["mode"] == "dub"
    assert (run.report["frames"], run.report["duration_seconds"], run.report["video_frame_rate"]) == (20, 1.0, 20)
    assert native_rate(run.video) == native_rate(run.side_by_side) == 20
    assert probe_video(run.side_by_side).width == 512 and load_motion(run.motion).motion.shape[1] == 32
    looks = [event for event in events if isinstance(event, Progress) and event.looking]
    assert looks and looks[-1].done == 10 and events.index(looks[-1]) < len(events) - 2
    pieces = [piece for event in events if isinstance(event, Progress) for piece in event.pieces]
    assert sum(len(list(read_frames(piece, 20))) for piece in pieces) == 20 and native_rate(pieces[0]) == 20
    assert "short_clip" in {remark["code"] for remark in run.report["remarks"]}


def test_everything_asked_for_reaches_the_run(job, request_, inputs):
    assert job.names == ("clip.mp4", inputs.speech.name) and (job.total, job.fps) == (20, 20)
    assert (job.options.articulation, job.options.background_sound, job.options.label) == (1.1, 0.3, False)
    assert (job.sampling.num_steps, job.sampling.seed) == (2, 5)
    assert isinstance(job.sound, SoundMix) and job.sound.level == 0.3
    assert len(job.waveform) == 16_000 and np.abs(job.waveform - job.speech.waveform).max() > 0.01  # as it will sound
    assert gpu_seconds(job) < gpu_seconds(replace(job, speech=replace(job.speech, waveform=np.zeros(160_000))))


def test_adapting_is_told_of_and_can_be_stopped(host, job, folder):
    adapting = replace(job, options=replace(job.options, adapt=0.4))
    assert gpu_seconds(adapting) > gpu_seconds(job)
    seen = []
    for event in run_clip(adapting, make_renderer(host), folder(), {}, should_stop=lambda: len(seen) > 12):
        seen.append(event)
    told = [(event.looking, event.adapting) for event in seen if isinstance(event, Progress)]
    assert told[0] == (True, False) and told[-1] == (False, True) and isinstance(seen[-1], Stopped)


def test_a_stop_while_the_clip_is_looked_at_makes_nothing(host, job, folder):
    seen = []
    place = folder()
    for event in run_clip(job, make_renderer(host), place, {}, should_stop=lambda: bool(seen)):
        seen.append(event)
    assert isinstance(seen[0], Progress) and seen[0].looking and isinstance(seen[-1], Stopped)
    assert not any(isinstance(event, Finished) for event in seen) and not list(place.glob("*.mp4"))


def test_what_cannot_be_dubbed_is_said_before_or_in_the_run(pipeline, host, request_, inputs, folder, tmp_path):
    with pytest.raises(InputError, match="use preset tiny"):
        make_dub_job(request_, small_pipeline("base"))
    long = talking_clip(tmp_path / "long.mp4", 30, 20)
    with pytest.raises(InputError, match=r"1\.5 s long; the limit is 1 s"):
        make_dub_job(replace(request_, video=str(long), length="video", background=0), pipeline, 1.0)
    with pytest.raises(InputError, match="no video stream"):
        make_dub_job(replace(request_, video=str(inputs.speech)), pipeline)
    empty = write_video(tmp_path / "empty.mp4", frames=5)
    job = make_dub_job(replace(request_, video=str(empty), background=0), pipeline)
    with pytest.raises(InputError, match="no face was found"):
        list(run_clip(job, make_renderer(host), folder(), {}))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"video": None}, "no clip to dub"),
        ({"speech": None}, "no speech"),
        ({"text": "Hello"}, "give one of them"),
        ({"articulation": 3}, "articulation"),
        ({"background": 150}, "background"),
        ({"adapt": 121}, "adapt"),
        ({"length": "both"}, "length"),
    ],
)
def test_bad_values_are_refused(request_, changes, message):
    with pytest.raises(InputError, match=message):
        replace(request_, **changes)
