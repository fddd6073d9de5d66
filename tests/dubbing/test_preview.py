"""What is shown and said of a clip before it is dubbed."""

from fractions import Fraction

import numpy as np
import pytest

from imtalker.dubbing.preview import DubPreview
from imtalker.dubbing.remarks import clip_remarks, lost_remarks, person_remarks, plan_remarks, size_remarks
from imtalker.dubbing.timing import make_plan
from imtalker.errors import InputError
from imtalker.media.video import VideoInfo, read_frames
from tests.support.drawn_face import draw_face
from tests.support.dubbing import talking_clip, track_of
from tests.support.sample_media import write_video

CLIP = VideoInfo(1280, 720, 3.0, 25.0, "h264", True, 0.0)


def codes(remarks) -> set[str]:
    return {remark.code for remark in remarks}


def test_the_new_mouth_is_tinted_and_nothing_above_it(tmp_path):
    path = talking_clip(tmp_path / "v.mp4", 12)
    preview = DubPreview.of(path)
    assert len(preview.moments) == 3 and len(preview.people) == 1 and not preview.must_choose
    strip = preview.strip(side=256)
    assert strip.shape == (256, 3 * 256 + 2 * 4, 3)
    changed = np.argwhere((strip[:, :256] != next(read_frames(path))).any(-1))
    assert len(changed) > 1000 and changed[:, 0].min() > 120  # below the eyes


def test_several_people_are_numbered_and_one_is_chosen(tmp_path):
    picture = np.concatenate([draw_face(), draw_face()], axis=1)
    preview = DubPreview.of(write_video(tmp_path / "v.mp4", frames=6, picture=lambda i: picture))
    assert len(preview.people) == 2 and preview.must_choose
    first, second = preview.strip(0), preview.strip(1)
    assert first.shape == second.shape and (first != second).any()


def test_a_clip_without_a_face_or_pictures_is_answered(tmp_path):
    preview = DubPreview.of(write_video(tmp_path / "v.mp4", frames=6))
    assert preview.people == () and codes(preview.remarks()) >= {"no_face"}
    assert preview.strip().ndim == 3
    (tmp_path / "x.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError):
        DubPreview.of(tmp_path / "x.mp4")


def test_remarks_say_what_is_kept_at_a_price():
    assert clip_remarks(CLIP, Fraction(25)) == ()
    large = VideoInfo(2160, 3840, 3.0, 60.0, "hevc", True, 0.0, is_hdr=True)  # from a phone, portrait format
    assert codes(clip_remarks(large, Fraction(60000, 1001))) == {"large_clip", "fast_clip", "hdr_clip"}
    assert plan_remarks(make_plan(75, Fraction(25), 3.0, "audio"), 75) == ()
    assert codes(plan_remarks(make_plan(75, Fraction(25), 8.0, "audio"), 75)) == {"short_clip"}
    assert codes(size_remarks(1000)) == {"soft_mouth"} and codes(size_remarks(100)) == {"small_face"}
    assert size_remarks(300) == ()


def test_remarks_tell_for_how_long_the_face_is_lost_or_turned():
    track = track_of(50, seen=np.arange(50) >= 10, yaw=np.where(np.arange(50) < 20, 40.0, 0.0))
    lost, turned = lost_remarks(track, Fraction(25))
    assert "0.4 s" in lost.words and (lost.code, turned.code) == ("lost_face", "turned_face")
    assert "0.4 s" in turned.words and lost_remarks(track_of(50), Fraction(25)) == ()


def test_remarks_tell_of_other_people_and_of_the_size():
    assert codes(person_remarks(track_of(5), 2, 512)) == {"more_faces"}
    assert codes(person_remarks(track_of(5), 1, 2000)) == {"small_face"}
