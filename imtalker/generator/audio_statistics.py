"""Statistics over a whole clip of speech in passes of bounded memory, so that segments can share them."""

from dataclasses import dataclass
from math import isfinite, sqrt

import torch
from torch import Tensor

from imtalker.errors import InputError

BLOCK = 2**18  # samples per step of a pass
VARIANCE_FLOOR = 1e-7  # of the wav2vec2 feature extractor


@dataclass(frozen=True)
class ClipStatistics:
    """Mean and standard deviation of all samples of a clip."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, samples: Tensor) -> "ClipStatistics":
        """Of ``samples (N,)``, N > 0; raises ``InputError`` when one of them is not finite."""
        mean = sum(float(block.double().sum()) for block in samples.split(BLOCK)) / samples.numel()
        if not isfinite(mean):
            raise InputError("speech has samples that are not finite; repair or re-export the recording")
        square = sum(float((block.double() - mean).square().sum()) for block in samples.split(BLOCK))
        return cls(mean, sqrt(square / samples.numel() + VARIANCE_FLOOR))


@dataclass(frozen=True)
class NormalisedWaveform:
    """A clip at zero mean and unit variance, cut or its last sample repeated to ``length`` samples."""

    samples: Tensor
    statistics: ClipStatistics
    length: int

    def slice(self, start: int, stop: int) -> Tensor:
        """Samples ``start`` to ``stop`` of the normalised clip, float32."""
        given = self.samples[min(start, self.samples.shape[0] - 1) : stop].float()
        missing = min(stop, self.length) - start - given.shape[0]
        if missing > 0:
            given = torch.cat([given, given[-1:].expand(missing)])
        return (given - self.statistics.mean) / self.statistics.deviation


def convolution_statistics(
    clip: NormalisedWaveform, kernels: Tensor, stride: int, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Mean and deviation over the whole clip of each output of a convolution without bias.

    Both follow from the mean and the covariance of the strided windows of the clip: with window w, output k.w
    has mean k.E[w] and variance k' Cov[w] k. One pass over the samples, no convolution.

    Args:
        clip: input of the convolution.
        kernels: ``(C, K)``.
        stride: samples between two outputs.
        epsilon: added to the variance, as the normalisation does.

    Returns:
        mean and deviation, ``(C,)`` float64 on the CPU.
    """
    size = kernels.shape[1]
    total = torch.zeros(size, dtype=torch.float64)
    product = torch.zeros(size, size, dtype=torch.float64)
    count = 0
    step = BLOCK - BLOCK % stride
    for start in range(0, clip.length - size + 1, step):
        block = clip.slice(start, min(start + step - stride + size, clip.length)).double()
        windows = block.unfold(0, size, stride)
        total += windows.sum(0)
        product += windows.T @ windows
        count += windows.shape[0]
    mean = total / count
    covariance = product / count - torch.outer(mean, mean)
    weight = kernels.detach().double().cpu()
    variance = ((weight @ covariance) * weight).sum(1).clamp(min=0)
    return weight @ mean, (variance + epsilon).sqrt()
