"""Render a puppet: controls -> vertices -> image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from imtalker.faces.drawn_teeth import PLATE_HALF_CM
from imtalker.faces.mesh import NUM_FACE, OVAL
from imtalker.faces.motion_reading import EYE_LEVER, MEAN_PIVOT, MEAN_SCALE
from imtalker.faces.neutral import jaw_displacement
from imtalker.faces.rigid import rotation_angles, rotation_matrix
from imtalker.train.puppet.asset import PuppetAsset
from imtalker.train.puppet.controls import CONTROL_NAMES, Controls, complete
from imtalker.train.puppet.expression import express
from imtalker.train.puppet.geometry import TEXTURE_SIZE, affine_from_points
from imtalker.train.puppet.raster import interpolators, rasterize, shade, tooth_mask
from imtalker.train.puppet.topology import HOLE_UV, MOUTH, NUM_RINGS, RIGHT_EYE, TRIANGLE_LAYER, TRIANGLES

_UNIT = np.array([[0.0, 0], [1, 0], [0, 1]])


@dataclass(frozen=True, eq=False)
class FrameGeometry:
    """Where everything lies on the screen; px of the frame. Maps are (2,3) affine, screen px -> ..."""

    screen: np.ndarray  # (756,3) x, y px, depth cm
    plate: np.ndarray  # -> background plate, texture px
    upper_teeth: np.ndarray  # -> upper teeth plate, cm
    lower_teeth: np.ndarray  # -> lower teeth plate, cm
    mouth: np.ndarray  # (5,) light, gap cm, tongue height cm, tongue 0..1, shade
    eye_maps: np.ndarray  # (2,2,3) -> photo px
    # (2,10) plate corner x y, iris centre x y, radius, iris shift x y (photo px), foreshortening x y, lid shade
    eyes: np.ndarray

    def scaled(self, factor: float) -> "FrameGeometry":
        """The same frame at another size."""
        maps = np.array([1 / factor, 1 / factor, 1.0])
        return FrameGeometry(
            self.screen * [factor, factor, 1], self.plate * maps, self.upper_teeth * maps, self.lower_teeth * maps,
            self.mouth, self.eye_maps * maps, self.eyes,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    image: np.ndarray  # (size,size,3) uint8
    layer: np.ndarray  # (size,size) uint8: background, skin and hair, mouth, right eye, left eye
    depth: np.ndarray  # (size,size) float32 cm toward the camera, -1e9 where there is no mesh
    geometry: FrameGeometry
    teeth: np.ndarray  # (2,128,256,4) uint8: the person's plates, upper first

    @property
    def size(self) -> int:
        return self.image.shape[0]

    def regions(self, size: int) -> np.ndarray:
        """(4,size,size) uint8 0..255: how much of a cell is mouth opening, eye opening, iris, teeth."""
        mouth, eyes = self.layer == MOUTH, self.layer >= RIGHT_EYE
        iris = np.zeros_like(eyes)
        y, x = np.nonzero(eyes)
        side = self.layer[y, x] - RIGHT_EYE
        maps, eye = self.geometry.eye_maps[side], self.geometry.eyes[side]
        photo = np.einsum("nij,nj->ni", maps, np.stack([x + 0.5, y + 0.5, np.ones(len(x))], -1))
        offset = (photo - eye[:, 2:4] - eye[:, 5:7]) / eye[:, 7:9]
        iris[y, x] = np.hypot(*offset.T) < eye[:, 4]
        teeth = tooth_mask(mouth, self.teeth, self.geometry.upper_teeth, self.geometry.lower_teeth)
        cells = [
            cv2.resize(m.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
            for m in (mouth, eyes, iris, teeth)
        ]
        return np.round(255 * np.stack(cells)).astype(np.uint8)

    def teeth_placement(self) -> np.ndarray:
        """(2,2,3) affine maps from the screen to the plates of the upper and the lower row, both from -1 to 1."""
        half = self.size / 2
        maps = np.stack([self.geometry.upper_teeth, self.geometry.lower_teeth])
        shift = maps[..., :2].sum(-1) * half + maps[..., 2]
        return np.concatenate([maps[..., :2] * half, shift[..., None]], -1) / PLATE_HALF_CM[:, None]

    @property
    def vertices(self) -> np.ndarray:
        """(756,2) px."""
        return self.geometry.screen[:, :2]


@dataclass(frozen=True)
class _Placement:
    """Motion of the head in the camera frame of the photo: turn and scale about the pivot, then a shift."""

    turn: np.ndarray  # (3,3)
    scale: float
    pivot: np.ndarray  # (3,)
    shift: np.ndarray  # (3,)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return (points - self.pivot) @ (self.scale * self.turn).T + self.pivot + self.shift


def _place(asset: PuppetAsset, c: dict[str, float]) -> _Placement:
    turn = rotation_matrix(c["yaw"], c["pitch"], c["roll"]) @ asset.camera_rotation.T
    px_per_cm = asset.camera_scale * c["zoom"]
    scale = MEAN_SCALE * c["scale"] / px_per_cm
    view = np.array([c["view_x"], c["view_y"]]) * TEXTURE_SIZE / px_per_cm
    shift = (MEAN_PIVOT + np.array([c["tx"], c["ty"]])) * scale - view - asset.pivot[:2]
    return _Placement(turn, scale, asset.pivot, np.array([shift[0], shift[1], 0.0]))


def pose_vertices(asset: PuppetAsset, face: np.ndarray, controls: dict[str, float]) -> np.ndarray:
    """Head-frame face (468,3) -> all vertices (756,3) in the camera frame, cm."""
    place = _place(asset, controls)
    displaced = (face - asset.photo[:NUM_FACE])[list(OVAL)]
    rings = asset.photo[NUM_FACE:] + asset.falloff[:, None] * np.tile(displaced, (NUM_RINGS, 1))
    still = asset.camera.to_camera(np.concatenate([face, rings]))
    moved = place(still)
    # the outline of hair and head only rolls: it does not shrink under yaw and pitch
    rolled = replace(place, turn=rotation_matrix(0, 0, rotation_angles(place.turn)[2]))(still[NUM_FACE:])
    outline, head = asset.silhouette[:, None], asset.head_weight[:, None]
    ring = (1 - outline) * moved[NUM_FACE:] + outline * rolled
    moved[NUM_FACE:] = head * ring + (1 - head) * still[NUM_FACE:]
    return moved


def express_asset(asset: PuppetAsset, frames: Sequence[Controls]) -> np.ndarray:
    """(T,468,3) faces in the head frame, cm, of T frames; cheaper than one by one."""
    complete_frames = [complete(c) for c in frames]
    arrays = {name: np.array([c[name] for c in complete_frames]) for name in CONTROL_NAMES}
    own = (asset.photo[:NUM_FACE] - asset.neutral) * arrays["photo"][:, None, None]
    return express(asset.neutral, arrays, asset.incisal_edge) + own


def frame_geometry(asset: PuppetAsset, controls: Controls, size: int, face: np.ndarray) -> FrameGeometry:
    """Screen geometry of one frame of side ``size`` px; face: (468,3) from :func:`express_asset`."""
    c = complete(controls)
    place, camera = _place(asset, c), asset.camera
    k = size / TEXTURE_SIZE * c["zoom"]
    margin = size * ((1 - c["zoom"]) / 2 + np.array([c["view_x"], -c["view_y"]]))

    def to_screen(points: np.ndarray) -> np.ndarray:
        return camera.project(place(camera.to_camera(points))) * k + margin

    vertices = pose_vertices(asset, face, c)
    screen = np.column_stack([camera.project(vertices) * k + margin, vertices[:, 2]])

    upper, lower = asset.denture.corners()
    lower = lower + jaw_displacement(lower, c["jaw"])
    gap = max(face[13, 1] - face[14, 1], 0.0)
    pursed = min(c["pucker"] + 0.5 * c["funnel"], 1.0)
    mouth = np.array([asset.mouth_light, gap, 0.42 - 0.55 * c["tongue"], c["tongue"], 1 - 0.45 * pursed])

    eye_maps, eyes = np.zeros((2, 2, 3)), np.zeros((2, 10))
    gaze, own_gaze = np.radians([c["gx"], c["gy"]]), np.radians(asset.gaze)
    lever = (np.sin(gaze) - np.sin(own_gaze)) * EYE_LEVER
    iris_shift = asset.camera_rotation @ np.array([lever[0], lever[1], 0]) * asset.camera_scale
    for e, blink in enumerate((c["blinkR"], c["blinkL"])):
        left, right = asset.eye_corners[e]
        points = np.array([left, right, (left + right) / 2 + [0, 1.0, 0]])
        eye_maps[e] = affine_from_points(to_screen(points), camera.project(camera.to_camera(points)))
        eyes[e] = [
            *asset.eye_origins[e], *asset.iris_centres[e], asset.iris_radii[e], iris_shift[0], -iris_shift[1],
            *(np.cos(gaze) / np.cos(own_gaze)), 0.12 + 0.45 * blink,
        ]  # fmt: skip
    return FrameGeometry(
        screen=screen,
        plate=np.array([[1 / k, 0, -margin[0] / k], [0, 1 / k, -margin[1] / k]]),
        upper_teeth=affine_from_points(to_screen(upper), _UNIT),
        lower_teeth=affine_from_points(to_screen(lower), _UNIT),
        mouth=mouth,
        eye_maps=eye_maps,
        eyes=eyes,
    )


def render(
    asset: PuppetAsset,
    controls: Controls,
    size: int = 256,
    supersample: int = 2,
    background: np.ndarray | None = None,
    face: np.ndarray | None = None,
) -> RenderedFrame:
    """Render one frame of side ``size`` px with ``supersample``² samples per pixel.

    controls: any of ``DEFAULTS``, absolute; missing ones are 0 (scale, zoom 1). ``{**asset.photo_pose(), "photo": 1}``
    gives the photo back. background: (512,512,3) uint8 in place of the asset's own plate. face: (468,3) where
    :func:`express_asset` already gave it.
    """
    geometry = frame_geometry(asset, controls, size, express_asset(asset, [controls])[0] if face is None else face)
    side = size * supersample
    fine = geometry.scaled(supersample)
    depth = np.empty((side, side), np.float32)
    index = np.empty((side, side), np.int16)
    rasterize(fine.screen, TRIANGLES, TRIANGLE_LAYER, depth, index)
    maps = interpolators(fine.screen, TRIANGLES, TRIANGLE_LAYER, asset.uv, HOLE_UV)
    image = np.empty((size, size, 3), np.uint8)
    layer = np.empty((size, size), np.uint8)
    out_depth = np.empty((size, size), np.float32)
    shade(
        index, depth, maps, TRIANGLE_LAYER, asset.texture, asset.crown,
        asset.plate if background is None else background, fine.plate, asset.teeth, fine.upper_teeth,
        fine.lower_teeth, fine.mouth, asset.eye_plates, asset.irises, fine.eye_maps, fine.eyes, image, layer,
        out_depth,
    )  # fmt: skip
    return RenderedFrame(image, layer, out_depth, geometry, asset.teeth)
