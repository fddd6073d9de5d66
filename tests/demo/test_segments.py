"""Pieces that play while the rest is drawn: together they are the whole, in the same colours."""

import shutil

import av
import numpy as np

from imtalker.demo.runs.segments import Segments, can_stream
from imtalker.media.audio import load_waveform
from imtalker.media.video import read_frames
from imtalker.media.video_writer import VideoWriter


def test_pieces_join_to_the_whole_and_none_is_too_short(tmp_path):
    waveform = np.sin(np.arange(16_000 * 5) / 9).astype(np.float32) * 0.5
    segments = Segments(tmp_path, waveform, total=120)
    frames = np.random.default_rng(0).integers(0, 255, (120, 32, 32, 3), dtype=np.uint8)
    paths = [path for start in range(0, 120, 7) for path in segments.add(frames[start : start + 7])]
    paths += segments.finish()
    counts = [len(list(read_frames(path))) for path in paths]
    assert sum(counts) == 120 and min(counts) >= 50
    heard = np.concatenate([load_waveform(path) for path in paths])
    assert len(heard) == 120 * 640 and np.abs(heard - waveform[: len(heard)]).max() < 1e-3


def test_pieces_have_the_colours_of_the_finished_video(tmp_path):
    patches = np.array([[200, 40, 40], [40, 180, 60], [40, 60, 200], [224, 180, 150]], np.uint8)
    frames = np.broadcast_to(np.repeat(patches, 16, 0)[None, None], (10, 64, 64, 3))
    segments = Segments(tmp_path / "pieces", None, total=10)
    pieces = segments.add(frames) + segments.finish()
    with VideoWriter(tmp_path / "final.mp4", (64, 64)) as writer:
        writer.write(frames)
    tags = []
    for path in (pieces[0], tmp_path / "final.mp4"):
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            tags.append((context.colorspace, context.color_primaries, context.color_trc, context.color_range))
            shown = next(container.decode(video=0)).to_ndarray(format="rgb24")[32, 8::16].astype(int)
        assert np.abs(shown - patches).max() <= 4  # by the tags, as a browser decodes
    assert tags[0] == tags[1] == (1, 1, 1, 1)


def test_a_missing_ffmpeg_is_said_once_and_only_costs_the_live_view(monkeypatch, caplog):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    can_stream.cache_clear()
    try:
        assert not can_stream() and not can_stream()
        assert [record.message for record in caplog.records if "ffmpeg" in record.message] == caplog.messages
        assert len(caplog.messages) == 1
    finally:
        can_stream.cache_clear()


def test_gradio_still_has_what_is_adjusted_in_it():
    """A name that is set but no longer read would change nothing, without a word."""
    import gradio.audio_stream_encoder as encoder

    source = open(encoder.__file__, encoding="utf-8").read()
    assert encoder.STEADY_WAIT == 0.1 and source.count("STEADY_WAIT") >= 2
