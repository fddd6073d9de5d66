"""The completion network: autoencoder, motion tokens, U-Net, and how the result is put together (IMGTalk, stage 2).

One pass, no diffusion: the paper's U-Net predicts the latent directly too. Beyond the paper the network says, pixel by
pixel, where an aligned reference may stay as it is (``keep``), so that only what no reference shows is drawn.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.dubbing.completion.config import CompletionConfig
from imtalker.dubbing.completion.layers import MotionAttention, ReferenceAttention, ResBlock

FOLD = 4  # pixels of a latent cell
NUM_LANDMARKS = 49  # 9 of the jaw, 40 of the lips
POSE_NUMBERS = 3
MAX_REFERENCES = 2
INITIAL_KEEP = (1.0, -1.0)  # logits of the references, against 0 for drawing
LARGEST_TONE = 0.15  # difference of a pixel that still counts as colour, not as something that moved


class Autoencoder(nn.Module):
    """Pictures ``(B, 3, S, S)`` in 0..1 <-> latents ``(B, z, S/4, S/4)``."""

    def __init__(self, config: CompletionConfig) -> None:
        super().__init__()
        width, pixels = config.autoencoder_width, 3 * FOLD**2
        self.encode_in = nn.Conv2d(pixels, width, 3, padding=1)
        self.encode_block = ResBlock(width, width)
        self.encode_out = nn.Conv2d(width, config.latent_channels, 1)
        self.decode_in = nn.Conv2d(config.latent_channels, width, 3, padding=1)
        self.decode_block = ResBlock(width, width)
        self.decode_up = nn.Conv2d(width, 2 * width, 1)
        self.decode_fine = ResBlock(width // 2, width // 2)
        self.decode_out = nn.Conv2d(width // 2, 12, 3, padding=1)

    def encode(self, picture: Tensor) -> Tensor:
        """Pictures -> latents."""
        return self.encode_out(self.encode_block(self.encode_in(F.pixel_unshuffle(2 * picture - 1, FOLD))))

    def decode(self, latent: Tensor) -> Tensor:
        """Latents -> pictures; not clamped."""
        h = F.pixel_shuffle(self.decode_up(self.decode_block(self.decode_in(latent))), 2)
        return (F.pixel_shuffle(self.decode_out(self.decode_fine(h)), 2) + 1) / 2


class MotionTokens(nn.Module):
    """3D offsets of jaw and lips, one token each, and the head's pose with the tongue, one token (eq. 8)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.offset = nn.Linear(3, width)
        self.pose = nn.Linear(POSE_NUMBERS, width)
        self.code = nn.Parameter(0.5 * torch.randn(1, NUM_LANDMARKS + 1, width))

    def forward(self, offsets: Tensor, pose: Tensor) -> Tensor:
        """``offsets (B, 49, 3)`` cm, ``pose (B, 3)`` -> ``(B, 50, width)``."""
        return torch.cat([self.offset(offsets), self.pose(pose)[:, None]], 1) + self.code


class _Level(nn.Module):
    """Residual block, attention to motion, attention to the references where there is one."""

    def __init__(self, config: CompletionConfig, inputs: int, level: int, references: bool) -> None:
        super().__init__()
        channels, cells = config.channels[level], config.patch_size // FOLD
        side = cells >> level
        self.block = ResBlock(inputs, channels)
        self.motion = MotionAttention(channels, config.motion_width, config.heads, side)
        tokens = cells if level == 0 else cells // config.pooled
        self.references = (
            ReferenceAttention(channels, config.latent_channels, config.reference_width, side, tokens)
            if references
            else None
        )
        self.fine = level == 0

    def forward(self, x: Tensor, motion: Tensor, tokens: tuple[Tensor, Tensor] | None) -> Tensor:
        x = self.motion(self.block(x), motion)
        if self.references is not None and tokens is not None:
            x = self.references(x, tokens[0 if self.fine else 1])
        return x


