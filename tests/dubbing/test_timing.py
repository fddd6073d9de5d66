"""Time: how long the result is, which frame stands when, where the new mouth fades."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from imtalker.dubbing.lips import resampled
from imtalker.dubbing.timing import Fading, Plan, make_plan, pauses
from tests.support.dubbing import track_of

NTSC = Fraction(30000, 1001)


def strength(plan: Plan, track, silent=None) -> np.ndarray:
    """Of the whole result at once."""
    return Fading(plan, np.zeros(plan.total, bool) if silent is None else silent).strength(0, plan.total, track)


@pytest.mark.parametrize("fps", [Fraction(25), NTSC, Fraction(12), Fraction(60)])
@pytest.mark.parametrize("seconds", [0.5, 2.0, 7.3])
def test_by_default_the_result_is_as_long_as_the_speech(fps, seconds):
    plan = make_plan(40, fps, seconds, "audio")
    assert abs(plan.total / fps - seconds) <= 0.5 / fps + 1e-9
    assert plan.speech_frames == plan.total
    assert np.abs(np.diff(plan.index)).max(initial=0) <= 1  # back and forth, never a jump
    assert plan.index.min() == 0 and plan.index.max() == plan.used - 1 <= 39


def test_with_the_videos_length_the_rest_is_untouched():
    plan = make_plan(40, Fraction(20), 1.0, "video")
    assert plan.index.tolist() == list(range(40)) and plan.speech_frames == plan.used == 20
    shown = strength(plan, track_of(20))
    assert (shown[20:] == 0).all() and shown[0] == 1 and 0 < shown[19] < 1
    assert make_plan(40, Fraction(20), 60.0, "video").total == 40  # longer speech is cut


def test_the_mouth_fades_where_the_face_is_lost_or_turned():
    plan = make_plan(60, Fraction(25), 2.4, "audio")
    seen = np.ones(60, bool)
    seen[20:25] = False
    yaw = np.zeros(60)
    yaw[40:43] = -35
    shown = strength(plan, track_of(60, seen=seen, yaw=yaw))
    assert (shown[20:25] == 0).all() and (shown[40:43] == 0).all()
    assert shown[10] == 1 and shown[32] == 1 and shown[59] == 1
    assert np.abs(np.diff(shown)).max() < 0.5  # faded, not switched


@pytest.mark.parametrize("length", ["audio", "video"])
def test_piece_by_piece_it_fades_as_at_once_and_needs_no_more_of_the_clip_than_it_says(length):
    rng = np.random.default_rng(0)
    plan = make_plan(60, Fraction(25), 4.0, length)
    track, silent = track_of(60, seen=rng.random(60) > 0.05, yaw=rng.normal(0, 15, 60)), rng.random(plan.total) < 0.03
    whole, fading = strength(plan, track, silent), Fading(plan, silent)
    for start in range(0, plan.total, 7):
        stop = min(start + 7, plan.total)
        part = fading.strength(start, stop, track.take(np.arange(fading.needs(stop))))
        np.testing.assert_array_equal(part, whole[start:stop])
    assert fading.needs(1) < 10


def test_pauses_are_long_silences_only():
    speech = np.random.default_rng(0).normal(0, 0.1, 16_000 * 4).astype(np.float32)
    speech[16_000:28_000] *= 1e-4  # 0.75 s
    speech[40_000:44_800] *= 1e-4  # 0.3 s
    times = np.arange(0, 5, 0.1)
    silent = pauses(speech, times)
    assert silent[(times > 1.05) & (times < 1.7)].all()
    assert not silent[(times < 0.95) | (times > 1.8)].any()


@pytest.mark.parametrize("fps", [12.0, 25.0, float(NTSC), 50.0, 60.0])
def test_motion_is_interpolated_to_the_clips_own_rate(fps):
    curve = torch.sin(torch.arange(100) / 7)[:, None].repeat(1, 32)
    windows = iter([curve[None, :50], curve[None, 50:]])
    total = int(4 * fps) - 1
    got = torch.stack(list(resampled(windows, fps, total)))[:, 0].numpy()
    wanted = np.interp(np.arange(total) / fps * 25, np.arange(100), curve[:, 0].numpy())
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_interpolation_needs_no_more_motion_than_the_moment_asks_for():
    asked = []

    def windows():
        for start in (0, 50):
            asked.append(start)
            yield torch.zeros(1, 50, 32)

    frames = resampled(windows(), 50.0, 190)
    for _ in range(90):
        next(frames)
    assert asked == [0]


def test_motion_that_ends_early_is_held():
    got = list(resampled(iter([torch.ones(1, 2, 32)]), 25.0, 6))
    assert len(got) == 6 and all(torch.equal(motion, torch.ones(32)) for motion in got)
