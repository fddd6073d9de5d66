"""Sound and pictures at their own times: gaps, restarts, no timestamps, pixels that are not square, several tracks."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from imtalker.errors import InputError
from imtalker.media.audio import load_waveform, timed_samples
from imtalker.media.container import sound_track
from imtalker.media.timeline import Timeline
from imtalker.media.video import count_frames, probe_video, read_frames
from imtalker.media.video_writer import VideoWriter
from tests.support.sample_media import counting_frame, decode_video, read_count, write_video

RATE = 48_000


def clicks(times: list[float], seconds: float, channels: int = 1) -> np.ndarray:
    """Short bursts of 2 kHz at the given times in silence, float32 (C, N)."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    for time in times:
        start = round(time * RATE)
        samples[start : start + 960] = 0.8 * np.sin(2 * np.pi * 2000 * np.arange(960) / RATE)
    return np.repeat(samples[None], channels, axis=0)


def heard(samples: np.ndarray, rate: int) -> list[float]:
    """Times at which something begins to be heard."""
    loud = np.abs(np.atleast_2d(samples)[0]) > 0.1
    starts = np.flatnonzero(loud) / rate
    return [float(t) for i, t in enumerate(starts) if i == 0 or t - starts[i - 1] > 0.1]


def write_clip(path, sound, codec="aac", drop=(0.0, 0.0), delay=0.0, frames=100, jitter=0.0):
    """Pictures and a sound track; packets that begin within ``drop`` are lost, the others keep their time."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(codec, rate=RATE, layout="mono")
        pictures = [VideoFrame.from_ndarray(counting_frame(i % 60), format="rgb24") for i in range(frames)]
        packets = [packet for picture in [*pictures, None] for packet in video.encode(picture)]
        block = AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler(format=audio.format.name, layout="mono", rate=RATE)
        parts = [part for b in (block, None) for part in resampler.resample(b)]
        tick = 0
        for packet in [p for part in [*parts, None] for p in audio.encode(part)]:
            time = float(packet.pts * packet.time_base)
            if drop[0] <= time < drop[1]:
                continue
            tick += 1
            packet.pts += round((delay + jitter * (tick % 3)) / packet.time_base)
            packet.dts = packet.pts
            packets.append(packet)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base if p.dts is not None else 0):
            container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mkv", "libopus"), ("mkv", "pcm_s16le"), ("mov", "aac"), ("mp4", "aac")]
)
def test_a_gap_in_the_sound_is_silence(tmp_path, suffix, codec):
    path = write_clip(tmp_path / f"gap.{suffix}", clicks([0.5, 3.5], 4.0), codec, drop=(1.0, 3.0))
    assert heard(load_waveform(path), 16_000) == pytest.approx([0.5, 3.5], abs=0.02)
    out = tmp_path / "out.mp4"
    with VideoWriter(out, (48, 64), audio=path, audio_offset=probe_video(path).audio_offset) as writer:
        for frame in read_frames(path):
            writer.write(frame)
    assert heard(load_waveform(out), 16_000) == pytest.approx([0.5, 3.5], abs=0.03)


def test_many_small_gaps_do_not_add_up(tmp_path):
    pieces = [AudioFrame.from_ndarray(clicks([0.0], 0.02)[:, :960], format="fltp", layout="mono") for _ in range(500)]
    for index, piece in enumerate(pieces):  # 5 ms are lost each time: below what is mended at once
        piece.sample_rate, piece.pts, piece.time_base = RATE, round(index * 0.025 * RATE), Fraction(1, RATE)
    length = sum(piece.shape[1] for piece in timed_samples(pieces, "mono", 16_000)) / 16_000
    assert length == pytest.approx(499 * 0.025 + 0.02, abs=0.05)


def test_jitter_is_left_alone(tmp_path):
    path = write_clip(tmp_path / "jitter.mkv", clicks([0.5, 1.5], 2.0), "pcm_s16le", jitter=0.007)
    smooth = write_clip(tmp_path / "smooth.mkv", clicks([0.5, 1.5], 2.0), "pcm_s16le")
    assert np.abs(load_waveform(path)[:31_000] - load_waveform(smooth)[:31_000]).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "codec", "delay"),
    [
        ("late.mkv", "pcm_s16le", 0.6),
        ("together.mkv", "pcm_s16le", 0.0),
        ("late.mp4", "aac", 0.6),  # an edit list says so
        ("early.mp4", "aac", -0.3),
        ("early.mov", "pcm_s16le", -0.3),
    ],
)
def test_sound_keeps_its_distance_to_the_pictures(tmp_path, name, codec, delay):
    path = write_clip(tmp_path / name, clicks([0.5], 2.0), codec, delay=delay)
    info = probe_video(path)
    assert info.audio_offset == pytest.approx(max(0.0, delay), abs=0.03)  # what comes before the pictures is cut off
    with VideoWriter(tmp_path / "out.mp4", (48, 64), audio=path, audio_offset=info.audio_offset) as writer:
        writer.write(np.zeros((50, 48, 64, 3), np.uint8))
    assert heard(load_waveform(tmp_path / "out.mp4"), 16_000) == pytest.approx([0.5 + delay], abs=0.03)


def test_restarted_and_missing_timestamps_are_joined():
    timeline = Timeline()
    assert [timeline.place(t, 1.0) for t in (5.0, 6.0, None, 8.0)] == [5.0, 6.0, 7.0, 8.0]
    assert [timeline.place(t, 1.0) for t in (0.0, 1.0, 2.5)] == [9.0, 10.0, 11.5]  # the clock starts again
    stuck = Timeline()
    assert [stuck.place(0.0, 0.5) for _ in range(4)] == [0.0, 0.5, 1.0, 1.5]


def test_files_without_timestamps_are_counted_and_limited(tmp_path):
    path = tmp_path / "raw.h264"
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(60):
            container.mux(stream.encode(VideoFrame.from_ndarray(counting_frame(index), format="rgb24")))
        container.mux(stream.encode(None))
    frames = list(read_frames(path))
    assert len(frames) == count_frames(path) == 60
    assert [read_count(frame) for frame in frames[::10]] == [0, 10, 20, 30, 40, 50]
    for read in (count_frames, lambda path, **limit: list(read_frames(path, **limit))):
        with pytest.raises(InputError, match="limit of 1 s"):
            read(path, max_seconds=1.0)


@pytest.mark.parametrize(
    ("ratio", "stored"), [(Fraction(2, 1), (48, 32)), (Fraction(64, 45), (48, 45)), (Fraction(1, 2), (24, 64))]
)
def test_pixels_become_square(tmp_path, ratio, stored):
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = stored[1] // 2 * 2, stored[0], "yuv420p"
        stream.codec_context.sample_aspect_ratio = ratio
        for index in range(3):
            picture = counting_frame(index, stored[0], stored[1] // 2 * 2)
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    info = probe_video(tmp_path / "v.mp4")
    frame = next(read_frames(tmp_path / "v.mp4"))
    assert (info.height, info.width) == frame.shape[:2] and abs(info.height - 48) <= 0 and abs(info.width - 64) <= 2
    red = (frame[..., 0] > 120) & (frame[..., 1] < 80)  # the upper left quarter
    assert red[:22, :28].mean() > 0.95 and red[26:, :].mean() < 0.05 and red[:, 36:].mean() < 0.05


def changing(path, sizes):
    """A VP8 recording whose resolution changes: the frames of each (height, width) follow each other."""
    with av.open(str(path), "w") as target:
        out, shift = None, 0
        for height, width in sizes:
            part = path.with_name(f"{width}.webm")
            write_video(part, "libvpx", 8, picture=lambda i, h=height, w=width: counting_frame(i, h, w))
            with av.open(str(part)) as source:
                out = out or target.add_stream_from_template(source.streams.video[0])
                last = 0
                for packet in source.demux(video=0):
                    if packet.pts is None:
                        continue
                    packet.pts += shift
                    packet.dts = last = packet.pts
                    packet.stream = out
                    target.mux(packet)
                shift = last + 40
    return path


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path):
    frames = list(read_frames(changing(tmp_path / "v.webm", [(96, 128), (48, 64), (96, 128)])))
    assert len(frames) == 24 and {frame.shape for frame in frames} == {(96, 128, 3)}
    assert np.abs(frames[2].astype(int) - frames[10]).mean() < 6
    tall = list(read_frames(changing(tmp_path / "t.webm", [(96, 128), (128, 96)])))[-1]  # the phone was turned
    assert tall.shape == (96, 128, 3) and tall[:, :25].max() < 20 and tall[:, 103:].max() < 20
    assert tall[10:40, 35:60, 0].mean() > 120


def two_tracks(path, default):
    """A hum, then clicks; ``default`` is the flagged one."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks = [
            container.add_stream("alac" if path.suffix == ".mov" else "aac", rate=RATE, layout="mono") for _ in "ab"
        ]
        for index, track in enumerate(tracks):
            track.disposition = av.stream.Disposition.default if index == default else av.stream.Disposition(0)
        for index in range(25):
            container.mux(video.encode(VideoFrame.from_ndarray(counting_frame(index), format="rgb24")))
        container.mux(video.encode(None))
        hum = 0.5 * np.sin(2 * np.pi * 110 * np.arange(RATE) / RATE)[None].astype(np.float32)
        for track, samples in zip(tracks, (hum, clicks([0.5], 1.0)), strict=True):
            block = AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            block.sample_rate = RATE
            resampler = av.AudioResampler(format=track.format.name, layout="mono", rate=RATE)
            for part in [*resampler.resample(block), *resampler.resample(None)]:
                container.mux(track.encode(part))
            container.mux(track.encode(None))
    return path


