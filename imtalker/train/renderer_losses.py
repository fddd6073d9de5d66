"""Losses of the renderer (paper section 3.2.4, eq. 8-9) and the terms that exact correspondence makes possible."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.renderer.motion_transfer import resample_coordinates
from imtalker.renderer.picture_losses import weighted_l1
from imtalker.renderer.teeth import TEXTURE_CM


def pool_correspondence(coordinates: Tensor, valid: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Exact source coordinates ``(B, n, n, 2)`` and their validity ``(B, n, n)`` at a coarser ``size``.

    A coarse cell is valid where at least half of it is; its coordinate is the mean over the valid part.
    """
    ratio = coordinates.shape[1] // size
    weight = valid.float()[:, None]
    share = F.avg_pool2d(weight, ratio)
    mean = F.avg_pool2d(coordinates.permute(0, 3, 1, 2) * weight, ratio) / share.clamp(min=1e-6)
    return mean.permute(0, 2, 3, 1), (share[:, 0] >= 0.5).float()


def attention_loss(weights: Tensor, coordinates: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Negative log of the attention that falls on the true source position.

    ``weights (B, N, N)`` attention of N = n*n cells; ``coordinates (B, n, n, 2)`` in [-1, 1]; the true position's
    mass is the bilinear mean of the four cells round it. ``valid, weight (B, n, n)``.
    """
    n = coordinates.shape[1]
    position = ((coordinates.reshape(len(weights), -1, 2) + 1) * n / 2 - 0.5).clamp(0, n - 1)
    low = position.floor().clamp(max=n - 2)
    x, y = (position - low).unbind(-1)
    column, row = low.long().unbind(-1)
    corner = row * n + column
    index = torch.stack([corner, corner + 1, corner + n, corner + n + 1], dim=-1)
    share = torch.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], dim=-1)
    mass = (weights.gather(2, index) * share).sum(-1)
    w = (valid * weight).flatten(1)
    return -(torch.log(mass + 1e-5) * w).sum() / w.sum().clamp(min=1.0)


def coordinate_loss(found: Tensor, coordinates: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean distance ``|dx| + |dy|`` between found and true source positions, in cells of a 32-cell grid."""
    distance = (found - coordinates).abs().sum(-1) * 16
    w = valid * weight
    return (distance * w).sum() / w.sum().clamp(min=1.0)


def region_weights(boxes: Tensor, values: tuple[float, ...], size: int) -> Tensor:
    """Map ``(B, 1, size, size)``, 1 outside the boxes, ``values[i]`` inside box i (later boxes lie on top).

    ``boxes (B, R, 4)`` x0, y0, x1, y1 in pixels of the same size.
    """
    c = torch.arange(size, device=boxes.device) + 0.5
    inside_x = (c >= boxes[..., 0:1]) & (c < boxes[..., 2:3])
    inside_y = (c >= boxes[..., 1:2]) & (c < boxes[..., 3:4])
    inside = inside_y[..., :, None] & inside_x[..., None, :]
    weights = torch.ones(len(boxes), size, size, device=boxes.device)
    for i, value in enumerate(values):
        weights = torch.where(inside[:, i], value, weights)
    return weights[:, None]


def region_loss(logits: Tensor, shares: Tensor, weight: Tensor) -> Tensor:
    """Weighted binary cross-entropy of ``logits (B, R, n, n)`` against ``shares (B, R, m, m)``, 0..255."""
    wanted, size = shares.float() / 255, logits.shape[-1]
    if size <= shares.shape[-1]:
        wanted = F.adaptive_avg_pool2d(wanted, size)
    else:
        wanted = F.interpolate(wanted, size=size, mode="bilinear", align_corners=False)
    w = F.adaptive_avg_pool2d(weight, logits.shape[-1])
    terms = F.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none")
    return (terms * w).mean() / w.mean()


def gaze_loss(found: Tensor, gaze: Tensor, eyes: Tensor) -> Tensor:
    """L1 of the gaze ``found (B, 2, n, n)`` against ``gaze (B, 2)`` where ``eyes (B, m, m)``, 0..255, are open."""
    share = F.adaptive_avg_pool2d(eyes.float()[:, None] / 255, found.shape[-1])
    error = (found.float() - gaze[:, :, None, None]).abs()
    return (error * share).sum() / share.sum().clamp(min=1.0)


def crop_boxes(pictures: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Squares round boxes: ``(B, C, S, S)``, ``boxes (B, R, 4)`` in pixels -> ``(B*R, C, size, size)``, linearly."""
    b, r = boxes.shape[:2]
    low, high = boxes[..., :2], boxes[..., 2:]
    middle = (low + high).flatten(0, 1) / pictures.shape[-1] - 1
    side = (high - low).amax(-1).flatten() / pictures.shape[-1]
    theta = torch.zeros(b * r, 2, 3, device=pictures.device)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = side, side, middle
    grid = F.affine_grid(theta, [b * r, pictures.shape[1], size, size], align_corners=False)
    return F.grid_sample(pictures.float().repeat_interleave(r, 0), grid, padding_mode="border", align_corners=False)


def placement_loss(found: Tensor, wanted: Tensor, mouth: Tensor, size: int) -> Tensor:
    """Mean distance ``|dx| + |dy|`` in cm between the places that two sets of affine maps ``(B, 2, 2, 3)`` from the
    screen to the teeth give the corners of the boxes ``mouth (B, 4)``, pixels of a picture of side ``size``."""
    x0, y0, x1, y1 = (2 * mouth / size - 1).unbind(-1)
    corners = torch.stack([torch.stack([x, y, torch.ones_like(x)], -1) for x in (x0, x1) for y in (y0, y1)], 1)
    difference = torch.einsum("brij,bpj->brpi", found - wanted, corners)
    return (difference * difference.new_tensor(TEXTURE_CM[::-1]) / 2).abs().sum(-1).mean()


def interior_loss(found: Tensor, wanted: Tensor, opening: Tensor) -> Tensor:
    """L1 of pixels and of their gradients within the mouth ``opening (B, m, m)``, 0..255, divided by its area.

    Teeth and tongue are a two-hundredth of the picture, and what most of a source picture cannot show: as a share of
    all pixels they stay a grey smear for hours.
    """
    share = F.interpolate(opening.float()[:, None] / 255, size=wanted.shape[-1], mode="bilinear", align_corners=False)
    area = share.sum().clamp(min=1.0) * wanted.shape[1]
    difference = found.float() - wanted
    across, down = difference.diff(dim=3).abs() * share[..., 1:], difference.diff(dim=2).abs() * share[..., 1:, :]
    return ((difference.abs() * share).sum() + 2 * (across.sum() + down.sum())) / area


def warp_loss(guide: Tensor, source: Tensor, target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """L1 of the source resampled at the coarse guide against the target, at the guide's own resolution."""
    size = guide.shape[1] * 2
    small_source, small_target = (F.adaptive_avg_pool2d(t, size) for t in (source, target))
    coordinates = F.interpolate(guide.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=False)
    warped = resample_coordinates(small_source, coordinates.permute(0, 2, 3, 1))
    w = F.adaptive_avg_pool2d(weight * valid, size)
    return weighted_l1(warped, small_target, w)


def distance_consistency_loss(motion: Tensor, adapted_same: Tensor, adapted_other: Tensor) -> Tensor:
    """Adapting a motion to its own and to another identity must move it equally far (paper eq. 8).

    ``motion (B, d)``; adapted latents ``(B, >= d)``, of which the first d numbers are compared.
    """
    d = motion.shape[1]
    same = (motion - adapted_same[:, :d]).norm(dim=1)
    other = (motion - adapted_other[:, :d]).norm(dim=1)
    return (same - other).abs().mean()


def adversarial_terms(discriminator: nn.Module, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
    """What a discriminator says of results, and how far its features of them are from those of the truth."""
    logits, found = discriminator(fake)
    with torch.no_grad():
        _, wanted = discriminator(real)
    return {"adversarial": generator_loss(logits), "features": feature_matching_loss(wanted, found)}


def weighted_sum(weights: object, terms: Mapping[str, Tensor]) -> Tensor:
    """Sum of terms, each times the attribute of its name."""
    return torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum()


def discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Non-saturating GAN loss of the discriminator over the logits of all scales (paper eq. 9)."""
    terms = [F.softplus(-r).mean() + F.softplus(f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def generator_loss(fake: list[Tensor]) -> Tensor:
    """Non-saturating GAN loss of the renderer."""
    return torch.stack([F.softplus(-f).mean() for f in fake]).mean()


def feature_matching_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """L1 between discriminator features of the truth and of the result: the perceptual term where no pretrained
    network is at hand."""
    return torch.stack([F.l1_loss(f, r.detach()) for r, f in zip(real, fake, strict=True)]).mean()
