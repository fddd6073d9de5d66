"""What every encoder of speech has in common: one feature vector per video frame, of a whole clip or as a stream."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from imtalker.config import SAMPLES_PER_FRAME, AudioEncoderConfig, SpectralEncoderConfig
from imtalker.errors import InputError
from imtalker.generator.audio_statistics import ClipStatistics, NormalisedWaveform


def num_video_frames(num_samples: int) -> int:
    """Video frames that cover ``num_samples`` of speech at 16 kHz; the last one may be covered in part."""
    return -(-num_samples // SAMPLES_PER_FRAME)


class SpeechEncoder(nn.Module, ABC):
    """Speech at 16 kHz -> ``(1, T, C)`` features, C = ``config.feature_dim``, one per video frame."""

    config: AudioEncoderConfig | SpectralEncoderConfig
    shortest = SAMPLES_PER_FRAME  # samples the network needs at least

    def encode(self, waveform: Tensor | np.ndarray, num_frames: int | None = None) -> Tensor:
        """Features ``(1, T, C)`` of a whole clip in one pass.

        Args:
            waveform: mono speech at 16 kHz, ``(N,)`` or ``(1, N)``; its mean and loudness do not matter.
            num_frames: T; by default the frames that cover the clip. The waveform is cut, or its last sample
                repeated, to T * 640 samples.

        Raises:
            InputError: no samples, samples that are not finite, or a shape with several channels.
        """
        return self._features(*self._clip(waveform, num_frames))

    def encode_stream(self, waveform: Tensor | np.ndarray, num_frames: int | None = None) -> Iterator[Tensor]:
        """``encode`` in pieces ``(1, t, C)``: the cost is linear in the clip's length, the memory bounded."""
        clip, total = self._clip(waveform, num_frames)
        return self._without_gradient(clip, total)

    @torch.inference_mode()
    def _without_gradient(self, clip: NormalisedWaveform, total: int) -> Iterator[Tensor]:
        yield from self._stream(clip, total)

    @abstractmethod
    def _features(self, clip: NormalisedWaveform, total: int) -> Tensor:
        """Features ``(1, total, C)``."""

    @abstractmethod
    def _stream(self, clip: NormalisedWaveform, total: int) -> Iterator[Tensor]:
        """The same in pieces."""

    def _clip(self, waveform: Tensor | np.ndarray, num_frames: int | None) -> tuple[NormalisedWaveform, int]:
        """The normalised clip, at least as long as the network needs, and its number of frames."""
        samples = torch.as_tensor(waveform).detach().cpu()
        if samples.ndim == 2 and samples.shape[0] == 1:
            samples = samples[0]
        if samples.ndim != 1:
            raise InputError(f"speech has the shape {tuple(samples.shape)}; give mono samples (N,)")
        if samples.numel() == 0:
            raise InputError("speech has no samples; give at least 40 ms at 16 kHz")
        frames = num_video_frames(samples.numel()) if num_frames is None else num_frames
        if frames < 1:
            raise InputError(f"num_frames is {frames}; give at least 1")
        statistics = ClipStatistics.of(samples)
        length = max(frames * SAMPLES_PER_FRAME, self.shortest)
        return NormalisedWaveform(samples, statistics, length), frames

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype
