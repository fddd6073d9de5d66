"""How far pictures are apart, for training and for adapting to one video."""

from torch import Tensor
from torch.nn import functional as F


def weighted_l1(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``|found - wanted| * weight`` over ``(B, C, H, W)``, divided by the mean weight."""
    return ((found - wanted).abs() * weight).mean() / weight.mean().clamp(min=1e-6)


def gradient_loss(found: Tensor, wanted: Tensor, weight: Tensor, scales: int = 3) -> Tensor:
    """L1 between image gradients at several scales: edges must be as sharp and where they should be."""
    total = found.new_zeros(())
    for scale in range(scales):
        if scale:
            found, wanted, weight = (F.avg_pool2d(t, 2) for t in (found, wanted, weight))
        difference = found - wanted
        total = total + ((difference[..., 1:] - difference[..., :-1]).abs() * weight[..., 1:]).mean()
        total = total + ((difference[..., 1:, :] - difference[..., :-1, :]).abs() * weight[..., 1:, :]).mean()
    return total / weight.mean().clamp(min=1e-6)
