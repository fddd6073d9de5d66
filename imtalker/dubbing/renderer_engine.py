"""The engine that needs no training of its own: the portrait renderer, with every frame as its own source.

Source motion and wanted motion share one reading of the frame and differ in the mouth only, so everything but the
mouth is the identity map and nothing has to be registered. The renderer says where each pixel comes from and how much
of it is kept (the gate): kept pixels are sampled from the frame itself at full resolution, only the drawn ones have
the networks' resolution.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.engine import Patch
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import cut_square, pixels_per_cm, square_to_image
from imtalker.dubbing.tracking import FaceTrack
from imtalker.errors import InputError
from imtalker.generator.motion_parts import lower_face
from imtalker.pipeline.rendering import to_tensor
from imtalker.renderer import Renderer

MARGIN_CM = 1.5  # of the patch round the landmarks of the lower face


class RendererEngine:
    """A ``MouthEngine`` on the networks of the ``tiny`` preset.

    Raises:
        InputError: the renderer does not say where its pixels come from.
    """

    def __init__(self, renderer: Renderer):
        if not renderer.config.pixel_gate:
            raise InputError("these models cannot dub: their renderer keeps no pixels of the picture; use preset tiny")
        self._renderer = renderer
        self._like = next(renderer.parameters())

    @torch.inference_mode()
    def draw(
        self, frames: list[np.ndarray], landmarks: FaceTrack, motion: Tensor, references: References
    ) -> list[Patch]:
        """See ``MouthEngine.draw``."""
        side = self._renderer.config.input_size
        squares = np.stack([cut_square(f, m, side) for f, m in zip(frames, landmarks.to_image, strict=True)])
        read = torch.from_numpy(landmarks.motion).to(self._like)
        source = self._renderer.encode_source(to_tensor(squares, self._like), read)
        synthesis, _ = self._renderer.synthesize(motion.to(self._like), source)
        assert synthesis.gate is not None and synthesis.resampled is not None
        drawn = 255 * (synthesis.frame.float() - synthesis.gate.float() * synthesis.resampled.float())
        size = synthesis.frame.shape[-1]
        shift = (synthesis.coordinates[-1].float() - _identity(size, drawn)) * (size / 2)
        maps = torch.cat([synthesis.gate.float(), shift.permute(0, 3, 1, 2)], 1)
        lower = drawn_landmarks(landmarks, motion)
        layers = zip(_on_cpu(drawn), _on_cpu(maps), strict=True)
        return [
            _compose(frame, square_to_image(place, size), *layer, np.concatenate([old, new]), new, pixels_per_cm(place))
            for frame, place, layer, old, new in zip(
                frames, landmarks.to_image, layers, landmarks.lower, lower, strict=True
            )
        ]


def drawn_landmarks(landmarks: FaceTrack, motion: Tensor) -> np.ndarray:
    """Landmarks of the lower face ``(n, K, 2)`` float32, pixels, once the face moves by ``motion (n, 32)`` instead."""
    moved = lower_face(motion) - lower_face(torch.from_numpy(landmarks.motion))
    seen = np.einsum("nij,nkj->nki", landmarks.turn, moved)[..., :2] * [1, -1]
    return (landmarks.lower + np.einsum("nij,nkj->nki", landmarks.to_image[:, :, :2], seen)).astype(np.float32)


def _identity(size: int, like: Tensor) -> Tensor:
    centres = (torch.arange(size, device=like.device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y], -1)


def _on_cpu(layers: Tensor) -> np.ndarray:
    return np.ascontiguousarray(layers.permute(0, 2, 3, 1).cpu().numpy())


def _compose(
    frame: np.ndarray,
    to_image: np.ndarray,
    drawn: np.ndarray,
    maps: np.ndarray,
    around: np.ndarray,
    lower: np.ndarray,
    scale: float,
) -> Patch:
    """Kept pixels from the frame, drawn ones from the networks, in the box ``around`` some points ``(N, 2)``."""
    height, width = frame.shape[:2]
    low = np.floor(around.min(0) - MARGIN_CM * scale).astype(int).clip(0, [width - 2, height - 2])
    high = np.ceil(around.max(0) + MARGIN_CM * scale).astype(int).clip(low + 2, [width, height])
    (left, top), size = low.tolist(), tuple((high - low).tolist())
    to_box = to_image.copy()
    to_box[:, 2] -= low
    drawn, maps = (
        cv2.warpAffine(layer, to_box, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for layer in (drawn, maps)
    )
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32) + left, np.arange(size[1], dtype=np.float32) + top)
    shift = maps[..., 1:] @ to_image[:, :2].T.astype(np.float32)
    kept = cv2.remap(frame, x + shift[..., 0], y + shift[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Patch(left, top, drawn + maps[..., :1] * kept, lower)
