"""Both encoders of speech: a vector per video frame, whatever the loudness, a stream is one pass, bad input named."""

import numpy as np
import pytest
import torch
from torch import Tensor

from imtalker.config import LIP_CHANNELS, SpectralEncoderConfig
from imtalker.errors import InputError, WeightsError
from imtalker.generator.spectral_encoder import SEGMENT_FRAMES, SpectralEncoder
from imtalker.generator.speech_encoder import SpeechEncoder, num_video_frames
from imtalker.weights.audio_encoder import build_audio_encoder, load_audio_encoder
from imtalker.weights.file import save_weights
from tests.support.speech_like import SMALL_WAV2VEC2, speech

SPECTRAL = SpectralEncoderConfig(
    mel_bands=16,
    fine_size=12,
    fine_layers=2,
    hidden_size=24,
    dilations=(1, 3),
    surroundings_size=4,
    surroundings_reach=20,
)


def _spectral() -> SpectralEncoder:
    """With an influence of the surroundings, which begin without."""
    torch.manual_seed(0)
    encoder = SpectralEncoder(SPECTRAL).eval()
    torch.nn.init.normal_(encoder.surroundings.modulation.weight, std=0.3)
    return encoder


@pytest.fixture(scope="module", params=[SMALL_WAV2VEC2, SPECTRAL], ids=["wav2vec2", "spectral"])
def encoder(request: pytest.FixtureRequest) -> SpeechEncoder:
    torch.manual_seed(0)
    return build_audio_encoder(request.param).eval()


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (640, 1), (641, 2), (16000, 25), (16001, 26)])
def test_frames_cover_the_speech(encoder: SpeechEncoder, samples: int, frames: int) -> None:
    assert num_video_frames(samples) == frames
    with torch.no_grad():
        assert encoder.encode(speech(2)[:samples]).shape == (1, frames, encoder.config.feature_dim)


@torch.no_grad()
def test_loudness_and_offset_do_not_matter(encoder: SpeechEncoder) -> None:
    waveform = speech(1)
    torch.testing.assert_close(encoder.encode(3 * waveform + 0.1), encoder.encode(waveform), atol=1e-3, rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("seconds", [0.01, 0.04, 1.0, 5.03])
def test_a_short_clip_streams_as_in_one_pass(encoder: SpeechEncoder, seconds: float) -> None:
    waveform = speech(seconds)
    streamed = torch.cat(list(encoder.encode_stream(waveform)), dim=1)
    torch.testing.assert_close(streamed, encoder.encode(waveform), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_long_stream_of_spectra_is_exactly_one_pass() -> None:
    encoder = _spectral()
    waveform = speech(21.03)
    pieces = list(encoder.encode_stream(waveform))
    assert [piece.shape[1] for piece in pieces] == [SEGMENT_FRAMES, SEGMENT_FRAMES, 26]
    torch.testing.assert_close(torch.cat(pieces, dim=1), encoder.encode(waveform), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_feature_of_spectra_depends_on_nothing_beyond_its_reach() -> None:
    encoder = _spectral()
    frames, middle = 4 * encoder.reach, 2 * encoder.reach
    mel = torch.randn(1, 4 * frames, SPECTRAL.mel_bands)
    changed = mel.clone()
    changed[:, : 4 * (middle - encoder.reach)] += 1
    changed[:, 4 * (middle + encoder.reach + 1) :] += 1
    reached = mel.clone()
    reached[:, 4 * (middle - SPECTRAL.surroundings_reach) :][:, :4] += 1
    assert (encoder(reached) - encoder(mel))[0, middle].abs().amax() > 0
    difference = (encoder(changed) - encoder(mel))[0].abs().amax(-1)
    assert difference[middle] == 0
    assert difference[0] > 0 and difference[-1] > 0


@torch.no_grad()
def test_the_last_channels_are_log_odds_of_the_lips() -> None:
    torch.manual_seed(0)
    encoder = SpectralEncoder(SPECTRAL).eval()
    features = encoder.encode(speech(1))
    expected = encoder.lips(features[..., :-LIP_CHANNELS])
    torch.testing.assert_close(features[..., -LIP_CHANNELS:], expected)


@pytest.mark.parametrize(
    ("waveform", "named"),
    [
        (torch.zeros(0), "no samples"),
        (torch.zeros(2, 100), "shape"),
        (torch.tensor([0.0, float("nan")]), "not finite"),
        (np.array([0.0, np.inf], np.float32), "not finite"),
    ],
)
def test_bad_speech_is_named(encoder: SpeechEncoder, waveform: Tensor | np.ndarray, named: str) -> None:
    for encode in (encoder.encode, encoder.encode_stream):
        with pytest.raises(InputError, match=named):
            encode(waveform)


@torch.no_grad()
def test_silence_is_not_an_error(encoder: SpeechEncoder) -> None:
    silent = torch.zeros(16000)
    assert encoder.encode(silent).isfinite().all()
    assert torch.cat(list(encoder.encode_stream(silent)), dim=1).isfinite().all()


@torch.no_grad()
def test_a_file_tells_which_encoder_it_holds(encoder: SpeechEncoder, tmp_path) -> None:
    save_weights(encoder, encoder.config, tmp_path / "a.safetensors")
    loaded, config, _ = load_audio_encoder(tmp_path / "a.safetensors")
    assert type(loaded) is type(encoder) and config == encoder.config
    torch.testing.assert_close(loaded.encode(speech(0.5)), encoder.encode(speech(0.5)))
    with pytest.raises(WeightsError, match="no such file"):
        load_audio_encoder(tmp_path / "none.safetensors")
