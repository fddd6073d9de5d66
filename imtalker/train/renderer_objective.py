"""What one training step of the renderer computes, as modules and pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.renderer import Renderer, SourceFeatures
from imtalker.renderer.picture_losses import gradient_loss, weighted_l1
from imtalker.renderer.style_layers import EqualizedConv2d, EqualizedLinear, StyledConv
from imtalker.renderer.synthesis import GatedSynthesis
from imtalker.train import renderer_losses as losses
from imtalker.train.puppet.motion_space import GAZE

# weights of the mouth, both eyes and the face against the rest of the picture (boxes in this order): lips and lids
# are a fortieth of the picture, and what everybody looks at
REGION_WEIGHTS = (25.0, 30.0, 30.0, 3.0)
NUM_REGIONS = 4  # mouth opening, eye openings, irises, teeth
REGION_ORDER = (3, 0, 1, 2)  # painted in this order: the face first, mouth and eyes on top


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; 0 leaves a term out."""

    attention: float = 0.2  # mass of the attention at the true source cell
    coordinate: float = 0.5  # distance of every guide to the true position, cells of a 32-cell grid
    regions: float = 4.0  # mouth opening, eye openings, irises and teeth read from the motion maps
    gaze: float = 0.5  # gaze read from the motion maps in the eyes: an iris moves by a fraction of a cell
    teeth: float = 1.0  # place of the rows of teeth, cm
    opening: float = 2.0  # the pixels through which they are seen
    warp: float = 1.0  # resampled source pixels against the target
    pixel: float = 2.0  # frame against the target
    gradient: float = 4.0  # image gradients at three scales
    interior: float = 1.0  # frame against the target inside the mouth, by its own area
    gate: float = 0.5  # synthesised pixels where the source shows the true ones: they are blurred, those are sharp
    perceptual: float = 1.0  # LPIPS, where AlexNet's weights are at hand
    adversarial: float = 0.05
    features: float = 1.0  # discriminator feature matching
    distance: float = 0.05  # motion distance consistency, paper eq. 8


def repeat_source(source: SourceFeatures, times: int) -> SourceFeatures:
    """Every portrait's state ``times`` times in a row, for several targets per portrait."""

    def rep(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(rep(v) for v in value)
        return value.repeat_interleave(times, 0) if isinstance(value, Tensor) else value

    names = ("identity", "motion", "keys", "values", "fine", "picture")
    return replace(source, **{name: rep(getattr(source, name)) for name in names})


def as_images(pixels: Tensor) -> Tensor:
    """uint8 ``(..., H, W, 3)`` -> float ``(N, 3, H, W)`` in [0, 1], channels last in memory."""
    x = pixels.reshape(-1, *pixels.shape[-3:]).permute(0, 3, 1, 2).float() / 255
    return x.contiguous(memory_format=torch.channels_last)


# equalised weights are stored at unit variance: about sqrt(fan_in) times the size of ordinary ones
EQUALIZED_RATES: dict[type[nn.Module], float] = {EqualizedLinear: 10.0, EqualizedConv2d: 10.0, StyledConv: 10.0}

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """Convolution weights in the memory order that is fastest; in place."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


class RendererTrainee(nn.Module):
    """The renderer with the forward pass of training: B portraits, K targets each."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__()
        self.renderer = renderer
        # for training only: shows in the motion maps where mouth and eyes open, and the gaze. Without it lids and
        # irises, a hundredth of the picture, are not learned: their mean is drawn whatever the motion says
        self.region_head = nn.Conv2d(renderer.config.motion_map_channels[-1], 4 * (NUM_REGIONS + 2), 3, padding=1)
        self.fixed_statistics = False

    def train_last_level_only(self) -> None:
        """Freeze all but the finest level of synthesis and the teeth, with the statistics of all batch norms.

        What else the network has learned stays as it is, and a step costs little more than a forward pass.
        """
        self.requires_grad_(False)
        synthesis = self.renderer.synthesis
        parts = [synthesis.fuse[-1], synthesis.attention[-1], synthesis.final]
        if isinstance(synthesis, GatedSynthesis):
            parts.append(synthesis.offset[-1])
        for part in parts:
            part.requires_grad_(True)
        if self.renderer.teeth is not None:
            self.renderer.teeth.requires_grad_(True)
        self.fixed_statistics = True
        self.eval()

    def train(self, mode: bool = True) -> "RendererTrainee":
        return super().train(mode and not self.fixed_statistics)

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        source_motion: Tensor | None = None,
        target_motion: Tensor | None = None,
        draw: bool = True,
    ) -> dict[str, Any]:
        """``source (B, 3, S, S)``, ``target (B*K, 3, S, S)`` -> what the losses need.

        Motion latents ``source_motion (B, d)`` and ``target_motion (B*K, d)`` that are known exactly are used;
        else the motion encoder reads them. ``draw=False`` stops at the coarse guide.
        """
        k = len(target) // len(source)
        r = self.renderer
        motion = r.encode_motion(target) if target_motion is None else target_motion
        state = repeat_source(r.encode_source(source, source_motion), k)
        adapted = r.identity_adapter(motion, state.identity)
        other = r.identity_adapter(motion, state.identity.roll(k, 0))
        motion_maps = r.motion_decoder(adapted)
        aligned, guide = r.transfer(motion_maps, list(state.keys), list(state.values))
        regions, gaze = F.pixel_shuffle(self.region_head(motion_maps[-1]), 2).split((NUM_REGIONS, 2), dim=1)
        out: dict[str, Any] = {
            "weights": guide.weights,
            "guides": [guide.coordinates],
            "regions": regions,
            "gaze": gaze,
            "motion": motion,
            "adapted": adapted,
            "adapted_other": other,
        }
        if draw:
            if r.teeth is not None:
                out["teeth"] = r.teeth.place(adapted)
            teeth = None if r.teeth is None else r.teeth(out["teeth"])
            drawn = r.synthesis(aligned, motion_maps, guide, state, teeth)
            out |= {"frame": drawn.frame, "guides": list(drawn.coordinates)}
            out |= {"resampled": drawn.resampled, "gate": drawn.gate, "opening": drawn.opening}
        return out


