"""What one training step of the renderer computes, as modules and pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from imtalker.renderer import Renderer, SourceFeatures
from imtalker.train import renderer_losses as losses

# weights of the mouth, both eyes and the face against the rest of the picture (boxes in this order)
REGION_WEIGHTS = (6.0, 5.0, 5.0, 2.0)
REGION_ORDER = (3, 0, 1, 2)  # painted in this order: the face first, mouth and eyes on top


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; 0 leaves a term out."""

    attention: float = 0.2  # mass of the attention at the true source cell
    coordinate: float = 0.5  # distance of every guide to the true position, cells of a 32-cell grid
    warp: float = 1.0  # resampled source pixels against the target
    pixel: float = 2.0  # frame against the target
    gradient: float = 4.0  # image gradients at three scales
    adversarial: float = 0.05
    features: float = 1.0  # discriminator feature matching
    distance: float = 0.05  # motion distance consistency, paper eq. 6


def repeat_source(source: SourceFeatures, times: int) -> SourceFeatures:
    """Every portrait's state ``times`` times in a row, for several targets per portrait."""

    def rep(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(rep(v) for v in value)
        return value.repeat_interleave(times, 0) if isinstance(value, Tensor) else value

    names = ("identity", "motion", "keys", "values", "fine", "image")
    return replace(source, **{name: rep(getattr(source, name)) for name in names})


def as_images(pixels: Tensor) -> Tensor:
    """uint8 ``(..., H, W, 3)`` -> float ``(N, 3, H, W)`` in [0, 1], channels last in memory."""
    x = pixels.reshape(-1, *pixels.shape[-3:]).permute(0, 3, 1, 2).float() / 255
    return x.contiguous(memory_format=torch.channels_last)


class RendererTrainee(nn.Module):
    """The renderer with the forward pass of training: B portraits, K targets each."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__()
        self.renderer = renderer

    def forward(
        self, source: Tensor, source_motion: Tensor, target_motion: Tensor, draw: bool = True
    ) -> dict[str, Any]:
        """``source (B, 3, S, S)``, ``source_motion (B, d)``, ``target_motion (B*K, d)`` -> what the losses need.

        ``draw=False`` stops at the coarse guide.
        """
        k = len(target_motion) // len(source)
        r = self.renderer
        state = repeat_source(r.encode_source(source, source_motion), k)
        adapted = r.identity_adapter(target_motion, state.identity)
        other = r.identity_adapter(target_motion, state.identity.roll(k, 0))
        motion_maps = r.motion_decoder(adapted)
        aligned, guide = r.transfer(motion_maps, list(state.keys), list(state.values))
        out: dict[str, Any] = {
            "weights": guide.weights,
            "guides": [guide.coordinates],
            "adapted": adapted,
            "adapted_other": other,
        }
        if draw:
            drawn = r.synthesis(aligned, motion_maps, guide, state)
            out |= {"frame": drawn.frame, "guides": list(drawn.coordinates), "resampled": drawn.resampled}
        return out


def renderer_terms(
    trainee: nn.Module, batch: Mapping[str, Tensor], draw: bool, motion_noise: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All terms that need no discriminator, and the pictures they were computed on."""
    source, target = as_images(batch["source"]), as_images(batch["targets"])
    k = len(target) // len(source)
    motion = batch["target_motions"].flatten(0, 1)
    source_motion = batch["source_motion"]
    if motion_noise:
        # at run time the motion encoder reads the portrait, and is never exact
        source_motion = source_motion + motion_noise * torch.randn_like(source_motion)
    out = trainee(source, source_motion, motion, draw=draw)
    true = batch["coords"].flatten(0, 1).float()
    valid = batch["valid"].flatten(0, 1)
    boxes = batch["boxes"].flatten(0, 1)[:, list(REGION_ORDER)].float()
    weight = losses.region_weights(boxes, tuple(REGION_WEIGHTS[i] for i in REGION_ORDER), target.shape[-1])
    terms: dict[str, Tensor] = {}
    distances = []
    for guide in out["guides"]:
        size = min(guide.shape[1], true.shape[1])
        where, known = losses.pool_correspondence(true, valid, size)
        w = nn.functional.adaptive_avg_pool2d(weight, size)[:, 0]
        if guide.shape[1] > size:
            guide = nn.functional.avg_pool2d(guide.permute(0, 3, 1, 2), guide.shape[1] // size).permute(0, 2, 3, 1)
        if not distances:
            terms["attention"] = losses.attention_loss(out["weights"].float(), where, known, w)
        distances.append(losses.coordinate_loss(guide, where, known, w))
    terms["coordinate"] = torch.stack(distances).mean()
    visible = nn.functional.interpolate(valid.float()[:, None], size=target.shape[-1])
    if draw:
        terms["warp"] = losses.weighted_l1(out["resampled"], target, weight * (0.1 + 0.9 * visible))
        terms["pixel"] = losses.weighted_l1(out["frame"], target, weight)
        terms["gradient"] = losses.gradient_loss(out["frame"], target, weight)
    else:
        repeated = source.repeat_interleave(k, 0)
        terms["warp"] = losses.warp_loss(out["guides"][0], repeated, target, visible, weight)
    terms["distance"] = losses.distance_consistency_loss(motion, out["adapted"], out["adapted_other"])
    pictures = {"target": target, "frame": out.get("frame", target), "last_distance": distances[-1].detach()}
    return terms, pictures
