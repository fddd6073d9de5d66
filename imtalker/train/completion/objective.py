"""What the completion network is trained on: terms of IMGTalk's eq. 11 to 15, weighted by where people look."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.dubbing.completion.config import CompletionConfig
from imtalker.dubbing.completion.network import FOLD, NUM_LANDMARKS, Completion, CompletionNetwork
from imtalker.renderer.picture_losses import gradient_loss, weighted_l1
from imtalker.train import renderer_losses as losses
from imtalker.train.renderer_objective import as_images

LIPS, RIM = 5.0, 2.0  # weight of pixels: the lips, where drawn and kept skin meet; 1 elsewhere in what is hidden
CHOICE = 0.02  # difference of errors that decides clearly between drawing and keeping one of the references
READER_SIZE = 48  # pixels, side of what the lip reader sees


@dataclass(frozen=True)
class CompletionWeights:
    """Of the terms."""

    pixel: float = 2.0  # result against the target (eq. 11)
    gradient: float = 4.0  # image gradients at three scales
    interior: float = 1.0  # inside the mouth, by its own area
    drawn: float = 1.0  # the decoded picture alone, so that it is good wherever it may be needed
    keep: float = 0.2  # the choice between drawing and the references, made for what is nearest to the target
    latent: float = 0.1  # completed latent against that of the target
    motion: float = 0.5  # mouth read from the result against the asked one, cm (eq. 13)
    adversarial: float = 0.05  # eq. 14
    features: float = 1.0  # discriminator feature matching, in place of a pretrained network's (eq. 12)


class LipReader(nn.Module):
    """Reads the motion tokens' offsets from a patch ``(B, 3, S, S)``: ``(B, 49, 3)`` cm. For training only."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(12, 32, 3, 1, 1), nn.SiLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(64, 96, 3, 2, 1), nn.SiLU(), nn.Conv2d(96, 96, 3, 1, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(3),
        )  # fmt: skip
        self.out = nn.Linear(96 * 9, 3 * NUM_LANDMARKS)

    def forward(self, patch: Tensor) -> Tensor:
        small = F.interpolate(patch, size=READER_SIZE, mode="bilinear", align_corners=False)
        found = self.out(self.layers(F.pixel_unshuffle(2 * small - 1, 2)).flatten(1))
        return found.unflatten(1, (NUM_LANDMARKS, 3))


class CompletionTrainee(nn.Module):
    """The network and the lip reader that watches over it."""

    def __init__(self, config: CompletionConfig) -> None:
        super().__init__()
        self.network = CompletionNetwork(config)
        self.reader = LipReader()

    def forward(self, batch: Mapping[str, Tensor], first_phase: bool) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Terms of a batch, and the pictures they are computed on.

        In the first phase autoencoder and reader learn; after it they are frozen (as IMGTalk's autoencoder is), and
        the U-Net learns.
        """
        for module in (self.network.autoencoder, self.reader):
            module.requires_grad_(first_phase)
        return (autoencoder_terms(self, batch), {}) if first_phase else completion_terms(self, batch)


def complete(network: CompletionNetwork, batch: Mapping[str, Tensor]) -> tuple[Completion, Tensor]:
    """The network's say on a batch, and its result within the frames ``(B, 3, S, S)``."""
    source = as_images(batch["source"])
    references = as_images(batch["references"]).unflatten(0, batch["references"].shape[:2])
    maps = [batch[name].to(source.dtype)[:, None] for name in ("hidden", "opening")]
    completion = network(source, *maps, batch["offsets"], batch["pose"], references)
    taken = batch["taken"][:, None]
    return completion, taken * completion.compose(references) + (1 - taken) * source


def autoencoder_terms(trainee: CompletionTrainee, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Pictures through the latent and back, masked ones too; and the mouth read from them."""
    target, source = as_images(batch["target"]), as_images(batch["source"])
    hidden = batch["hidden"].to(target.dtype)[:, None]
    pictures = torch.cat([target, source * (1 - hidden)])
    found = trainee.network.autoencoder.decode(trainee.network.autoencoder.encode(pictures))
    weight = torch.cat([pixel_weights(batch), torch.ones_like(hidden)])
    return {
        "autoencoder": weighted_l1(found, pictures, weight) + gradient_loss(found, pictures, weight),
        "reader": (trainee.reader(target) - batch["offsets"]).abs().mean(),
    }


def completion_terms(
    trainee: CompletionTrainee, batch: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All terms but the discriminator's; and the pictures they are computed on."""
    completion, result = complete(trainee.network, batch)
    target, source = as_images(batch["target"]), as_images(batch["source"])
    taken, hidden = batch["taken"][:, None], batch["hidden"].to(target.dtype)[:, None]
    truth = taken * target + (1 - taken) * source
    weight = pixel_weights(batch)
    references = as_images(batch["references"]).unflatten(0, batch["references"].shape[:2]) + completion.tone
    with torch.no_grad():
        latent = trainee.network.autoencoder.encode(target)
        errors = (torch.cat([completion.drawn[:, None], references], 1) - target[:, None]).abs().mean(2)
        best = (-F.avg_pool2d(errors.float(), 5, 1, 2) / CHOICE).softmax(1)
    inside = F.avg_pool2d(hidden, FOLD)
    area = hidden.sum().clamp(min=1.0)
    keep = completion.keep.float()
    choice = torch.cat([1 - keep.sum(1, keepdim=True), keep], 1).clamp(min=1e-4)
    opening = (255 * batch["opening"]).to(torch.uint8)
    terms = {
        "pixel": weighted_l1(result, truth, weight),
        "gradient": gradient_loss(result, truth, weight),
        "interior": losses.interior_loss(result, truth, opening),
        "drawn": weighted_l1(completion.drawn, target, weight * hidden),
        "keep": -(best * choice.log() * hidden).sum() / area,
        "latent": ((completion.latent - latent).abs() * inside).mean() / inside.mean().clamp(min=1e-6),
        "motion": (trainee.reader(result) - batch["offsets"]).abs().mean(),
    }
    return terms, {"result": result, "target": truth}


def pixel_weights(batch: Mapping[str, Tensor]) -> Tensor:
    """``(B, 1, S, S)``: where people look; little outside of what is hidden."""
    taken, hidden = batch["taken"], batch["hidden"]
    weight = 0.1 + 0.9 * hidden.float()
    weight = torch.where((taken > 0) & (taken < 1), RIM, weight)
    return torch.where(batch["lips"] & hidden, LIPS, weight)[:, None]


def mouth_squares(pictures: Tensor, lips: Tensor, size: int) -> Tensor:
    """Squares ``(B, 3, size, size)`` of pictures round the middle of ``lips (B, S, S)``, for a discriminator."""
    side = pictures.shape[-1]
    places = torch.arange(side, device=pictures.device, dtype=torch.float32)
    mass = lips.float().sum((1, 2)).clamp(min=1.0)
    x, y = (lips.float().sum(axis) @ places / mass for axis in (1, 2))
    low = (torch.stack([x, y], 1) - size / 2).round().clamp(0, side - size)
    boxes = torch.cat([low, low + size], 1)
    return losses.crop_boxes(pictures, boxes[:, None], size)