def renderer_terms(
    trainee: nn.Module, batch: Mapping[str, Tensor], draw: bool, motion_noise: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All terms that need no discriminator; the pictures they were computed on, and boxes of mouth and eyes in them.

    Batches of puppets carry exact motion and correspondence; batches of real video have pictures and boxes only.
    """
    source, target = as_images(batch["source"]), as_images(batch["targets"])
    exact = "coords" in batch
    motion = batch["target_motions"].flatten(0, 1) if exact else None
    source_motion = batch["source_motion"] if exact else None
    if source_motion is not None and motion_noise:
        # at run time the motion encoder reads the portrait, and is never exact
        source_motion = source_motion + motion_noise * torch.randn_like(source_motion)
    out = trainee(source, target, source_motion, motion, draw=draw)
    boxes = batch["boxes"].flatten(0, 1)[:, list(REGION_ORDER)].float()
    weight = losses.region_weights(boxes, tuple(REGION_WEIGHTS[i] for i in REGION_ORDER), target.shape[-1])
    terms: dict[str, Tensor] = {}
    visible = torch.ones_like(weight)
    if exact:
        assert motion is not None
        valid = batch["valid"].flatten(0, 1)
        terms |= guide_terms(out, batch["coords"].flatten(0, 1).float(), valid, weight)
        regions = batch["regions"].flatten(0, 1)
        terms["regions"] = losses.region_loss(out["regions"], regions, weight)
        terms["gaze"] = losses.gaze_loss(out["gaze"], motion[:, GAZE], regions[:, 1])
        visible = F.interpolate(valid.float()[:, None], size=target.shape[-1])
        if draw:
            if "teeth" in out:
                terms["opening"] = losses.region_loss(out["opening"], regions[:, :1], weight)
                terms["teeth"] = losses.placement_loss(
                    out["teeth"], batch["teeth"].flatten(0, 1), boxes[:, 1], target.shape[-1]
                )
            terms["interior"] = losses.interior_loss(out["frame"], target, regions[:, 0])
    if draw:
        if out["resampled"] is not None:
            terms["warp"] = weighted_l1(out["resampled"], target, weight * (0.1 + 0.9 * visible))
            terms["gate"] = ((1 - out["gate"]) * visible).sum() / visible.sum().clamp(min=1.0)
        terms["pixel"] = weighted_l1(out["frame"], target, weight)
        terms["gradient"] = gradient_loss(out["frame"], target, weight)
    elif out["guides"][0] is not None:
        repeated = source.repeat_interleave(len(target) // len(source), 0)
        terms["warp"] = losses.warp_loss(out["guides"][0], repeated, target, visible, weight)
    terms["distance"] = losses.distance_consistency_loss(out["motion"], out["adapted"], out["adapted_other"])
    return terms, {"target": target, "frame": out.get("frame", target), "features": boxes[:, 1:]}


def guide_terms(out: Mapping[str, Any], true: Tensor, valid: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Attention and coordinates against the exact correspondence ``true (N, n, n, 2)``, ``valid (N, n, n)``."""
    terms: dict[str, Tensor] = {}
    distances = []
    for guide in out["guides"]:
        size = min(guide.shape[1], true.shape[1])
        where, known = losses.pool_correspondence(true, valid, size)
        w = F.adaptive_avg_pool2d(weight, size)[:, 0]
        if guide.shape[1] > size:
            guide = F.adaptive_avg_pool2d(guide.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)
        if not distances:
            terms["attention"] = losses.attention_loss(out["weights"].float(), where, known, w)
        distances.append(losses.coordinate_loss(guide, where, known, w))
    terms["coordinate"] = torch.stack(distances).mean()
    return terms
