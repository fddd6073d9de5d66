"""The renderer: portrait + motion latents -> frames (paper section 3.2, eq. 3)."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import RendererConfig
from imtalker.errors import InputError
from imtalker.faces.mesh import NUM_FACE
from imtalker.renderer.backdrop import Backdrop
from imtalker.renderer.body import follow_head_and_torso
from imtalker.renderer.compose import Layers, compose
from imtalker.renderer.eyes import Eyes
from imtalker.renderer.face_outline import FaceOutline
from imtalker.renderer.identity_adapter import IdentityAdapter
from imtalker.renderer.identity_encoder import IdentityEncoder
from imtalker.renderer.landmark_guide import FaceGeometry, follow_landmarks
from imtalker.renderer.lips import keep_lips
from imtalker.renderer.motion_decoder import MotionDecoder
from imtalker.renderer.motion_encoder import MotionEncoder
from imtalker.renderer.motion_transfer import Guide, ImplicitMotionTransfer
from imtalker.renderer.mouth_interior import MouthInterior
from imtalker.renderer.source import SourceFeatures, magnify, widen
from imtalker.renderer.synthesis import GatedSynthesis, Synthesis, synthesis_network
from imtalker.renderer.teeth import TeethLayer


@dataclass(frozen=True, eq=False)
class PlacedFace:
    """The landmarks of a portrait in some frames, see ``FaceGeometry.place``."""

    targets: Tensor  # (B, N, 2)
    weights: Tensor  # (B, N)
    geometry: FaceGeometry
    outline: FaceOutline

    def follow(self, coordinates: Tensor) -> Tensor:
        """See ``follow_landmarks``."""
        return follow_landmarks(coordinates, self.targets, self.weights, self.geometry.landmarks)


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
        self.synthesis = synthesis_network(config)
        self.teeth = TeethLayer(config) if config.teeth_texture else None
        # False only where their worth is measured
        self.follows_landmarks = self.paints_mouth = self.paints_eyes = self.moves_body = True

    def encode_source(
        self,
        image: Tensor,
        motion: Tensor | None = None,
        wide: tuple[Tensor, float] | None = None,
        geometry: FaceGeometry | None = None,
        mouth: MouthInterior | None = None,
        eyes: Eyes | None = None,
        backdrop: Backdrop | None = None,
    ) -> SourceFeatures:
        """State of the portrait ``image (B, 3, S, S)`` in [0, 1].

        ``motion (B, motion_dim)`` replaces the motion encoder's reading where the true value is known (training).
        ``wide``: for the pixel gate, the picture ``(B, 3, W, W)`` in [0, 1] whose middle the image shows, W at least
        the size that is to be rendered, and its side in sides of the image; by default the image, its edge
        repeated beyond the border.
        ``geometry``: for the pixel gate and explicit motions, the landmarks that the frames shall follow.
        ``mouth``: with a geometry, what is to be seen between the lips; ``eyes``: between and on the lids;
        ``backdrop``: behind the person, who then moves as a whole.
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
        state = SourceFeatures(identity, motion, tuple(keys), tuple(values), tuple(fine))
        if not self.config.pixel_gate:
            return state
        picture, reach = wide or widen(image)
        picture = magnify(picture).contiguous(memory_format=torch.channels_last)  # it is looked up pixel by pixel
        parts = {"geometry": geometry, "mouth": mouth, "eyes": eyes, "backdrop": backdrop}
        return replace(state, picture=picture, reach=reach, **parts)

    def encode_motion(self, frames: Tensor) -> Tensor:
        """Motion latents ``(B, motion_dim)`` of the frames ``(B, 3, S, S)`` in [0, 1]."""
        self._check(frames)
        return self.motion_encoder(frames)

    def render(self, motion: Tensor, source: SourceFeatures, size: int | None = None) -> Tensor:
        """Frames ``(B, 3, size, size)`` in [0, 1] for the motion latents ``(B, motion_dim)``, a body's
        numbers after them or not.

        ``size``: one of the configuration's ``sizes``; None: the network's own. Raises InputError for another one.
        """
        size = self.check_size(size)
        if not self.config.pixel_gate:
            return self.synthesize(motion, source)[0].frame
        layers, placement = self.layers(motion, source)
        teeth = None if self.teeth is None or placement is None else self.teeth(placement, size)
        # light on teeth may go beyond white
        return compose(layers, source, teeth, size)[0].clamp(0, 1)

    def layers(self, motion: Tensor, source: SourceFeatures) -> tuple[Layers, Tensor | None]:
        """With the pixel gate: frames before they are composed, and where teeth lie in them, ``(B, 2, 2, 3)``."""
        placed = self._placed(motion, source)
        adapted, motion_maps, aligned, guide = self._transferred(motion, source, placed)
        assert isinstance(self.synthesis, GatedSynthesis)
        logits, coordinates = self.synthesis.draw(aligned, motion_maps, guide, source)
        if placed is not None:
            coordinates[-1] = placed.follow(coordinates[-1])
        placement = None if self.teeth is None else self.teeth.place(adapted)
        layers = self.synthesis.layers(logits, coordinates)
        if placed is not None and self.moves_body and source.backdrop is not None:
            inside = placed.outline.inside_at(layers.coordinates.shape[1])[:, 0]
            body = follow_head_and_torso(layers.coordinates, motion, placed.targets, placed.geometry, inside)
            kept = placed.outline.keep(body.coordinates)
            layers = replace(
                layers,
                gate=1 - (1 - layers.gate) * body.face,  # there is nothing to draw outside the face
                coordinates=kept,
                person=source.backdrop.seen(kept, body.core),
                plate=source.backdrop.behind(body.moved),
            )
        elif placed is not None:
            layers = replace(layers, coordinates=placed.outline.keep(layers.coordinates))
        if placed is not None and self.paints_mouth and source.mouth is not None:
            mouth = source.mouth.place(motion, placed.targets, placed.geometry)
            gate, moved = keep_lips(layers.gate, layers.coordinates, mouth.lips, source.mouth.lips)
            layers = replace(layers, gate=gate, coordinates=moved, mouth=mouth)
        if placed is not None and self.paints_eyes and source.eyes is not None:
            layers = replace(layers, eyes=source.eyes.place(motion, placed.targets))
        return layers, placement

    def guide(self, motion: Tensor, source: SourceFeatures) -> Guide:
        """Where the cells of the finest coarse level come from; nothing is drawn."""
        return self._transferred(motion, source, self._placed(motion, source))[-1]

    def synthesize(self, motion: Tensor, source: SourceFeatures) -> tuple[Synthesis, Guide]:
        """Frames at the network's own size with everything the training losses need."""
        adapted, motion_maps, aligned, guide = self._transferred(motion, source, self._placed(motion, source))
        teeth = None if self.teeth is None else self.teeth(self.teeth.place(adapted))
        return self.synthesis(aligned, motion_maps, guide, source, teeth), guide

    def _transferred(
        self, motion: Tensor, source: SourceFeatures, placed: PlacedFace | None
    ) -> tuple[Tensor, list[Tensor], list[Tensor], Guide]:
        """Adapted motion, its maps, source features aligned to them, and the guide for the finer ones."""
        motion = motion[:, : self.config.motion_dim]
        adapted = self.identity_adapter(motion, source.identity.expand(len(motion), -1))
        motion_maps = self.motion_decoder(adapted)
        aligned, guide = self.transfer(motion_maps, list(source.keys), list(source.values))
        if guide.coordinates is not None and placed is not None:
            guide = replace(guide, coordinates=placed.outline.keep(placed.follow(guide.coordinates)))
        return adapted, motion_maps, aligned, guide

    def _placed(self, motion: Tensor, source: SourceFeatures) -> PlacedFace | None:
        """Where the face lies in the frames; None where the portrait's landmarks are not known."""
        geometry = source.geometry if self.follows_landmarks else None
        if geometry is None:
            return None
        targets, weights = geometry.place(motion)
        if self.paints_eyes and source.eyes is not None:  # irises turn behind the lids and drag nothing along
            weights = torch.cat([weights[:, :NUM_FACE], torch.zeros_like(weights[:, NUM_FACE:])], 1)
        return PlacedFace(targets, weights, geometry, FaceOutline.of(targets, geometry.outline))

    def motion_maps(self, motion: Tensor, identity: Tensor) -> list[Tensor]:
        """Motion as this person makes it, as maps of the coarse levels (paper eq. 5)."""
        return self.motion_decoder(self.identity_adapter(motion, identity))

    def check_size(self, size: int | None) -> int:
        """The size itself, the network's own for None. Raises InputError when it cannot be rendered."""
        self.config.check_size(size)
        return size or self.config.output_size

    def _check(self, image: Tensor) -> None:
        size = self.config.input_size
        if image.ndim != 4 or image.shape[1:] != (3, size, size):
            raise InputError(
                f"image of shape {tuple(image.shape)}: this renderer takes (B, 3, {size}, {size}); resize it first"
            )