def test_the_default_sound_track_is_taken(tmp_path):
    assert heard(load_waveform(two_tracks(tmp_path / "second.mkv", 1)), 16_000) == pytest.approx([0.5], abs=0.02)
    assert heard(load_waveform(two_tracks(tmp_path / "first.mkv", 0)), 16_000)[0] < 0.02


def unknown_codec(path, source, which):
    """Tracks of a codec nobody knows."""
    data = source.read_bytes()
    parts = data.split(b"alac")
    assert len(parts) > 2
    half = len(parts) // 2
    names = [b"apac" if (i < half or which == "both") else b"alac" for i in range(len(parts) - 1)]
    path.write_bytes(b"".join(x + y for x, y in zip(parts, [*names, b""], strict=True)))
    return path


def test_a_track_nobody_can_decode_is_passed_over(tmp_path):
    source = two_tracks(tmp_path / "ok.mov", 0)
    path = unknown_codec(tmp_path / "apac.mov", source, "first")
    assert probe_video(path).has_audio and heard(load_waveform(path), 16_000) == pytest.approx([0.5], abs=0.02)
    with VideoWriter(tmp_path / "out.mp4", (48, 64), audio=path) as writer:
        writer.write(np.zeros((25, 48, 64, 3), np.uint8))
    assert decode_video(tmp_path / "out.mp4")[1]["audio"] == pytest.approx(1.0, abs=0.05)


def test_no_usable_track_is_silence_for_a_clip_and_an_error_for_speech(tmp_path):
    path = unknown_codec(tmp_path / "apac.mov", two_tracks(tmp_path / "ok.mov", 0), "both")
    info = probe_video(path)
    assert not info.has_audio and info.has_unusable_audio and sound_track(path) is None
    assert len(list(read_frames(path))) == 25
    with pytest.raises(InputError, match="can be decoded"):
        load_waveform(path)
