"""Adapting to one video: more of it is seen, the network learns from it, and the same options give the same video."""

import numpy as np
import pytest
import torch

from imtalker import DubOptions, dub
from imtalker.dubbing.adaptation import adapt
from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.completion.completion_engine import CompletionEngine
from imtalker.dubbing.looking import ADAPTING, LOOKING, Look, look
from imtalker.dubbing.timing import make_plan
from imtalker.errors import InputError
from imtalker.pipeline.timing import Timings
from tests.support.completion import small_network
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.dubbing import CopyEngine, talking_clip
from tests.support.sample_media import tone
from tests.support.standin import small_pipeline

SECONDS = 1.0  # 15 frames followed, 6 steps


@pytest.fixture(scope="module")
def pipeline():
    return small_pipeline()


def finished(steps):
    """What a generator returns, and what it yields before."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


def looked(pipeline, path, monkeypatch) -> tuple[DubClip, Look]:
    """A clip of which the first five frames have been looked at."""
    monkeypatch.setattr("imtalker.dubbing.looking.LOOK_SECONDS", 0.2)
    clip = DubClip.read(path)
    plan = make_plan(clip.num_frames, clip.fps, 0.2, "audio")
    return clip, finished(look(pipeline, clip, plan, DubOptions(), Timings()))[0]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The lips close in frames that a first look does not see."""

    def picture(index: int) -> np.ndarray:
        return draw_face(DrawnFace(gap=1 + 5 * abs(np.sin(index / 2)) if index < 8 else 0.0, shift=0.5 * index))

    return talking_clip(tmp_path_factory.mktemp("adapt") / "v.mp4", 20, picture=picture)


def test_more_of_the_clip_is_seen(pipeline, path, monkeypatch):
    clip, found = looked(pipeline, path, monkeypatch)
    engine = CopyEngine()
    (more, same), steps = finished(adapt(clip, found, engine, SECONDS, Timings()))
    assert same is engine and len(more.seen.motion) == 15 > len(found.seen.motion)
    assert more.until == pytest.approx(15 / 25) and more.references.neutral == found.references.neutral
    rest = [min(frame.opening for frame in one.references.rest) for one in (found, more)]
    assert rest[1] < rest[0] - 0.05
    assert len(more.references.rest_motion) == len(more.references.rest) == len(more.references.rest_pose)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total and {step.doing for step in steps} == {ADAPTING}


def test_the_engine_learns_and_the_one_that_is_shared_stays_as_it_is(pipeline, path, monkeypatch):
    network = small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        clip, found = looked(pipeline, path, monkeypatch)
        engine = CompletionEngine(network)
        (_, other), steps = finished(adapt(clip, found, engine, SECONDS, Timings()))
        assert isinstance(other, CompletionEngine) and other is not engine
        assert steps[-1].done == steps[-1].total and len(steps) == 15 + 6
        results.append(other._network.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(torch.equal(results[0][name], results[1][name]) for name in before)
    changed = {name.split(".")[1] for name, value in results[0].items() if not torch.equal(value, before[name])}
    assert changed and changed <= {
        "refine", "leave", "keep", "decode_in", "decode_block", "decode_up", "decode_fine", "decode_out"
    }  # fmt: skip
    assert not any(value.requires_grad for value in results[0].values()) and torch.is_grad_enabled()


def test_given_up_in_between_nothing_is_left_running(pipeline, path, monkeypatch):
    clip, found = looked(pipeline, path, monkeypatch)
    steps = adapt(clip, found, CompletionEngine(small_network()), SECONDS, Timings())
    for _ in range(17):
        next(steps)
    steps.close()
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_the_same_options_give_the_same_video_and_progress_is_told(pipeline, path):
    told, results = [], []
    speech, options = tone(0.2)[:, 0], DubOptions(adapt=0.4)
    for _ in range(2):
        engine = CompletionEngine(small_network())
        run = dub(pipeline, path, speech, options, engine=engine, progress=lambda *step: told.append(step))
        results.append(np.stack(list(run.frames())))
    np.testing.assert_array_equal(*results)
    assert run.recipe["dubbing"]["adapt"] == 0.4 and "adaptation" in run.timings.stages
    assert [step[2] for step in told[: len(told) // 2]] == sorted(
        (step[2] for step in told[: len(told) // 2]), reverse=True
    )
    assert {step[2] for step in told} == {LOOKING, ADAPTING}


@pytest.mark.parametrize("seconds", [-1, 601, float("nan"), "long", None, True])
def test_times_out_of_range_are_refused(seconds):
    with pytest.raises(InputError, match="adapt"):
        DubOptions(adapt=seconds)
