"""The first look at a clip: who, from which frames, and when there is nothing to dub."""

import numpy as np
import pytest

from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.looking import LOOKING, Look, Looked, look
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.timing import make_plan
from imtalker.errors import InputError, NoFaceError
from imtalker.pipeline.timing import Timings
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.dubbing import talking_clip
from tests.support.sample_media import write_video
from tests.support.standin import small_pipeline

EMPTY = np.full((256, 256, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def pipeline():
    return small_pipeline()


def looked(pipeline, path, seconds: float = 1.0, **options) -> tuple[Look, list[Looked]]:
    clip, steps = DubClip.read(path), []
    plan = make_plan(clip.num_frames, clip.fps, seconds, "audio")
    looking = look(pipeline, clip, plan, DubOptions(**options), Timings())
    while True:
        try:
            steps.append(next(looking))
        except StopIteration as end:
            return end.value, steps


def test_glances_are_spread_over_the_clip_and_every_frame_of_a_short_one_is_seen(pipeline, tmp_path):
    found, steps = looked(pipeline, talking_clip(tmp_path / "short.mp4", 5))
    assert len(found.seen.motion) == 5 and (found.seen.seconds[0], found.until) == (0, 0.2)
    assert steps[-1] == (5, 5, LOOKING) and [step.done for step in steps] == sorted(step.done for step in steps)
    found, _ = looked(pipeline, talking_clip(tmp_path / "long.mp4", 60))
    assert len(found.seen.motion) == 30  # one in two
    found, _ = looked(pipeline, talking_clip(tmp_path / "still.mp4", 1))
    assert len(found.seen.motion) == 1 and found.references.neutral == 0 and found.references.rest


def test_a_face_that_comes_late_is_waited_for(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr("imtalker.dubbing.looking.LOOK_SECONDS", 0.4)
    path = talking_clip(tmp_path / "v.mp4", 60, picture=lambda i: EMPTY if i < 30 else draw_face(DrawnFace(gap=2.0)))
    found, steps = looked(pipeline, path, 2.4)
    assert found.seen.seconds[0] == 30 / 25 and found.until < 1.8
    assert found.references.neutral >= 30 and steps[-1].done < 60
    with pytest.raises(NoFaceError, match=r"no face was found in the first 0\.8 s"):
        looked(pipeline, path, 0.8)


def test_the_reference_may_lie_anywhere_in_the_clip(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr("imtalker.dubbing.looking.LOOK_SECONDS", 0.4)
    path = talking_clip(tmp_path / "v.mp4", 40, picture=lambda i: EMPTY if i == 33 else draw_face(DrawnFace(gap=2.0)))
    for seconds, frame in ((0.16, 4), (0.2, 5), (1.4, 35)):
        found, _ = looked(pipeline, path, reference=seconds)
        assert found.references.neutral == frame and (found.seen.seconds[0], found.until) == (0.0, 0.4)
    for seconds in (33 / 25, 3.0):
        with pytest.raises(InputError, match="reference time"):
            looked(pipeline, path, reference=seconds)


def test_of_two_people_one_is_chosen(pipeline, tmp_path):
    both = np.concatenate([draw_face(), draw_face(DrawnFace(skin=(150, 110, 90)))], axis=1)
    path = write_video(tmp_path / "v.mp4", frames=4, picture=lambda i: both)
    with pytest.raises(InputError, match="--face"):
        looked(pipeline, path)
    found = [looked(pipeline, path, face=face)[0] for face in (0, 1)]
    assert sorted(one.face.box[0] > 256 for one in found) == [False, True]
    assert "more_faces" in {remark.code for remark in found[0].remarks}


def test_what_shows_no_face_is_refused(pipeline, tmp_path, monkeypatch):
    with pytest.raises(NoFaceError, match="no face was found"):
        looked(pipeline, write_video(tmp_path / "empty.mp4", frames=5))
    monkeypatch.setattr("imtalker.dubbing.looking.MAX_YAW", -1.0)
    with pytest.raises(NoFaceError, match="turned beyond"):
        looked(pipeline, talking_clip(tmp_path / "v.mp4", 3))