class CompletionUNet(nn.Module):
    """Masked latent -> completed latent, and what is to be seen of the aligned references."""

    def __init__(self, config: CompletionConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.channels
        self.enter = nn.Conv2d(config.latent_channels + 2, first, 3, padding=1)
        self.down0 = _Level(config, first, 0, references=False)
        self.down1 = _Level(config, first, 1, references=True)
        self.middle = _Level(config, second, 2, references=True)
        self.up1 = _Level(config, third + second, 1, references=True)
        self.up0 = _Level(config, second + first, 0, references=True)
        self.refine = ResBlock(first, first)
        self.leave = nn.Sequential(nn.GroupNorm(8, first), nn.SiLU(), nn.Conv2d(first, config.latent_channels, 3, 1, 1))
        self.keep = nn.Conv2d(first, 4 * MAX_REFERENCES, 3, padding=1)
        with torch.no_grad():
            self.keep.weight.zero_()
            self.keep.bias.copy_(torch.tensor(INITIAL_KEEP).repeat_interleave(4))  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, latent: Tensor, maps: Tensor, motion: Tensor, references: Tensor | None) -> tuple[Tensor, Tensor]:
        """Complete latents; see ``body`` and ``finish``."""
        return self.finish(self.body(latent, maps, motion, references))

    def body(self, latent: Tensor, maps: Tensor, motion: Tensor, references: Tensor | None) -> Tensor:
        """All but the last block: features ``(B, C, h, w)``.

        Args:
            latent: ``(B, z, h, w)`` of the masked patch.
            maps: ``(B, 2, h, w)`` what is hidden, and the opening between the lips.
            motion: ``(B, K, m)`` tokens.
            references: ``(B, R, z, h, w)`` latents of aligned references; None: without.
        """
        tokens = None
        if references is not None:
            batch = len(references)
            pooled = F.avg_pool2d(references.flatten(0, 1), self.config.pooled).unflatten(0, (batch, -1))
            tokens = tuple(t.flatten(3).transpose(2, 3) for t in (references, pooled))
        h0 = self.down0(self.enter(torch.cat([latent, maps], 1)), motion, tokens)
        h1 = self.down1(F.avg_pool2d(h0, 2), motion, tokens)
        h2 = self.middle(F.avg_pool2d(h1, 2), motion, tokens)
        h1 = self.up1(torch.cat([F.interpolate(h2, scale_factor=2), h1], 1), motion, tokens)
        return self.up0(torch.cat([F.interpolate(h1, scale_factor=2), h0], 1), motion, tokens)

    def finish(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The completed latent, and logits ``(B, 2, 2 h, 2 w)`` of keeping the first and the second reference."""
        h0 = self.refine(features)
        return self.leave(h0), F.pixel_shuffle(self.keep(h0), 2)


@dataclass(frozen=True, eq=False)
class Completion:
    """What the network says about patches: each pixel is drawn, or kept from one of R references."""

    latent: Tensor  # (B, z, h, w) completed
    drawn: Tensor  # (B, 3, S, S) the latent decoded
    keep: Tensor  # (B, R, S, S) in 0..1, share of each aligned reference; the rest is drawn
    tone: Tensor  # (B, R, 3, S, S) smooth change of colour that fits the reference to the frame

    def compose(self, references: Tensor) -> Tensor:
        """The completed patch ``(B, 3, S, S)`` with the aligned references ``(B, R, 3, S, S)``."""
        kept = (self.keep[:, :, None] * (references + self.tone)).sum(1)
        return kept + (1 - self.keep.sum(1, keepdim=True)) * self.drawn


class CompletionNetwork(nn.Module):
    """Everything that is learned, and the way through it."""

    def __init__(self, config: CompletionConfig | None = None) -> None:
        super().__init__()
        self.config = config or CompletionConfig()
        self.autoencoder = Autoencoder(self.config)
        self.tokens = MotionTokens(self.config.motion_width)
        self.unet = CompletionUNet(self.config)

    def forward(
        self, source: Tensor, hidden: Tensor, opening: Tensor, offsets: Tensor, pose: Tensor, references: Tensor
    ) -> Completion:
        """Complete mouths; what is hidden of the source has no influence.

        Args:
            source: ``(B, 3, S, S)`` patches of the frames, 0..1.
            hidden, opening: ``(B, 1, S, S)`` 0..1, see ``hidden_part`` and ``opening_map``.
            offsets, pose: see ``MotionTokens``.
            references: ``(B, R, 3, S, S)`` one or two aligned references, 0..1: lips closed, and mouth open.
        """
        features = self.body(source, hidden, opening, offsets, pose, references)
        return self.finish(features, source, hidden, references)

    def body(
        self, source: Tensor, hidden: Tensor, opening: Tensor, offsets: Tensor, pose: Tensor, references: Tensor
    ) -> Tensor:
        """Features ``(B, C, h, w)`` that ``finish`` makes the completion of: nearly all of the work."""
        masked = source * (1 - hidden)
        latents = self.autoencoder.encode(references.flatten(0, 1)).unflatten(0, references.shape[:2])
        maps = F.avg_pool2d(torch.cat([hidden, opening], 1), FOLD)
        tokens = self.tokens(offsets, pose)
        return self.unet.body(self.autoencoder.encode(masked), maps, tokens, latents)

    def finish(self, features: Tensor, source: Tensor, hidden: Tensor, references: Tensor) -> Completion:
        """The completion, from ``body``'s features of the same frames."""
        masked = source * (1 - hidden)
        latent, keep = self.unet.finish(features)
        keep = keep[:, : references.shape[1]]
        choice = torch.cat([torch.zeros_like(keep[:, :1]), keep], 1).softmax(1)
        keep = F.interpolate(choice[:, 1:], source.shape[-2:], mode="bilinear", align_corners=False)
        tone = torch.stack([colour_change(masked, reference, hidden) for reference in references.unbind(1)], 1)
        return Completion(latent, self.autoencoder.decode(latent), keep, tone)

    @property
    def last_part(self) -> tuple[nn.Module, ...]:
        """What ``finish`` consists of."""
        unet, decoder = self.unet, self.autoencoder
        decoding = decoder.decode_in, decoder.decode_block, decoder.decode_up, decoder.decode_fine, decoder.decode_out
        return unet.refine, unet.leave, unet.keep, *decoding


def colour_change(masked: Tensor, reference: Tensor, hidden: Tensor) -> Tensor:
    """Smooth difference ``(B, 3, S, S)`` between frame and reference, carried from what both show into what is hidden.

    Normalised convolution (Knutsson and Westin 1993) of the difference in what is visible near the hidden part.
    """
    cells = FOLD * 2
    seen = 1 - hidden
    small = F.avg_pool2d(torch.cat([(masked - reference).clamp(-LARGEST_TONE, LARGEST_TONE) * seen, seen], 1), cells)
    small = small * F.max_pool2d(1 - small[:, 3:], 3, 1, 1)
    spread = small.shape[-1] / 4
    places = torch.arange(small.shape[-1], device=small.device, dtype=small.dtype)
    kernel = (-0.5 * ((places[:, None] - places) / spread) ** 2).exp()
    blurred = kernel @ small @ kernel
    change = blurred[:, :3] / (blurred[:, 3:] + 1e-3)
    return F.interpolate(change, masked.shape[-2:], mode="bilinear", align_corners=False)
