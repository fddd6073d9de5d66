"""Speech features: one pass is the stock network, segments say the same, statistics are the whole clip's."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.generator.audio_statistics import BLOCK, ClipStatistics, NormalisedWaveform, convolution_statistics
from tests.support.speech_like import SMALL_WAV2VEC2, speech

# convolutions that reach beyond a video frame and whose rate is not exactly twice the video's
WIDE = replace(SMALL_WAV2VEC2, conv_dim=(16, 16), conv_kernel=(320, 4), conv_stride=(160, 2))


@pytest.fixture(scope="module", params=[SMALL_WAV2VEC2, WIDE], ids=["wav2vec2", "wide"])
def encoder(request: pytest.FixtureRequest) -> AudioEncoder:
    torch.manual_seed(0)
    return AudioEncoder(request.param).eval()


@torch.no_grad()
def test_one_pass_is_the_stock_network_at_the_video_rate(encoder: AudioEncoder) -> None:
    waveform = speech(1.01)
    normal = (waveform - waveform.mean()) / (waveform.var(correction=0) + 1e-7).sqrt()
    padded = torch.cat([normal, normal[-1:].expand(26 * 640 - len(normal))])[None]
    features = encoder.wav2vec2.feature_extractor(padded)
    features = F.interpolate(features, 26, mode="linear", align_corners=True).transpose(1, 2)
    expected = encoder.wav2vec2.encoder(encoder.wav2vec2.feature_projection(features)[0]).last_hidden_state
    torch.testing.assert_close(encoder.encode(waveform), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_convolutions_of_a_stream_are_those_of_one_pass(encoder: AudioEncoder) -> None:
    waveform = speech(20.02)
    clip, total = encoder._clip(waveform, None)
    pieces = torch.cat(list(encoder._convolved(clip, total)), dim=1)
    whole = encoder.wav2vec2.feature_extractor(clip.slice(0, clip.length)[None])
    whole = F.interpolate(whole, pieces.shape[1], mode="linear", align_corners=True).transpose(1, 2)
    assert (pieces - whole).abs().max() < 1e-3  # interpolation rounds its positions to single precision


@torch.no_grad()
def test_segments_of_a_long_clip_agree_with_one_pass(encoder: AudioEncoder) -> None:
    waveform = speech(40)
    whole = encoder.encode(waveform)
    pieces = list(encoder._segments(*encoder._clip(waveform, None), segment=250, margin=125))
    assert [piece.shape[1] for piece in pieces] == [250, 250, 250, 250]
    streamed = torch.cat(pieces, dim=1)
    # Only attention beyond the margins is missing; a random network spreads its attention over the whole clip.
    assert (streamed - whole).abs().mean() < 0.02 * whole.std()


@torch.no_grad()
def test_a_stream_reads_as_it_goes(encoder: AudioEncoder) -> None:
    waveform = speech(40)
    lengths = []
    handle = encoder.wav2vec2.feature_extractor.conv_layers[0].conv.register_forward_pre_hook(
        lambda _, args: lengths.append(args[0].shape[-1])
    )
    try:
        next(encoder._segments(*encoder._clip(waveform, None), segment=100, margin=50))
    finally:
        handle.remove()
    assert sum(lengths) < 0.3 * len(waveform) and max(lengths) < 3 * 16000


def test_statistics_in_blocks_are_those_of_the_whole() -> None:
    samples = speech(20, seed=3)
    assert len(samples) > BLOCK
    statistics = ClipStatistics.of(samples)
    assert statistics.mean == pytest.approx(float(samples.double().mean()), rel=1e-9)
    assert statistics.deviation == pytest.approx(float((samples.double().var(correction=0) + 1e-7).sqrt()), rel=1e-9)
    clip = NormalisedWaveform(samples, statistics, 512 * 640)
    kernels = torch.randn(4, 10, generator=torch.Generator().manual_seed(1))
    mean, deviation = convolution_statistics(clip, kernels, 5, 1e-5)
    outputs = F.conv1d(clip.slice(0, clip.length)[None, None].double(), kernels[:, None].double(), stride=5)[0]
    torch.testing.assert_close(mean, outputs.mean(1))
    torch.testing.assert_close(deviation, (outputs.var(1, correction=0) + 1e-5).sqrt())
