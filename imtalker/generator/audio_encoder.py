"""Speech features at the video frame rate: the sub-modules of a stock wav2vec2, run at 25 frames per second.

The convolutional features (about 50 Hz) are interpolated to one per video frame before the transformer, so
the transformer runs at 25 Hz; the official weights of the motion generator depend on that.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.config import AudioEncoderConfig
from imtalker.generator.audio_statistics import NormalisedWaveform, convolution_statistics
from imtalker.generator.speech_encoder import SpeechEncoder

SEGMENT_FRAMES = 500  # frames the transformer yields at a time in a long clip (20 s)
MARGIN_FRAMES = 125  # frames it sees beyond them on each side (5 s), twice the reach of its positions
PIECE_FRAMES = 50  # frames the convolutions compute at a time


class AudioEncoder(SpeechEncoder):
    """A stock wav2vec2: speech at 16 kHz -> ``(1, T, C)`` features, C = ``config.feature_dim``, one per video frame.

    One pass costs time and memory that grow with T squared. In a stream the convolutions and every normalisation see
    the whole clip, as in one pass. The transformer attends within ``SEGMENT_FRAMES`` and ``MARGIN_FRAMES`` on each
    side; clips up to their sum come out as in one pass up to rounding, in longer ones only attention to frames further
    away is missing.
    """

    config: AudioEncoderConfig

    def __init__(self, config: AudioEncoderConfig) -> None:
        from transformers import Wav2Vec2Config, Wav2Vec2Model  # seconds to import, and only this encoder needs it

        super().__init__()
        self.config = config
        # No dropout: the network only maps tensors.
        self.wav2vec2 = Wav2Vec2Model(
            Wav2Vec2Config(
                **asdict(config),
                hidden_dropout=0.0,
                activation_dropout=0.0,
                attention_dropout=0.0,
                feat_proj_dropout=0.0,
                layerdrop=0.0,
            )
        )
        self.shortest = self._hop_and_reach()[1]

    def forward(self, waveform: Tensor, num_frames: int) -> Tensor:
        """Features ``(B, num_frames, C)`` of ``waveform (B, num_frames * 640)``, normalised and padded."""
        x = self.wav2vec2.feature_extractor(waveform)
        x = F.interpolate(x, size=num_frames, mode="linear", align_corners=True)
        return self._contextualise(x.transpose(1, 2))

    def _features(self, clip: NormalisedWaveform, total: int) -> Tensor:
        samples = clip.slice(0, clip.length).to(self._device, self._dtype)
        return self(samples[None], total)

    def _stream(self, clip: NormalisedWaveform, total: int) -> Iterator[Tensor]:
        return self._segments(clip, total, SEGMENT_FRAMES, MARGIN_FRAMES)

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
            yield self._contextualise(buffer[:, : high - low])[:, start - low : stop - low]
            start = stop

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
