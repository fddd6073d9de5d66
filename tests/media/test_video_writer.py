"""Finished videos: playable, exact in length, labelled, and there completely or not at all."""

import resource

import numpy as np
import pytest

from imtalker.errors import InputError, OutputError
from imtalker.media.audio import load_waveform
from imtalker.media.labels import Label
from imtalker.media.side_by_side import SideBySide, SideBySideWriter
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.recipe import read_recipe
from tests.support.sample_media import counting_frame, decode_video, encode_audio, read_count, tone, write_wav

FRAME = 1 / 25


def frames(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.stack([counting_frame(i, height, width) for i in range(count)])


def write(path, count=20, size=(48, 64), **options):
    with VideoWriter(path, size, **options) as writer:
        for start in range(0, count, 7):
            writer.write(frames(count, *size)[start : start + 7])
    return path


def test_frames_come_back(tmp_path):
    found, facts = decode_video(write(tmp_path / "v.mp4"))
    assert [read_count(frame) for frame in found] == list(range(20))
    assert (facts["codec"], facts["pix_fmt"], facts["video"]) == ("h264", "yuv420p", pytest.approx(0.8))
    assert np.abs(found[0][5:15, 5:20].astype(int) - (200, 20, 20)).mean() < 4  # colours survive


def test_same_frames_same_file(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (6, 40, 40, 3)).astype(np.uint8)
    pictures = noise.repeat(8, axis=1).repeat(8, axis=2)  # 320 pixels
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        with VideoWriter(tmp_path / name, (320, 320)) as writer:
            writer.write(pictures)
    assert len({(tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4", "c.mp4")}) == 1


def test_index_comes_first(tmp_path):
    data = write(tmp_path / "v.mp4", audio=(16_000, tone(1)[:, 0])).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("count", [1, 3, 25, 26])
def test_sound_and_pictures_end_together(tmp_path, count):
    _, facts = decode_video(write(tmp_path / "v.mp4", count, audio=(16_000, tone(2)[:, 0])))
    assert facts["video"] == pytest.approx(count * FRAME)
    assert abs(facts["audio"] - facts["video"]) < FRAME / 10


def test_sound_that_ends_early_is_followed_by_silence(tmp_path):
    path = write(tmp_path / "v.mp4", 50, audio=write_wav(tmp_path / "a.wav", tone(0.5)))
    _, facts = decode_video(path)
    assert abs(facts["audio"] - 2.0) < FRAME / 10
    sound = load_waveform(path)
    assert np.abs(sound[1000:7000]).max() > 0.4 and np.abs(sound[10_000:]).max() < 0.01


def test_sound_keeps_its_own_quality(tmp_path):
    cd = encode_audio(tmp_path / "a.flac", "flac", 1.0, 44_100, "stereo", "s16")
    _, facts = decode_video(write(tmp_path / "v.mp4", audio=cd))
    assert (facts["audio_codec"], facts["audio_rate"], facts["channels"]) == ("aac", 44_100, 2)
    surround = encode_audio(tmp_path / "b.wav", "pcm_s16le", 1.0, 96_000, "5.1", "s16")
    _, facts = decode_video(write(tmp_path / "w.mp4", audio=surround))
    assert (facts["audio_rate"], facts["channels"]) == (48_000, 2)


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), 4000.0, -1e12])
def test_sound_of_another_hour_is_refused(tmp_path, offset):
    with pytest.raises(InputError, match="the sound starts"):
        write(tmp_path / "v.mp4", 2, audio=(16_000, np.ones(1600, np.float32)), audio_offset=offset)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("offset", [0.2, -0.2])
def test_sound_can_start_later_or_earlier(tmp_path, offset):
    sound = np.concatenate([tone(0.4)[:, 0], np.zeros(6400, np.float32)])
    path = write(tmp_path / "v.mp4", 20, audio=(16_000, sound), audio_offset=offset)
    loud = np.flatnonzero(np.abs(load_waveform(path)) > 0.25) / 16_000
    assert loud[0] == pytest.approx(max(0, offset), abs=0.03)
    assert loud[-1] == pytest.approx(0.4 + offset, abs=0.03)


def test_the_file_says_that_it_is_generated(tmp_path):
    recipe = {"preset": "tiny", "seed": 3, "name": "Zoë"}
    path = write(tmp_path / "v.mp4", recipe=recipe)
    _, facts = decode_video(path)
    assert facts["metadata"]["comment"].startswith("AI-generated")
    assert read_recipe(path) == recipe
    assert read_recipe(encode_audio(tmp_path / "a.m4a", "aac")) is None


def test_nothing_is_seen_before_the_end_and_no_litter_after(tmp_path):
    path = tmp_path / "v.mp4"
    with VideoWriter(path, (48, 64)) as writer:
        writer.write(frames(3))
        assert not path.exists() and all(f.name.startswith(".") for f in tmp_path.iterdir())
    assert [f.name for f in tmp_path.iterdir()] == ["v.mp4"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_error_leaves_nothing(tmp_path, error):
    path = tmp_path / "v.mp4"
    path.write_text("older")
    with pytest.raises(error), VideoWriter(path, (48, 64)) as writer:
        writer.write(frames(3))
        raise error
    assert [f.name for f in tmp_path.iterdir()] == ["v.mp4"] and path.read_text() == "older"


def test_no_frames_leave_nothing(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", (48, 64)):
        pass
    assert not list(tmp_path.iterdir())


def test_odd_sides_lose_a_row_and_a_column(tmp_path):
    found, _ = decode_video(write(tmp_path / "v.mp4", 2, size=(49, 65)))
    assert found[0].shape == (48, 64, 3)


def test_a_full_disk_is_an_output_error(tmp_path):
    rng = np.random.default_rng(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with (
            pytest.raises(OutputError, match="cannot be written"),
            VideoWriter(tmp_path / "v.mp4", (128, 128)) as writer,
        ):
            writer.write(rng.integers(0, 255, (50, 128, 128, 3)).astype(np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["missing/v.mp4", "v.avi", ".", "a\0b.mp4"])
def test_unusable_targets(tmp_path, name):
    with pytest.raises(OutputError):
        VideoWriter(str(tmp_path) + "/" + name, (48, 64))


def test_sound_without_sound_is_an_input_error(tmp_path):
    silent_film = write(tmp_path / "v.mp4", 3)
    with pytest.raises(InputError, match="no sound"):
        VideoWriter(tmp_path / "w.mp4", (48, 64), audio=silent_film)
    assert [f.name for f in tmp_path.iterdir()] == ["v.mp4"]


def test_side_by_side_shows_input_and_result(tmp_path):
    results = frames(3)
    composer = SideBySide(("driver", "result"), (48, 64))
    shown = composer.compose([np.zeros((96, 96, 3), np.uint8), results[1]])
    assert shown.shape == (48, 128, 3) == (*composer.size, 3)
    assert (shown[20:, 64:] == results[1, 20:]).all() and (shown[30:, :64] == 0).all()
    assert (shown[:15, 64:] != results[1, :15]).any()  # the label
    with SideBySideWriter(tmp_path / "pair.mp4", composer, iter(results[:2])) as writer:
        for frame in results:
            writer.write(frame[None])
    written, _ = decode_video(tmp_path / "pair.mp4")
    assert len(written) == 3 and written[0].shape == (48, 128, 3)
    wanted = list(composer.join([results[:2], results]))  # the last picture of the shorter one is held
    assert all(np.abs(a.astype(int) - b).mean() < 6 for a, b in zip(written, wanted, strict=True))
    assert (wanted[2][30:, :64] == results[1, 30:]).all()
    large = SideBySide(("portrait", "result"), (4096, 3000))
    assert large.size[0] <= 1080 and large.size[1] <= 2 * 1920  # what still plays


def test_a_writer_takes_the_size_of_its_first_frame(tmp_path):
    with VideoWriter(tmp_path / "v.mp4") as writer:
        writer.write(frames(3))
    assert [frame.shape for frame in decode_video(tmp_path / "v.mp4")[0]] == [(48, 64, 3)] * 3


def test_label():
    frame = frames(1)[0]
    before = frame.copy()
    Label("AI-generated", 48, "lower right").stamp(frame)
    assert (frame[:20] == before[:20]).all() and (frame[-8:, -20:] != before[-8:, -20:]).any()
