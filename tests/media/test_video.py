"""Driving clips: every codec and timing becomes upright frames at 25 a second."""

import numpy as np
import pytest

from imtalker.media.video import count_frames, probe_video, read_frames, sample_frames
from tests.support.sample_media import counting_frame, read_count, write_video

CODECS = [
    ("mp4", "libx264", "yuv420p"),
    ("mov", "libx265", "yuv420p"),
    ("mp4", "libx265", "yuv420p10le"),
    ("webm", "libvpx-vp9", "yuv420p"),
    ("mkv", "libsvtav1", "yuv420p"),
    ("mov", "prores_ks", "yuv422p10le"),
    ("gif", "gif", "rgb8"),
    ("avi", "mpeg4", "yuv420p"),
]


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt"), CODECS)
def test_every_codec_gives_every_frame(tmp_path, suffix, codec, pix_fmt):
    large = codec == "libsvtav1"  # this encoder refuses small pictures

    def picture(index: int) -> np.ndarray:
        return counting_frame(index * 3, 96 if large else 48, 128 if large else 64)

    path = write_video(tmp_path / f"v.{suffix}", codec, 12, pix_fmt=pix_fmt, picture=picture)
    frames = list(read_frames(path))
    assert len(frames) == count_frames(path) == 12
    assert all(frame.shape == frames[0].shape and frame.dtype == np.uint8 for frame in frames)
    tolerance = 8 if codec == "gif" else 1  # 8-bit colours
    assert all(abs(read_count(frame) - 3 * i) <= tolerance for i, frame in enumerate(frames))
    assert frames[0][5, 5, 0] > 150 and frames[0][5, 5, 1] < 90


@pytest.mark.parametrize(("fps", "count"), [(50, 25), (30, 30), (10, 20), (25, 30)])
def test_other_rates_are_resampled_by_time(tmp_path, fps, count):
    path = write_video(tmp_path / "v.mp4", frames=count, fps=fps)
    numbers = [read_count(frame) for frame in read_frames(path)]
    assert len(numbers) == count_frames(path) == int(count / fps * 25 + 0.5)
    shown = np.arange(len(numbers)) / 25
    assert all(abs(number / fps - time) <= max(1 / fps, 1 / 25) for number, time in zip(numbers, shown, strict=True))
    assert numbers == sorted(numbers)


def test_variable_rate_follows_the_timestamps(tmp_path):
    times = [0, 40, 80, 400, 440, 480, 900, 940]  # milliseconds: two holes
    path = write_video(tmp_path / "v.mkv", frames=8, times=times)
    numbers = [read_count(frame) for frame in read_frames(path)]
    wanted = [max(i for i, t in enumerate(times) if t <= k * 40 + 1) for k in range(24)]
    assert numbers[:24] == wanted and 24 <= len(numbers) <= 25
    assert len(numbers) == count_frames(path)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_phone_rotation_is_applied(tmp_path, rotation):
    plain = write_video(tmp_path / "plain.mp4", frames=2)
    path = tmp_path / "turned.mp4"
    turn_in_place(plain, path, rotation)
    frame = next(read_frames(path))
    info = probe_video(path)
    straight = next(read_frames(plain))
    assert (info.height, info.width) == frame.shape[:2]
    assert (frame == np.rot90(straight, (rotation // 90) % 4)).all()


def turn_in_place(source, target, rotation):
    """Copy an MP4 and note a rotation in its track header, as phones do."""
    data = bytearray(source.read_bytes())
    header = data.index(b"tkhd") + 4
    turns = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}[rotation]  # counter-clockwise
    a, b, c, d = (value << 16 for value in turns)
    matrix = b"".join(v.to_bytes(4, "big", signed=True) for v in (a, b, 0, c, d, 0, 0, 0, 1 << 30))
    start = header + 4 + 20 + 8 + 8  # version and flags, times and ids, reserved, layer to volume
    data[start : start + 36] = matrix
    target.write_bytes(data)


def test_probe(tmp_path):
    info = probe_video(write_video(tmp_path / "v.mp4", frames=50, sound=True))
    assert (info.width, info.height, info.codec, info.has_audio) == (64, 48, "h264", True)
    assert info.duration == pytest.approx(2.0, abs=0.05) and info.rate == 25
    assert abs(info.audio_offset) < 0.05
    assert not probe_video(write_video(tmp_path / "w.webm", "libvpx-vp9", 5)).has_audio


def test_frames_are_streamed(tmp_path):
    frames = read_frames(write_video(tmp_path / "v.mp4", frames=100))
    first = next(frames)
    frames.close()  # a half-read clip can be given up
    assert read_count(first) == 0


def test_samples_are_spread_over_the_clip(tmp_path):
    path = write_video(tmp_path / "v.mp4", frames=50)
    assert [read_count(frame) for frame in sample_frames(path, every=10)] == [0, 10, 20, 30, 40]
    assert len(list(sample_frames(path, every=1, limit=7))) == 7
