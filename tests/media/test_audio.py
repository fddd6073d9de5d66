"""Speech files: every codec, rate and channel count becomes float32 mono at 16 kHz."""

import numpy as np
import pytest

from imtalker.errors import InputError
from imtalker.media.audio import load_waveform
from imtalker.media.container import sound_track
from imtalker.media.sound_blocks import SoundBlocks
from tests.support.sample_media import encode_audio, tone, write_video, write_wav

CODECS = [
    ("wav", "pcm_s16le", "s16", "stereo", 44_100),
    ("wav", "pcm_u8", "u8", "mono", 8_000),
    ("wav", "pcm_s24le", "s32", "mono", 96_000),
    ("wav", "pcm_f32le", "flt", "mono", 22_050),
    ("mp3", "libmp3lame", "fltp", "stereo", 44_100),
    ("m4a", "aac", "fltp", "5.1", 48_000),
    ("ogg", "vorbis", "fltp", "stereo", 48_000),
    ("opus", "libopus", "flt", "mono", 48_000),
    ("flac", "flac", "s16", "stereo", 48_000),
    ("webm", "libopus", "flt", "stereo", 48_000),
    ("wma", "wmav2", "fltp", "mono", 44_100),
    ("aiff", "pcm_s16be", "s16", "mono", 22_050),
]


@pytest.mark.parametrize(("suffix", "codec", "fmt", "layout", "rate"), CODECS)
def test_every_codec_gives_the_tone(tmp_path, suffix, codec, fmt, layout, rate):
    path = encode_audio(tmp_path / f"a.{suffix}", codec, 1.0, rate, layout, fmt)
    waveform = load_waveform(path)
    assert waveform.dtype == np.float32 and abs(len(waveform) - 16_000) <= 1600  # codecs pad their last block
    spectrum = np.abs(np.fft.rfft(waveform[2000:14_000]))
    assert abs(np.argmax(spectrum) * 16_000 / 12_000 - 220) < 3
    assert np.abs(waveform).max() <= 1.0


def test_sound_track_of_a_video(tmp_path):
    waveform = load_waveform(write_video(tmp_path / "v.mp4", sound=True))
    assert abs(len(waveform) - 16_000) < 1600 and np.abs(waveform).max() > 0.3


def test_16_khz_mono_is_taken_as_it_is(tmp_path):
    samples = tone(0.5)
    waveform = load_waveform(write_wav(tmp_path / "a.wav", samples))
    assert len(waveform) == 8000
    assert np.abs(waveform - samples[:, 0]).max() < 1e-4
    assert (load_waveform(samples[:, 0]) == samples[:, 0]).all()


def test_channels_are_mixed_and_5_1_does_not_exceed_one(tmp_path):
    loud = np.clip(tone(0.5, 48_000, 6) * 2, -1, 1)
    waveform = load_waveform(write_wav(tmp_path / "a.wav", loud, 48_000))
    assert np.abs(waveform).max() <= 1.0


@pytest.mark.parametrize("channels", [3, 7, 9, 20, 33])
def test_channels_that_no_layout_names_are_mixed(tmp_path, channels):
    """Ambisonic microphones and mixing desks: FFmpeg mixes the channels it has names for, and no others."""
    path = write_wav(tmp_path / "a.wav", tone(0.5, 48_000, channels), 48_000)
    waveform = load_waveform(path)
    assert np.abs(waveform[1000:7000] - tone(0.5)[1000:7000, 0] * (np.abs(waveform).max() / 0.5)).max() < 0.02
    with SoundBlocks(path, 0.0) as sound:
        blocks = np.concatenate([block.to_ndarray() for block in sound.blocks(24_000)], axis=1)
    assert abs(np.abs(blocks[:, 2000:20_000]).max() - np.abs(waveform).max()) < 0.02


@pytest.mark.parametrize("rate", [1, 999, 768_001, 268_451_456, 2**31 - 1])
def test_an_impossible_rate_is_a_sound_that_cannot_be_decoded(tmp_path, rate):
    path = write_wav(tmp_path / "a.wav", tone(0.5))
    data = bytearray(path.read_bytes())
    data[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(data)
    assert sound_track(path) is None
    with pytest.raises(InputError, match="can be decoded; convert it to WAV"):
        load_waveform(path)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_arrays_with_a_rate(dtype):
    samples = tone(0.5, 44_100, 2)
    if np.issubdtype(dtype, np.integer):
        samples = samples * np.iinfo(dtype).max
    waveform = load_waveform((44_100, samples.astype(dtype)))
    assert abs(len(waveform) - 8000) <= 2
    assert abs(np.abs(waveform[1000:7000]).max() - 0.5) < 0.02


def test_unsigned_bytes_are_centred():
    samples = np.rint(tone(0.5)[:, 0] * 127 + 128).astype(np.uint8)
    assert abs(load_waveform((16_000, samples)).mean()) < 0.01
