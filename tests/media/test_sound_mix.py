"""Two sounds at once: the sum, at any rates and channels, each silent after its end."""

import numpy as np
import pytest

from imtalker.media.audio import load_waveform
from imtalker.media.sound_blocks import SoundBlocks, SoundMix
from tests.support.sample_media import encode_audio, tone, write_wav


def samples(track, seconds: float) -> np.ndarray:
    with SoundBlocks(track, 0.0) as source:
        parts = [block.to_ndarray() for block in source.blocks(round(seconds * source.rate))]
        return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_the_sum_of_both_with_the_level(tmp_path, rate):
    under = write_wav(tmp_path / "u.wav", tone(1.0, rate, hertz=330.0), rate)
    main = (48_000, tone(1.0, 48_000)[:, 0])
    mixed = samples(SoundMix(main, under, 0.5), 0.9)
    times = np.arange(mixed.shape[1]) / 48_000
    wanted = 0.5 * np.sin(2 * np.pi * 220 * times) + 0.25 * np.sin(2 * np.pi * 330 * times)
    assert np.abs(mixed[0] - wanted)[2000:-2000].max() < 0.02


def test_each_is_silent_after_its_end_and_before_its_start(tmp_path):
    under = write_wav(tmp_path / "u.wav", tone(0.5))
    mixed = samples(SoundMix((16_000, tone(1.0)[:, 0]), under, 1.0, offset=0.25), 1.5)[0]
    level = [np.abs(mixed[int(t * 48_000) : int((t + 0.1) * 48_000)]).max() for t in (0.1, 0.5, 0.85, 1.3)]
    assert level[0] == pytest.approx(0.5, abs=0.05) and level[1] > 0.8
    assert level[2] == pytest.approx(0.5, abs=0.05) and level[3] < 0.01


def test_stereo_stays_stereo(tmp_path):
    under = encode_audio(tmp_path / "u.m4a", "aac", layout="stereo")
    assert samples(SoundMix((16_000, tone(0.5)[:, 0]), under, 1.0), 0.4).shape[0] == 2
    assert np.isfinite(load_waveform(under)).all()
