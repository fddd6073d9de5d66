"""Speech features at the video frame rate: the sub-modules of a stock wav2vec2, run at 25 frames per second.

The convolutional features (about 50 Hz) are interpolated to one per video frame before the transformer, so
the transformer runs at 25 Hz; the official weights of the motion generator depend on that.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from imtalker.config import SAMPLES_PER_FRAME, AudioEncoderConfig
from imtalker.errors import InputError
from imtalker.generator.audio_statistics import ClipStatistics, NormalisedWaveform, convolution_statistics
from imtalker.generator.lip_hearing import OVERHANG, LipHearing

SEGMENT_FRAMES = 500  # frames the transformer yields at a time in a long clip (20 s)
MARGIN_FRAMES = 125  # frames it sees beyond them on each side (5 s), twice the reach of its positions
PIECE_FRAMES = 50  # frames the convolutions compute at a time


def num_video_frames(num_samples: int) -> int:
    """Video frames that cover ``num_samples`` of speech at 16 kHz; the last one may be covered in part."""
    return -(-num_samples // SAMPLES_PER_FRAME)


class AudioEncoder(nn.Module):
    """Speech at 16 kHz -> ``(1, T, C)`` features, C = ``config.feature_dim``, one per video frame."""

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        self.config = config
        # No dropout: the network only maps tensors, in training too.
        self.wav2vec2 = Wav2Vec2Model(
            Wav2Vec2Config(
                **{name: value for name, value in asdict(config).items() if name != "lip_bands"},
                hidden_dropout=0.0,
                activation_dropout=0.0,
                attention_dropout=0.0,
                feat_proj_dropout=0.0,
                layerdrop=0.0,
            )
        )
        self.lips = LipHearing(config.lip_bands, config.hidden_size) if config.lip_bands else None

    def forward(self, waveform: Tensor, num_frames: int) -> Tensor:
        """Features ``(B, num_frames, C)`` of ``waveform (B, num_frames * 640)``, normalised and padded."""
        features = self.contextual(waveform, num_frames)
        if self.lips is None:
            return features
        return torch.cat([features, self.hear_lips(self.lips, waveform, features)], dim=-1)

    def contextual(self, waveform: Tensor, num_frames: int) -> Tensor:
        """As ``forward``, the last hidden states alone ``(B, num_frames, hidden_size)``."""
        x = self.wav2vec2.feature_extractor(waveform)
        x = F.interpolate(x, size=num_frames, mode="linear", align_corners=True)
        return self._contextualise(x.transpose(1, 2))

    @staticmethod
    def hear_lips(lips: LipHearing, waveform: Tensor, features: Tensor) -> Tensor:
        """Log-odds ``(B, T, 2)`` for the whole ``waveform (B, N)``, N at least T * 640; silence lies round it."""
        samples = waveform[:, : features.shape[1] * SAMPLES_PER_FRAME]
        return lips(F.pad(samples, (OVERHANG, OVERHANG)), features)

    def encode(self, waveform: Tensor | np.ndarray, num_frames: int | None = None) -> Tensor:
        """Features ``(1, T, C)`` of a whole clip in one pass; cost and memory grow with T squared.

        Args:
            waveform: mono speech at 16 kHz, ``(N,)`` or ``(1, N)``; its mean and loudness do not matter.
            num_frames: T; by default the frames that cover the clip. The waveform is cut, or its last sample
                repeated, to T * 640 samples.

        Raises:
            InputError: no samples, samples that are not finite, or a shape with several channels.
        """
        clip, total = self._clip(waveform, num_frames)
        samples = clip.slice(0, clip.length).to(self._device, self._dtype)
        return self(samples[None], total)

    def encode_stream(
        self,
        waveform: Tensor | np.ndarray,
        num_frames: int | None = None,
        segment_frames: int = SEGMENT_FRAMES,
        margin_frames: int = MARGIN_FRAMES,
    ) -> Iterator[Tensor]:
        """``encode`` in pieces ``(1, t, C)``: the cost is linear in the clip's length, the memory bounded.

        The convolutions and every normalisation see the whole clip, as in one pass. The transformer attends
        within ``segment_frames`` and ``margin_frames`` on each side; clips up to their sum come out as in one
        pass up to rounding, in longer ones only attention to frames further away is missing.

        Measured on 90 and 104 s of speech: the mean difference from one pass is 0.1 % of the features' standard
        deviation for a random network and 8 % for the bundled one, a tenth of what cutting the clip into its
        sentences and encoding each by itself changes.
        """
        clip, total = self._clip(waveform, num_frames)
        if segment_frames < 1 or margin_frames < 0:
            raise InputError(
                f"segments of {segment_frames} frames with margins of {margin_frames} are impossible; "
                "give at least 1 and 0"
            )
        return self._segments(clip, total, segment_frames, margin_frames)

    @torch.inference_mode()
    def _segments(self, clip: NormalisedWaveform, total: int, segment: int, margin: int) -> Iterator[Tensor]:
        pieces = self._convolved(clip, total)
        buffer = next(pieces)  # frames from `first` on
        first = start = 0
        while start < total:
            # A rest shorter than the margin has been computed already: it joins this segment.
            stop = total if total - start <= segment + margin else start + segment
            low, high = max(0, start - margin), min(total, stop + margin)
            while first + buffer.shape[1] < high:
                buffer = torch.cat([buffer, next(pieces)], dim=1)
            buffer, first = buffer[:, low - first :], low
            features = self._contextualise(buffer[:, : high - low])
            if self.lips is not None:
                heard = self._lips_of_segment(self.lips, clip, total, features, low)
                features = torch.cat([features, heard], dim=-1)
            yield features[:, start - low : stop - low]
            start = stop

    def _lips_of_segment(
        self, lips: LipHearing, clip: NormalisedWaveform, total: int, features: Tensor, low: int
    ) -> Tensor:
        """Log-odds ``(1, t, 2)`` of frames from ``low`` on; those near an end inside the clip lack what lies beyond."""
        first, last = low * SAMPLES_PER_FRAME - OVERHANG, (low + features.shape[1]) * SAMPLES_PER_FRAME + OVERHANG
        begin, end = max(0, first), min(total * SAMPLES_PER_FRAME, last)
        samples = clip.slice(begin, end).to(features)
        return lips(F.pad(samples[None], (begin - first, last - end)), features)

    def _convolved(self, clip: NormalisedWaveform, total: int) -> Iterator[Tensor]:
        """Convolutional features at the frame rate, ``(1, t, conv_dim)`` for every 50 frames or fewer."""
        hop, reach = self._hop_and_reach()
        available = (clip.length - reach) // hop + 1
        step = (available - 1) / (total - 1) if total > 1 else 0.0
        mean, deviation = (v.to(self._device, self._dtype) for v in self._first_layer_statistics(clip))
        for start in range(0, total, PIECE_FRAMES):
            position = torch.arange(start, min(start + PIECE_FRAMES, total), dtype=torch.float64) * step
            lower = position.floor().long().clamp(max=available - 1)
            upper = (lower + 1).clamp(max=available - 1)
            low, high = int(lower[0]), int(upper[-1])
            samples = clip.slice(low * hop, high * hop + reach).to(self._device, self._dtype)
            x = self._convolve(samples[None, None], mean, deviation).transpose(1, 2)
            weight = (position - lower).to(x)[:, None]
            yield torch.lerp(x[:, lower - low], x[:, upper - low], weight)

    def _convolve(self, x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """The convolutional stack with the first layer's normalisation given: it spans the whole clip."""
        layers: Any = self.wav2vec2.feature_extractor.conv_layers
        first, norm = layers[0], layers[0].layer_norm
        scale = norm.weight / deviation
        x = first.activation(first.conv(x) * scale[:, None] + (norm.bias - mean * scale)[:, None])
        for layer in layers[1:]:
            x = layer(x)
        return x

    def _first_layer_statistics(self, clip: NormalisedWaveform) -> tuple[Tensor, Tensor]:
        layers: Any = self.wav2vec2.feature_extractor.conv_layers
        kernels, epsilon = layers[0].conv.weight[:, 0], layers[0].layer_norm.eps
        return convolution_statistics(clip, kernels, self.config.conv_stride[0], epsilon)

    def _contextualise(self, x: Tensor) -> Tensor:
        x, _ = self.wav2vec2.feature_projection(x)
        return self.wav2vec2.encoder(x).last_hidden_state

    def _hop_and_reach(self) -> tuple[int, int]:
        """Samples between two convolutional features, and samples one of them sees."""
        hop = reach = 1
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            reach += (kernel - 1) * hop
            hop *= stride
        return hop, reach

    def _clip(self, waveform: Tensor | np.ndarray, num_frames: int | None) -> tuple[NormalisedWaveform, int]:
        """The normalised clip, at least as long as the convolutions reach, and its number of frames."""
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
        length = max(frames * SAMPLES_PER_FRAME, self._hop_and_reach()[1])
        return NormalisedWaveform(samples, statistics, length), frames

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype
