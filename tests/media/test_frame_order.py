"""Frames forwards and backwards: the same pictures as from a list of all of them, in bounded memory."""

from fractions import Fraction

import numpy as np
import pytest

from imtalker.generator.head_transfer import back_and_forth
from imtalker.media import frame_order
from imtalker.media.frame_order import frames_in_order
from imtalker.media.video import native_rate, read_frames, read_frames_from, reliable_times
from tests.support.sample_media import read_count, write_video

RATES = [Fraction(25), Fraction(30000, 1001), Fraction(12), Fraction(50)]


@pytest.mark.parametrize("rate", RATES)
def test_the_rate_is_read_exactly_and_every_frame_comes_once(tmp_path, rate):
    path = write_video(tmp_path / "v.mp4", frames=30, fps=rate)  # pyright: ignore[reportArgumentType]
    assert native_rate(path) == rate
    assert [read_count(frame) for frame in read_frames(path, float(rate))] == list(range(30))


def test_a_variable_rate_becomes_a_usual_one(tmp_path):
    times = np.cumsum([0, *[33, 34, 33, 50, 17] * 8]).tolist()
    path = write_video(tmp_path / "v.mkv", frames=len(times), times=times)
    assert 20 <= native_rate(path) <= 60


@pytest.mark.parametrize("codec,suffix", [("libx264", "mp4"), ("mpeg4", "avi"), ("libvpx-vp9", "webm")])
def test_back_and_forth_equals_a_list_of_all_frames(tmp_path, codec, suffix, monkeypatch):
    monkeypatch.setattr(frame_order, "MAX_BLOCK", 7)
    path = write_video(tmp_path / f"v.{suffix}", codec, frames=40)
    every = list(read_frames(path))
    index = back_and_forth(len(every), 150)
    got = list(frames_in_order(path, 25, index))
    assert [read_count(frame) for frame in got] == [read_count(every[i]) for i in index]
    assert np.array_equal(got[60], every[index[60]])


def test_repeated_and_partial_runs(tmp_path):
    path = write_video(tmp_path / "v.mp4", frames=20)
    for index in ([0, 0, 1, 1, 2], [5, 5, 4, 3, 3, 4, 5], [19, 18], [7]):
        got = [read_count(frame) for frame in frames_in_order(path, 25, np.array(index))]
        assert got == index


@pytest.mark.parametrize("seek", [True, False])
def test_reading_may_begin_anywhere(tmp_path, seek):
    path = write_video(tmp_path / "v.mp4", frames=60)
    assert reliable_times(path)
    for first in (0, 1, 17, 59):
        assert [read_count(f) for f in read_frames_from(path, 25, first, seek)] == list(range(first, 60))


def test_backwards_no_more_frames_are_held_than_a_block(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.mp4", frames=40)
    monkeypatch.setattr(frame_order, "MAX_BLOCK", 5)
    lengths = []
    original = frame_order.read_frames_from

    def counted(*arguments):
        lengths.append(0)
        for frame in original(*arguments):
            lengths[-1] += 1
            yield frame

    monkeypatch.setattr(frame_order, "read_frames_from", counted)
    assert len(list(frames_in_order(path, 25, np.arange(39, -1, -1)))) == 40
    assert len(lengths) == 8 and max(lengths) <= 5
