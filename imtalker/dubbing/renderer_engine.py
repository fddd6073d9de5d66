"""The engine that needs no training of its own: the portrait renderer, drawing from frames with the mouth at rest.

A frame is drawn from the rest frames nearest in pose, since what shows an open mouth would leave a ghost of it in the
new one; where none is near, from itself. The renderer says where each pixel comes from and how much of it is kept (the
gate): kept pixels are sampled from the source's own picture at full resolution, only the drawn ones have the networks'
resolution.
"""

from dataclasses import replace
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.engine import Patch
from imtalker.dubbing.lips import onto_clip
from imtalker.dubbing.mouth_painting import MouthPainter, PaintedInside
from imtalker.dubbing.mouth_space import lower_face
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import cut_square, pixels_per_cm, square_to_image
from imtalker.dubbing.source_frame import SourceFrame
from imtalker.dubbing.tracking import FaceTrack
from imtalker.errors import InputError
from imtalker.faces.motion_reading import MotionBasis
from imtalker.generator.motion_layout import HEAD_CHANNELS
from imtalker.pipeline.rendering import to_tensor
from imtalker.renderer import Renderer, SourceFeatures
from imtalker.renderer.compose import compose
from imtalker.renderer.mouth_interior import MouthPlacement

MARGIN_CM = 1.5  # of the patch round the landmarks of the lower face
OWN = 8.0  # degrees: rest frames further away in pose are worse than the frame itself
OPEN = 7.0  # degrees that a centimetre between the lips of a source counts for
SOFTNESS = 0.7  # degrees over which one source passes into the next
LEAST = 0.08  # share of a source that is worth drawing


