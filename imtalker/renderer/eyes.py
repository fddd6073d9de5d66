"""The eyes of a frame: lids that open and shut, and behind them eyeballs that turn, laid where the geometry says.

Attention leaves lids half-way and what is drawn beside them is a smear. As with the mouth, see ``mouth_interior``, the
face's geometry says where the lids' edges and the irises lie; the skin of the lids is moved portrait, the eyeball is
the portrait's own as far as it is seen there and painted where it is not. Nothing of it is learned.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.faces.eyeball import IRIS_EXTENT, build_eye
from imtalker.faces.lid_skin import lid_skin
from imtalker.faces.mesh import EYE_CORNERS, EYES, IRISES, closed_loop
from imtalker.faces.motion_reading import EYE_LEVER, GAZE_ZERO, SQUARE
from imtalker.faces.tone import Tone
from imtalker.renderer.bands import BandFrame, axes_along, smoothstep
from imtalker.renderer.landmark_guide import FaceGeometry, gaze_sine
from imtalker.renderer.lids import LidLines, LidSkinPlaces, skin_places
from imtalker.renderer.portrait_part import HALF_PIXEL, PortraitPart, face_unit, single

PLATE, SKIN = (96, 160), (96, 144)  # texels of the white of an eye, and of the skin round it
RIM = 0.004  # half sides of the square, over which an eyeball appears along a lid
MARGIN = 0.25  # cm within the ring round an eye, over which the lids pass into what the networks make
ALIKE = (0.03, 0.1)  # cm of another opening, and
LOOKS_ALIKE = (0.05, 0.2)  # radii of the iris of another gaze: up to the first all of the eyeball is the portrait's
LOOKS_AWAY = (0.1, 0.3)  # the same, over which the portrait's own eyeball, its iris moved, gives way to a painted one
TURNS_ALONG = (1.1, 1.8)  # radii from the iris's middle, over which what moves with it ends
SHADOW, SHADOW_CM = 0.2, 0.3  # of an upper lid that has moved, on a painted eyeball; more pulls irises up to the eye
MEETING = (0.5, 0.95)  # how far an eye is shut: its edges come to meet, and lashes hang down
CLOSING = (0.15, 0.4)  # the same, from which it is a lid that is stretched and not a head that is turned
EDGE_CM = (0.08, 0.2)  # cm from edges that meet, on which only smooth skin is seen
LASHES_CM = (0.08, 0.2)  # cm over which they end
FOLD_CM = (0.3, 0.55)  # cm from there, over which folds of the open upper lid are gone
UNLIKE = (0.04, 0.2)  # by what lashes and folds differ from the light of smooth skin, to give way to it
LINE_CM = 0.04  # width of the line where lids meet
SHUT = 0.3  # share of its opening below which an eye of the portrait shows nothing of what is behind it


@dataclass(frozen=True, eq=False)
class EyePlacement:
    """Where the eyes are in B frames; the square goes from -1 to 1."""

    lids: tuple[LidLines, LidLines]
    irises: Tensor  # (B, 2, 2)
    unit: Tensor  # (B,) half sides of the square in a centimetre of the face

    def __getitem__(self, frames: slice) -> "EyePlacement":
        left, right = self.lids
        return EyePlacement((left[frames], right[frames]), self.irises[frames], self.unit[frames])


@dataclass(frozen=True, eq=False)
class Eyes(PortraitPart):
    """Both eyes of one person, the image's left one first: single precision."""

    edges: Tensor  # (2, 1, 2, P, 2) of the portrait's lids, see ``LidLines``
    rings: Tensor  # (2, 1, 2, P, 2)
    unit: Tensor  # () half sides of the square in a centimetre of the face, in the portrait
    whites: Tensor  # (2, 4, h, w) in [0, 1], and how far they are the portrait's own
    boxes: Tensor  # (2, 2, 2) their corners in the portrait's square
    irises: Tensor  # (2, 4, n, n) colour and opacity in [0, 1]
    centres: Tensor  # (2, 2) of the irises in the portrait's square
    radii: Tensor  # (2,)
    skin: Tensor  # (2, 4, h, w) in [0, 1], smooth skin, and half of the portrait's light over its
    skin_boxes: Tensor  # (2, 2, 2) its corners in the portrait's square
    lines: Tensor  # (2,) light that the line along an upper lid's edge leaves
    shift: Tensor  # (2, 2) cm, from where the landmarks put an iris to where it is: of eyes that are shut

    @classmethod
    def of(cls, square: np.ndarray, points: np.ndarray, geometry: FaceGeometry) -> "Eyes":
        """Of the person in a square (512,512,3) uint8 with landmarks (478,3)."""
        unit = face_unit(geometry.motion[None])[0]
        shares = geometry.lid_shares(geometry.motion[None])[0]
        tone = Tone.of(square, points)
        lids = LidLines.through(geometry.landmarks[None])
        gaze = gaze_sine(geometry.motion[None])[0] * EYE_LEVER
        layers, shifts = [], []
        for eye, corners, iris, share in zip(EYES, EYE_CORNERS, IRISES, shares, strict=True):
            shift, unseen_at = torch.zeros(2), None
            if share < SHUT:
                ahead = geometry.head[list(corners)].mean(0)[:2] + torch.from_numpy(GAZE_ZERO).float()
                shift = ahead + gaze - geometry.head[iris[0], :2]
                moved = (geometry.landmarks[iris[0]] + (shift - gaze) * unit * torch.tensor([1.0, -1.0])).numpy()
                unseen_at = (moved + 1) * (SQUARE / 2) - HALF_PIXEL
            # it is cut out by the numbers of pixels
            layers.append(build_eye(square, points - HALF_PIXEL, eye, iris, float(unit) * SQUARE / 2, unseen_at))
            shifts.append(shift)
        whites, boxes = [], []
        for layer, share in zip(layers, shares, strict=True):
            height, width = layer.plate.shape[:2]
            colour = tone(layer.plate) if share < SHUT else layer.plate
            own = layer.seen[..., None] * 255.0
            whites.append(cv2.resize(np.concatenate([colour, own], -1), PLATE[::-1], interpolation=cv2.INTER_AREA))
            boxes.append(np.stack([layer.origin, layer.origin + np.array([width, height])]))
        skins = [lid_skin(square, points[closed_loop(*eye), :2], float(unit) * SQUARE / 2) for eye in EYES]
        skin = [np.concatenate([skin.skin, skin.lashes[..., None] * 127.5], -1) for skin in skins]
        skin_boxes = [np.stack([skin.origin, skin.origin + np.array(skin.skin.shape[1::-1])]) for skin in skins]
        irises = [np.concatenate([tone(layer.iris[..., :3]), layer.iris[..., 3:]], -1) for layer in layers]
        return cls(
            edges=torch.stack([lines.edge for lines in lids]),
            rings=torch.stack([lines.ring for lines in lids]),
            unit=unit,
            whites=single(np.stack(whites)).permute(0, 3, 1, 2) / 255,
            boxes=single(np.stack(boxes)) / (SQUARE / 2) - 1,
            irises=single(np.stack(irises)).permute(0, 3, 1, 2) / 255,
            centres=single(np.stack([layer.centre + HALF_PIXEL for layer in layers])) / (SQUARE / 2) - 1,
            radii=single(np.array([layer.radius for layer in layers])) / (SQUARE / 2),
            skin=single(np.stack([cv2.resize(s, SKIN[::-1]) for s in skin])).permute(0, 3, 1, 2) / 255,
            skin_boxes=single(np.stack(skin_boxes)) / (SQUARE / 2) - 1,
            lines=single(np.array([s.line for s in skins])),
            shift=torch.stack(shifts),
        )

    def place(self, motion: Tensor, landmarks: Tensor) -> EyePlacement:
        """For motions ``(B, 32)`` and where they bring the landmarks, ``(B, N, 2)``."""
        unit = face_unit(motion.float())
        shift = self.shift * self.shift.new_tensor([1.0, -1.0]) * unit[:, None, None]
        irises = landmarks[:, [iris[0] for iris in IRISES]].float() + shift
        return EyePlacement(LidLines.through(landmarks), irises, unit)

    def paint(self, placement: EyePlacement, size: int, picture: Tensor, reach: float) -> list[tuple[Tensor, int, int]]:
        """Of either eye, colour times opacity, and opacity, ``(B, 4, h, w)`` in [0, 1] of the part of the frames of
        ``size`` pixels in which its lids lie, and the left and top pixel of that part.

        ``picture (1, 3, P, P)``, ``reach``: see ``SourceFeatures``.
        """
        return [self._paint(eye, placement, size, picture, reach) for eye in range(2)]

    def _paint(
        self, eye: int, placement: EyePlacement, size: int, picture: Tensor, reach: float
    ) -> tuple[Tensor, int, int]:
        source = LidLines(self.edges[eye], self.rings[eye])
        lines, unit = placement.lids[eye], placement.unit[:, None, None]
        part = BandFrame.round(lines.ring, size, along=lines.edge)
        skin = skin_places(part, lines, source, placement.unit, self.unit)
        to_portrait = _to_portrait(lines, source, placement.unit, self.unit)
        origin = lines.edge[:, 0, 0]
        ball = _mapped(part.screen - origin[:, None, None], to_portrait) + source.edge[:, 0, 0, None, None]
        iris = _mapped((placement.irises[:, eye] - origin)[:, None, None], to_portrait)[:, 0, 0] + source.edge[:, 0, 0]
        turn, radius = iris - self.centres[eye], self.radii[eye]
        far = torch.hypot(*(ball - iris[:, None, None]).unbind(-1))[..., None] / radius
        own_ball = ball - turn[:, None, None] * (1 - smoothstep(*TURNS_ALONG, far))
        skin_colour, own = _looked_up(picture, torch.cat([skin.skin, own_ball], 1) / reach).chunk(2, 2)
        painted = self._eyeball(eye, ball, iris)
        seen = self._white(eye, own_ball, slice(3, 4))
        turned = turn.norm(dim=-1) / radius
        other_look = smoothstep(*LOOKS_ALIKE, turned)
        opening = lines.opening / placement.unit - source.opening / self.unit
        other = torch.maximum(other_look, smoothstep(*ALIKE, opening.abs()))[:, None, None, None]
        kept = torch.maximum(seen * (1 - smoothstep(*LOOKS_AWAY, turned))[:, None, None, None], 1 - other)
        dark = SHADOW * (1 - smoothstep(0.0, SHADOW_CM, skin.below / unit))[:, None] * other
        inside = torch.lerp(painted * (1 - dark), own, kept)
        open_ = (skin.inside / RIM).clamp(0, 1)[:, None]
        colour = torch.lerp(self._lids(eye, skin, skin_colour), inside, open_)
        opacity = smoothstep(0.0, MARGIN, skin.in_ring / unit)[:, None]
        return torch.cat([colour * opacity, opacity], 1), part.left, part.top

    def _lids(self, eye: int, places: LidSkinPlaces, moved: Tensor) -> Tensor:
        """Lids ``(B, 3, h, w)`` of which ``moved`` is what the portrait shows: smooth where they are stretched and at
        edges that meet, with the upper lashes over the lower lid where the eye is shut."""
        if not bool((places.shut > CLOSING[0]).any()):
            return moved
        low, high = self.skin_boxes[eye]
        both = (torch.cat([places.skin, places.lashes], 1) - low) / (high - low) * 2 - 1
        smooth, lashes = _looked_up(self.skin[eye, None], both).chunk(2, 2)
        meets = smoothstep(*MEETING, places.shut)
        closes = smoothstep(*CLOSING, places.shut)
        fold = places.upper * meets * (1 - smoothstep(*FOLD_CM, places.away))
        unlike = smoothstep(*UNLIKE, (1 - 2 * smooth[:, 3]).abs()) * torch.maximum(closes * places.smooth, fold)
        edge = meets * (1 - smoothstep(*EDGE_CM, places.away))
        colour = torch.lerp(moved, smooth[:, :3], torch.maximum(unlike, edge)[:, None])
        line = meets * torch.exp(-((places.away / LINE_CM) ** 2)) * (1 - self.lines[eye])
        shadow = (
            meets * (1 - places.upper) * (1 - smoothstep(*LASHES_CM, places.away)) * (1 - 2 * lashes[:, 3]).clamp(min=0)
        )
        return colour * (1 - torch.maximum(line, shadow)[:, None])

    def _eyeball(self, eye: int, places: Tensor, iris: Tensor) -> Tensor:
        """Painted colours ``(B, 3, h, w)`` at ``places (B, h, w, 2)`` of the portrait's square with the iris at
        ``iris (B, 2)``."""
        disc = (places - iris[:, None, None]) / (self.radii[eye] * IRIS_EXTENT)
        layer = F.grid_sample(self.irises[eye].expand(len(places), -1, -1, -1), disc, align_corners=False)
        return torch.lerp(self._white(eye, places, slice(0, 3)), layer[:, :3], layer[:, 3:])

    def _white(self, eye: int, places: Tensor, channels: slice) -> Tensor:
        """``whites`` at places ``(B, h, w, 2)`` of the portrait's square, ``(B, C, h, w)``."""
        low, high = self.boxes[eye]
        return _looked_up(self.whites[eye, None, channels], (places - low) / (high - low) * 2 - 1)


def _to_portrait(lines: LidLines, source: LidLines, unit: Tensor, source_unit: Tensor) -> Tensor:
    """Linear maps ``(B, 2, 2)`` of an eye's plane from frames to the portrait: corners to corners, heights by the size
    of the face."""
    scale = torch.stack([source.width / lines.width, source_unit / unit], -1)
    return axes_along(source.edge[:, 0]).mT @ (scale[..., None] * axes_along(lines.edge[:, 0]))


def _mapped(points: Tensor, maps: Tensor) -> Tensor:
    return torch.einsum("bhwk,bck->bhwc", points, maps)


def _looked_up(picture: Tensor, places: Tensor) -> Tensor:
    """Colours ``(B, C, h, w)`` of ``picture (1, C, H, W)`` at ``places (B, h, w, 2)`` in [-1, 1].

    For so few pixels and channels this is faster than ``resample_coordinates``.
    """
    return F.grid_sample(
        picture.float().expand(len(places), -1, -1, -1), places, padding_mode="border", align_corners=False
    )
