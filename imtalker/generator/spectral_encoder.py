"""Speech features from log mel spectra: a small convolutional network for the bundled preset.

Closures last 40 to 80 ms, so spectra come at 100 Hz and are halved twice; residual convolutions, dilated towards the
end, let a video frame see 1.2 s on each side, and a weighted mean of 3 s on each side tells how this voice sounds.
Nothing in it spans the whole clip but the loudness, so that a stream is exactly one pass.
"""

from collections.abc import Iterator
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from imtalker.config import LIP_CHANNELS, SAMPLE_RATE, SAMPLES_PER_FRAME, SpectralEncoderConfig
from imtalker.generator.audio_statistics import NormalisedWaveform
from imtalker.generator.speech_encoder import SpeechEncoder

SPECTRA_PER_FRAME = 4
WINDOW = 400  # samples of a spectrum, 25 ms
HOP = SAMPLES_PER_FRAME // SPECTRA_PER_FRAME
OVERHANG = (WINDOW - HOP) // 2  # samples that spectra see beyond their frames on each side
SEGMENT_FRAMES = 250  # frames a stream computes at a time (10 s)
FLOOR = 0.01  # added to magnitudes of speech at unit variance
LOWEST, HIGHEST = 60.0, 7800.0  # Hz, of the bands
_FFT = 512


@lru_cache(maxsize=2)
def _filters(bands: int) -> Tensor:
    """(257, bands), each filter adding up to 1."""
    filters = mel_filter_bank(_FFT // 2 + 1, bands, LOWEST, HIGHEST, SAMPLE_RATE, norm=None, mel_scale="htk")
    return torch.from_numpy(filters / filters.sum(0).clip(1e-6)).float()


def log_mel(waveform: Tensor, bands: int) -> Tensor:
    """Log mel magnitudes ``(B, 4 T, bands)`` of T video frames.

    ``waveform (B, T * 640 + 2 * OVERHANG)`` has zero mean and unit variance over its clip.
    """
    frames = waveform.float().unfold(-1, WINDOW, HOP)
    spectrum = torch.fft.rfft(frames * torch.hann_window(WINDOW, device=waveform.device), _FFT).abs()
    return (spectrum @ _filters(bands).to(waveform.device) + FLOOR).log()


def spectra_of_frames(clip: NormalisedWaveform, total: int, low: int, high: int, bands: int) -> Tensor:
    """Log mel spectra ``(1, 4 * (high - low), bands)`` of frames of a clip of ``total``; round it lies silence."""
    first, last = low * SAMPLES_PER_FRAME - OVERHANG, high * SAMPLES_PER_FRAME + OVERHANG
    begin, end = max(0, first), min(total * SAMPLES_PER_FRAME, last)
    return log_mel(F.pad(clip.slice(begin, end)[None], (begin - first, last - end)), bands)


class _Residual(nn.Module):
    """``x (B, T, D)`` plus a convolution over time of its layer norm."""

    def __init__(self, size: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.conv = nn.Conv1d(size, size, kernel, padding=kernel // 2 * dilation, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(F.gelu(self.conv(self.norm(x).mT)).mT)


class _Surroundings(nn.Module):
    """``x (B, T, D)`` scaled and shifted by what the seconds around each frame tell of voice, room and microphone.

    After ContextNet (Han et al. 2020, squeeze and excitation over the clip), but within a window, so that a stream is
    one pass, and weighted: a pause tells nothing of a voice.
    """

    def __init__(self, size: int, channels: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.norm = nn.LayerNorm(size)
        self.summed = nn.Linear(size, channels + 1)
        self.modulation = nn.Linear(channels, 2 * size)
        nn.init.zeros_(self.modulation.weight)  # it begins as nothing
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor) -> Tensor:
        values, weight = self.summed(self.norm(x)).float().tensor_split([-1], dim=-1)
        weight = weight.sigmoid()
        both = torch.cat([values * weight, weight], dim=-1).mT
        # Zeros round the clip count as much above as below the line.
        means = F.avg_pool1d(both, 2 * self.reach + 1, stride=1, padding=self.reach).mT
        mean = means[..., :-1] / (means[..., -1:] + 1e-6)
        scale, shift = self.modulation(F.gelu(mean.to(x))).chunk(2, dim=-1)
        return x * (1 + scale) + shift


class SpectralEncoder(SpeechEncoder):
    """Speech at 16 kHz -> ``(1, T, C)`` features, C = ``config.feature_dim``, one per video frame.

    The last ``LIP_CHANNELS`` are log-odds: lips closed for m, b, p; nobody speaks.

    Args:
        dropout: while training.
    """

    config: SpectralEncoderConfig
    mel_mean: Tensor
    mel_deviation: Tensor

    def __init__(self, config: SpectralEncoderConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        kernel, fine, size = config.kernel_size, config.fine_size, config.hidden_size
        self.register_buffer("mel_mean", torch.zeros(config.mel_bands))
        self.register_buffer("mel_deviation", torch.ones(()))
        self.first = nn.Conv1d(config.mel_bands, fine, kernel, stride=2, padding=kernel // 2)
        self.fine = nn.Sequential(*(_Residual(fine, kernel, 1, dropout) for _ in range(config.fine_layers)))
        self.halve = nn.Conv1d(fine, size, 2, stride=2)
        self.surroundings = _Surroundings(size, config.surroundings_size, config.surroundings_reach)
        self.coarse = nn.Sequential(*(_Residual(size, kernel, dilation, dropout) for dilation in config.dilations))
        self.norm = nn.LayerNorm(size)
        self.lips = nn.Linear(size, LIP_CHANNELS)

    def forward(self, mel: Tensor) -> Tensor:
        """Features ``(B, T, C)`` of ``mel (B, 4 T, bands)``, see ``log_mel``."""
        x = (mel - self.mel_mean) / self.mel_deviation
        x = self.fine(F.gelu(self.first(x.to(self.first.weight).mT)).mT)
        x = self.norm(self.coarse(self.surroundings(self.halve(x.mT).mT)))
        return torch.cat([x, self.lips(x)], dim=-1)

    @property
    def reach(self) -> int:
        """Video frames that a feature depends on, before and behind its own."""
        side = self.config.kernel_size // 2
        spectra = side + 2 * side * self.config.fine_layers + SPECTRA_PER_FRAME
        coarse = side * sum(self.config.dilations) + self.config.surroundings_reach
        return -(-spectra // SPECTRA_PER_FRAME) + coarse + 1

    def _features(self, clip: NormalisedWaveform, total: int) -> Tensor:
        return self._of_frames(clip, total, 0, total)

    def _stream(self, clip: NormalisedWaveform, total: int) -> Iterator[Tensor]:
        for start in range(0, total, SEGMENT_FRAMES):
            stop = min(start + SEGMENT_FRAMES, total)
            low, high = max(0, start - self.reach), min(total, stop + self.reach)
            yield self._of_frames(clip, total, low, high)[:, start - low : stop - low]

    def _of_frames(self, clip: NormalisedWaveform, total: int, low: int, high: int) -> Tensor:
        """Features ``(1, high - low, C)``."""
        return self(spectra_of_frames(clip, total, low, high, self.config.mel_bands).to(self.mel_mean.device))
