"""The renderer: portrait + motion latents -> frames (paper section 3.2, eq. 3)."""

import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.errors import InputError
from imtalker.renderer.identity_adapter import IdentityAdapter
from imtalker.renderer.identity_encoder import IdentityEncoder
from imtalker.renderer.motion_decoder import MotionDecoder
from imtalker.renderer.motion_encoder import MotionEncoder
from imtalker.renderer.motion_transfer import Guide, ImplicitMotionTransfer
from imtalker.renderer.source import SourceFeatures, magnify
from imtalker.renderer.synthesis import Synthesis, SynthesisNetwork
from imtalker.renderer.teeth import TeethLayer


class Renderer(nn.Module):
    """Identity-adaptive motion transfer renderer."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.config = config
        self.identity_encoder = IdentityEncoder(config)
        self.motion_encoder = MotionEncoder(config)
        self.identity_adapter = IdentityAdapter(config)
        self.motion_decoder = MotionDecoder(config)
        self.transfer = ImplicitMotionTransfer(config)
        self.synthesis = SynthesisNetwork(config)
        self.teeth = TeethLayer(config) if config.teeth_texture else None

    def encode_source(self, image: Tensor, motion: Tensor | None = None) -> SourceFeatures:
        """State of the portrait ``image (B, 3, S, S)`` in [0, 1].

        ``motion (B, motion_dim)`` replaces the motion encoder's reading where the true value is known (training).
        Raises InputError when the image has another size than the configuration asks for.
        """
        self._check(image)
        appearance, identity = self.identity_encoder(image)
        if motion is None:
            motion = self.encode_motion(image)
        keys, values = self.transfer.project_source(self.motion_maps(motion, identity), appearance)
        fine = appearance[self.config.num_coarse_levels :]
        if self.config.resampler == "block":
            side = self.config.level_size(self.config.num_coarse_levels - 1)
            fine = [F.avg_pool2d(f, f.shape[-1] // side) for f in fine]
        pixels = magnify(image) if self.config.pixel_gate else None
        return SourceFeatures(identity, motion, tuple(keys), tuple(values), tuple(fine), pixels)

    def encode_motion(self, frames: Tensor) -> Tensor:
        """Motion latents ``(B, motion_dim)`` of the frames ``(B, 3, S, S)`` in [0, 1]."""
        self._check(frames)
        return self.motion_encoder(frames)

    def render(self, motion: Tensor, source: SourceFeatures) -> Tensor:
        """Frames ``(B, 3, H, W)`` in [0, 1] for the motion latents ``(B, motion_dim)``."""
        # light on teeth may go beyond white
        return self.synthesize(motion, source)[0].frame.clamp(0, 1)

    def synthesize(self, motion: Tensor, source: SourceFeatures) -> tuple[Synthesis, Guide]:
        """Frames with everything the training losses need."""
        adapted = self.identity_adapter(motion, source.identity.expand(len(motion), -1))
        motion_maps = self.motion_decoder(adapted)
        aligned, guide = self.transfer(motion_maps, list(source.keys), list(source.values))
        teeth = None if self.teeth is None else self.teeth(self.teeth.place(adapted))
        return self.synthesis(aligned, motion_maps, guide, source, teeth), guide

    def motion_maps(self, motion: Tensor, identity: Tensor) -> list[Tensor]:
        """Motion as this person makes it, as maps of the coarse levels (paper eq. 5)."""
        return self.motion_decoder(self.identity_adapter(motion, identity))

    def _check(self, image: Tensor) -> None:
        size = self.config.input_size
        if image.ndim != 4 or image.shape[1:] != (3, size, size):
            raise InputError(
                f"image of shape {tuple(image.shape)}: this renderer takes (B, 3, {size}, {size}); resize it first"
            )
