"""What the sound says about the lips: whether they are closed for m, b, p, and whether nobody speaks.

The audio encoder hears 32 bands in windows of a video frame and more; an m it takes for an n, and a closure of 40 ms
it hardly notices. This small convolutional network listens to a finer mel spectrum at 100 Hz as well.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from imtalker.config import LIP_CHANNELS, SAMPLE_RATE, SAMPLES_PER_FRAME

RATE = 4  # spectra in a video frame
WINDOW = 400  # samples of a spectrum, 25 ms
OVERHANG = (WINDOW - SAMPLES_PER_FRAME // RATE) // 2  # samples that spectra see beyond their frames on each side
WIDTH = 96
_FFT = 512
_FLOOR = 0.01  # of magnitudes of speech at unit variance


@lru_cache(maxsize=2)
def _filters(bands: int) -> Tensor:
    """(257, bands), each filter adding up to 1."""
    filters = mel_filter_bank(_FFT // 2 + 1, bands, 60.0, 7800.0, SAMPLE_RATE, norm=None, mel_scale="htk")
    return torch.from_numpy(filters / filters.sum(0).clip(1e-6)).float()


def log_mel(waveform: Tensor, bands: int) -> Tensor:
    """Log mel spectra ``(B, 4 T, bands)`` of T video frames of normalised speech ``(B, T * 640 + 2 * OVERHANG)``."""
    frames = waveform.float().unfold(-1, WINDOW, SAMPLES_PER_FRAME // RATE)
    spectrum = torch.fft.rfft(frames * torch.hann_window(WINDOW, device=waveform.device), _FFT).abs()
    return (spectrum @ _filters(bands).to(waveform.device) + _FLOOR).log() / 2


class _Residual(nn.Module):
    """``x (B, T, D)`` plus a convolution over time of its layer norm."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(F.gelu(self.conv(self.norm(x).mT)).mT)


class LipHearing(nn.Module):
    """Spectra and features of speech -> log-odds ``(B, T, 2)``: lips closed for m, b, p; nobody speaks.

    Args:
        bands: of the mel spectrum.
        feature_dim: channels of the audio encoder's features.
        dropout: while training.
    """

    def __init__(self, bands: int, feature_dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.bands = bands
        self.first = nn.Conv1d(bands, WIDTH, 5, stride=2, padding=2)
        self.fine = nn.Sequential(*(_Residual(WIDTH, 5, dropout) for _ in range(3)))
        self.halve = nn.Conv1d(WIDTH, WIDTH, 2, stride=2)
        self.features = nn.Sequential(nn.Dropout(dropout), nn.Linear(feature_dim, WIDTH))
        self.coarse = nn.Sequential(*(_Residual(WIDTH, 3, dropout) for _ in range(3)))
        self.last = nn.Linear(WIDTH, LIP_CHANNELS)

    def forward(self, waveform: Tensor, features: Tensor) -> Tensor:
        """Log-odds of the frames of ``features (B, T, C)``; for ``waveform`` see ``log_mel``."""
        mel = log_mel(waveform, self.bands).to(features.dtype)
        x = self.fine(F.gelu(self.first(mel.mT)).mT)
        return self.last(self.coarse(self.halve(x.mT).mT + self.features(features)))
