"""Dense ground truth: where every pixel of one frame lies in another frame of the same puppet."""

import numba as nb
import numpy as np

from imtalker.train.puppet.asset import PuppetAsset
from imtalker.train.puppet.raster import (
    interpolators,
    iris_point,
    map_point,
    rasterize,
    sample_alpha,
    shows_tooth,
    under_crown,
)
from imtalker.train.puppet.render import RenderedFrame
from imtalker.train.puppet.topology import HOLE_UV, TRIANGLE_LAYER, TRIANGLES

_DEPTH_TOLERANCE = 0.5  # cm


def _invert(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a (2,3) affine map."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


@nb.njit(cache=True, fastmath=True)
def _match(
    index, to_source, to_texture, depths, layers, texture, crown, teeth, target_plate, source_plate, target_upper,
    source_upper, source_upper_inverse, target_lower, source_lower, target_eye_maps, source_eye_maps, target_eyes,
    source_eyes, source_layer, source_depth, tolerance, coords, valid,
):  # fmt: skip
    """Fill coords and valid. Target maps go from the target's screen, source maps to the source's screen (px).
    to_source, to_texture, depths: (N,2,3) maps of every triangle from the target's screen."""
    size, source_size = index.shape[0], source_layer.shape[0]
    for y in range(size):
        for x in range(size):
            px, py = x + 0.5, y + 0.5
            t = index[y, x]
            layer = 0
            z = 0.0
            sx, sy = 0.0, 0.0
            known = True
            if t >= 0:
                layer = int(layers[t])
                sx, sy = map_point(to_source[t], px, py)
                if layer == 1:
                    z, _ = map_point(depths[t], px, py)
                    u, v = map_point(to_texture[t], px, py)
                    u, hair = under_crown(crown, u, v)
                    if not hair or sample_alpha(texture, u, v) < 0.5:
                        layer = 0
                elif layer == 2:
                    if shows_tooth(teeth[0], target_upper, px, py):
                        cx, cy = map_point(target_upper, px, py)
                        sx, sy = map_point(source_upper, cx, cy)
                    else:
                        cx, cy = map_point(target_lower, px, py)
                        sx, sy = map_point(source_lower, cx, cy)
                        known = shows_tooth(teeth[1], target_lower, px, py)
                        if known:  # the upper row may hide it in the source
                            known = not shows_tooth(teeth[0], source_upper_inverse, sx, sy)
                else:
                    e = layer - 3
                    qx, qy = map_point(target_eye_maps[e], px, py)
                    ix, iy = iris_point(target_eyes[e], qx, qy)
                    eye = source_eyes[e]
                    if ix * ix + iy * iy < 1.1:  # the iris moves with the gaze
                        qx = eye[2] + eye[5] + ix * eye[4] * eye[7]
                        qy = eye[3] + eye[6] + iy * eye[4] * eye[8]
                    else:
                        ix, iy = iris_point(eye, qx, qy)
                        known = ix * ix + iy * iy > 1.1
                    sx, sy = map_point(source_eye_maps[e], qx, qy)
            if layer == 0:
                qx, qy = map_point(target_plate, px, py)
                sx, sy = map_point(source_plate, qx, qy)
            coords[y, x, 0] = 2 * sx / source_size - 1
            coords[y, x, 1] = 2 * sy / source_size - 1
            i, j = int(np.floor(sx)), int(np.floor(sy))
            if not known or i < 0 or j < 0 or i >= source_size or j >= source_size:
                valid[y, x] = False
            elif layer == 1:
                valid[y, x] = source_layer[j, i] == 1 and abs(source_depth[j, i] - z) < tolerance
            else:
                valid[y, x] = source_layer[j, i] == layer


def correspondence(
    asset: PuppetAsset, source: RenderedFrame, target: RenderedFrame, size: int = 128
) -> tuple[np.ndarray, np.ndarray]:
    """For every target pixel the place in the source that shows the same thing.

    Returns coords (size,size,2) float32, x and y in -1..1 as ``grid_sample(align_corners=False)`` wants them, and
    valid (size,size) bool: false where the source does not show that part (hidden, outside, mouth cavity).
    """
    to = target.geometry.scaled(size / target.size)
    of = source.geometry
    depth = np.empty((size, size), np.float32)
    index = np.empty((size, size), np.int16)
    rasterize(to.screen, TRIANGLES, TRIANGLE_LAYER, depth, index)
    screen = of.screen.astype(np.float32)
    place, depth_pair = np.ascontiguousarray(screen[:, :2]), np.ascontiguousarray(screen[:, [2, 2]])
    to_source = interpolators(to.screen, TRIANGLES, TRIANGLE_LAYER, place, place)
    depths = interpolators(to.screen, TRIANGLES, TRIANGLE_LAYER, depth_pair, depth_pair)
    to_texture = interpolators(to.screen, TRIANGLES, TRIANGLE_LAYER, asset.uv, HOLE_UV)
    coords = np.empty((size, size, 2), np.float32)
    valid = np.empty((size, size), np.bool_)
    _match(
        index, to_source, to_texture, depths, TRIANGLE_LAYER, asset.texture, asset.crown, asset.teeth, to.plate,
        _invert(of.plate), to.upper_teeth, _invert(of.upper_teeth), of.upper_teeth, to.lower_teeth,
        _invert(of.lower_teeth),
        to.eye_maps, np.stack([_invert(m) for m in of.eye_maps]), to.eyes, of.eyes, source.layer, source.depth,
        _DEPTH_TOLERANCE, coords, valid,
    )  # fmt: skip
    return coords, valid