class RendererEngine:
    """A ``MouthEngine`` on the networks of the ``tiny`` preset.

    Args:
        basis: how landmarks follow from the motion; with it what is drawn is held to the rest frame's landmarks, so
            that the lips come to lie where they are asked to.

    Raises:
        InputError: the renderer does not say where its pixels come from.
    """

    def __init__(self, renderer: Renderer, basis: MotionBasis | None = None):
        if not renderer.config.pixel_gate:
            raise InputError("these models cannot dub: their renderer keeps no pixels of the picture; use preset tiny")
        self._renderer = renderer
        self._like = next(renderer.parameters())
        self._known: WeakKeyDictionary[SourceFrame, SourceFeatures] = WeakKeyDictionary()
        self._painter = None if basis is None else MouthPainter(basis, self._like.device)

    @torch.inference_mode()
    def draw(
        self, frames: list[np.ndarray], landmarks: FaceTrack, motion: Tensor, references: References
    ) -> list[Patch]:
        """See ``MouthEngine.draw``."""
        shares = source_shares(landmarks, references)
        lower = drawn_landmarks(landmarks, motion)
        boxes = [
            _box(np.concatenate([old, new]), MARGIN_CM * pixels_per_cm(place), frame.shape[:2])
            for frame, place, old, new in zip(frames, landmarks.to_image, landmarks.lower, lower, strict=True)
        ]
        pixels, painted = (
            [np.zeros((bottom - top, right - left, depth), np.float32) for left, top, right, bottom in boxes]
            for depth in (3, 1)
        )
        for source in range(shares.shape[1]):
            rows = np.flatnonzero(shares[:, source])
            if not len(rows):
                continue
            chosen = [frames[row] for row in rows]
            part = landmarks.take(rows)
            if source < len(references.rest):
                drawn, inside = self._from_rest(part, motion[rows], references, source, [boxes[row] for row in rows])
                for row, opacity in zip(rows, inside, strict=True):
                    painted[row] += shares[row, source] * opacity
            else:
                drawn = self._from_themselves(chosen, part, motion[rows], [boxes[row] for row in rows])
            for row, patch in zip(rows, drawn, strict=True):
                pixels[row] += shares[row, source] * patch
        return [Patch(box[0], box[1], *rest) for box, *rest in zip(boxes, pixels, lower, painted, strict=True)]

    def _from_rest(
        self,
        landmarks: FaceTrack,
        motion: Tensor,
        references: References,
        source: int,
        boxes: list[tuple[int, int, int, int]],
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Drawn from one rest frame: its eyes and brows, the head of the frames, the mouth that is asked for; and how
        much of each pixel has been painted."""
        rest = references.rest[source]
        own = torch.from_numpy(references.rest_motion[source])[None]
        if rest not in self._known:
            painted = None if self._painter is None else self._painter.mouth(references, source)
            self._known[rest] = self._renderer.encode_source(
                to_tensor(rest.square[None], self._like),
                own.to(self._like),
                geometry=None if painted is None else painted.geometry,
                mouth=None if painted is None else painted.interior,
            )
        asked = onto_clip(motion, own.expand(len(motion), -1))
        asked[:, HEAD_CHANNELS] = motion[:, HEAD_CHANNELS]
        layers, mouths = self._layers(asked, self._known[rest])
        size = self._renderer.config.output_size
        to_picture = square_to_image(rest.to_picture, size)
        patches = [
            _compose(rest.picture, to_picture, square_to_image(place, size), *layer, box)
            for place, layer, box in zip(landmarks.to_image, layers, boxes, strict=True)
        ]
        painted = [np.zeros((*patch.shape[:2], 1), np.float32) for patch in patches]
        if mouths is not None and self._painter is not None:
            inside = PaintedInside.of(self._painter.mouth(references, source), mouths)
            for row, (patch, place, box) in enumerate(zip(patches, landmarks.to_image, boxes, strict=True)):
                inside.lay_over(row, patch, painted[row], place, box[:2])
        return patches, painted

    def _from_themselves(
        self, frames: list[np.ndarray], landmarks: FaceTrack, motion: Tensor, boxes: list[tuple[int, int, int, int]]
    ) -> list[np.ndarray]:
        """Every frame its own source: all but the mouth is the identity map."""
        side, size = self._renderer.config.input_size, self._renderer.config.output_size
        squares = np.stack([cut_square(f, m, side) for f, m in zip(frames, landmarks.to_image, strict=True)])
        read = torch.from_numpy(landmarks.motion).to(self._like)
        layers, _ = self._layers(motion, self._renderer.encode_source(to_tensor(squares, self._like), read))
        places = [square_to_image(place, size) for place in landmarks.to_image]
        return [
            _compose(frame, place, place, *layer, box)
            for frame, place, layer, box in zip(frames, places, layers, boxes, strict=True)
        ]

    def _layers(
        self, motion: Tensor, source: SourceFeatures
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], MouthPlacement | None]:
        """Per frame: drawn pixels times their share ``(S, S, 3)``; gate and shift of the kept ones ``(S, S, 3)``. And
        where the mouths are whose insides are painted."""
        layers, placement = self._renderer.layers(motion.to(self._like), source)
        mouth, layers = layers.mouth, replace(layers, mouth=None)  # laid over the rest in the picture's own resolution
        teeth = None if placement is None or self._renderer.teeth is None else self._renderer.teeth(placement)
        size = layers.drawn.shape[-1]
        frame, moved = compose(layers, source, teeth, size)
        gate = layers.gate.float()
        drawn = 255 * (frame.float() - gate * moved.float())
        shift = (layers.coordinates.float() - _identity(size, drawn)) * (size / 2)
        maps = torch.cat([gate, shift.permute(0, 3, 1, 2)], 1)
        return list(zip(_on_cpu(drawn), _on_cpu(maps), strict=True)), mouth


def source_shares(landmarks: FaceTrack, references: References) -> np.ndarray:
    """Share of each rest frame, and last of the frame itself, in what is drawn: ``(n, R + 1)``, rows sum to 1.

    A smooth function of the head's pose, so that no source jumps in; mostly one of them has it all.
    """
    own = OWN + OPEN * landmarks.opening
    return soft_choice(np.column_stack([rest_distances(landmarks, references), own]))


def rest_distances(landmarks: FaceTrack, references: References) -> np.ndarray:
    """How far the rest frames are from frames in pose, ``(n, R)`` degrees; an opening counts too."""
    far = np.empty((len(landmarks), len(references.rest)))
    for column, (rest, (yaw, pitch)) in enumerate(zip(references.rest, references.rest_pose, strict=True)):
        far[:, column] = np.hypot(landmarks.yaw - yaw, landmarks.pitch - pitch) + OPEN * rest.opening
    return far


def soft_choice(far: np.ndarray) -> np.ndarray:
    """Shares of things at some distances ``(n, m)``: mostly the nearest has it all; rows sum to 1."""
    shares = np.exp((far.min(1, keepdims=True) - far) / SOFTNESS)
    shares /= shares.sum(1, keepdims=True)
    shares = np.clip(shares - LEAST, 0, None)
    return shares / shares.sum(1, keepdims=True)


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


def _box(points: np.ndarray, margin: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a part of a picture (height, width) round some points."""
    limit = np.array(size[::-1])
    left, top = np.floor(points.min(0) - margin).astype(int).clip(0, limit - 2).tolist()
    right, bottom = np.ceil(points.max(0) + margin).astype(int).clip([left + 2, top + 2], limit).tolist()
    return left, top, right, bottom


def _compose(
    source: np.ndarray,
    to_source: np.ndarray,
    to_image: np.ndarray,
    drawn: np.ndarray,
    maps: np.ndarray,
    box: tuple[int, int, int, int],
) -> np.ndarray:
    """Part of a picture, float32: kept pixels from the source, drawn ones from the networks.

    Args:
        to_source, to_image: maps of the registered square into the source's and the frame's picture.
        drawn, maps: see ``RendererEngine._layers``.
        box: of the part in the frame's picture.
    """
    left, top, right, bottom = box
    size = (right - left, bottom - top)
    to_box = to_image - [[0, 0, left], [0, 0, top]]
    drawn, maps = (
        cv2.warpAffine(layer, to_box, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for layer in (drawn, maps)
    )
    between = to_source[:, :2] @ np.linalg.inv(to_box[:, :2])
    origin = to_source[:, 2] - between @ to_box[:, 2]
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    place = np.stack([x, y], -1) @ between.T + origin + maps[..., 1:] @ to_source[:, :2].T
    place = place.astype(np.float32)
    kept = cv2.remap(source, place[..., 0], place[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return drawn + maps[..., :1] * kept
