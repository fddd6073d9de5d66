"""The rasteriser and the per-pixel shading, compiled. Pixel (i, j) has its centre at (i + .5, j + .5)."""

import numba as nb
import numpy as np

from imtalker.train.puppet.teeth import PLATE_HEIGHT, PLATE_SCALE, PLATE_WIDTH

HOLE_DEPTH = 0.3  # cm: mouth and eyes lie behind the rims they are stretched between
_NEAR = 1e-6
_TEETH_X, _TEETH_Y, _TEETH_K = PLATE_WIDTH / 2, PLATE_HEIGHT / 2, PLATE_SCALE


@nb.njit(cache=True, fastmath=True)
def rasterize(screen, triangles, layers, depth, index):
    """z-buffer of all triangles. screen (V,3): x, y px and depth; depth (H,W) and index (H,W) are written;
    index is the triangle seen, -1 where there is none."""
    height, width = depth.shape
    depth[:] = -1e9
    index[:] = -1
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left = max(int(np.ceil(min(x0, x1, x2) - 0.5)), 0)
        right = min(int(np.floor(max(x0, x1, x2) - 0.5)), width - 1)
        top = max(int(np.ceil(min(y0, y1, y2) - 0.5)), 0)
        bottom = min(int(np.floor(max(y0, y1, y2) - 0.5)), height - 1)
        if left > right or top > bottom:
            continue
        inverse = 1.0 / area
        d1, d2 = (y2 - y0) * inverse, -(y1 - y0) * inverse  # steps of the weights per px to the right
        z0, dz1, dz2 = screen[a, 2], screen[b, 2] - screen[a, 2], screen[c, 2] - screen[a, 2]
        if layers[t] >= 2:
            z0 -= HOLE_DEPTH
        px = left + 0.5 - x0
        for y in range(top, bottom + 1):
            py = y + 0.5 - y0
            w1 = (px * (y2 - y0) - (x2 - x0) * py) * inverse
            w2 = ((x1 - x0) * py - px * (y1 - y0)) * inverse
            for x in range(left, right + 1):
                if w1 >= -_NEAR and w2 >= -_NEAR and w1 + w2 <= 1 + _NEAR:
                    z = z0 + w1 * dz1 + w2 * dz2
                    if z > depth[y, x]:
                        depth[y, x] = z
                        index[y, x] = t
                w1 += d1
                w2 += d2


@nb.njit(cache=True, fastmath=True, inline="always")
def weights(screen, triangles, t, px, py):
    """Barycentric weights of the second and third corner of triangle t at (px, py)."""
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    x0, y0 = screen[a, 0], screen[a, 1]
    x1, y1, x2, y2 = screen[b, 0] - x0, screen[b, 1] - y0, screen[c, 0] - x0, screen[c, 1] - y0
    inverse = 1.0 / (x1 * y2 - x2 * y1)
    return ((px - x0) * y2 - x2 * (py - y0)) * inverse, (x1 * (py - y0) - (px - x0) * y1) * inverse


@nb.njit(cache=True, fastmath=True, inline="always")
def blend(values, triangles, t, w1, w2, k):
    """Interpolate column k of values (V,K) inside triangle t."""
    v0 = values[triangles[t, 0], k]
    return v0 + w1 * (values[triangles[t, 1], k] - v0) + w2 * (values[triangles[t, 2], k] - v0)


@nb.njit(cache=True, fastmath=True, inline="always")
def map_point(matrix, x, y):
    """Affine map (2,3)."""
    return matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2], matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]


@nb.njit(cache=True, fastmath=True, inline="always")
def _corner(texture, x, y):
    height, width = texture.shape[0], texture.shape[1]
    x = min(max(x - 0.5, 0.0), width - 1.001)
    y = min(max(y - 0.5, 0.0), height - 1.001)
    i, j = int(x), int(y)
    return i, j, x - i, y - j


@nb.njit(cache=True, fastmath=True, inline="always")
def sample_rgb(texture, x, y):
    """Bilinear colour at (x, y) px, clamped at the rim."""
    i, j, fx, fy = _corner(texture, x, y)
    a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    p, q, r, s = texture[j, i], texture[j, i + 1], texture[j + 1, i], texture[j + 1, i + 1]
    return (
        a * p[0] + b * q[0] + c * r[0] + d * s[0],
        a * p[1] + b * q[1] + c * r[1] + d * s[1],
        a * p[2] + b * q[2] + c * r[2] + d * s[2],
    )


@nb.njit(cache=True, fastmath=True, inline="always")
def sample_alpha(texture, x, y):
    """Bilinear fourth channel at (x, y), 0..1."""
    i, j, fx, fy = _corner(texture, x, y)
    top = texture[j, i, 3] * (1 - fx) + texture[j, i + 1, 3] * fx
    bottom = texture[j + 1, i, 3] * (1 - fx) + texture[j + 1, i + 1, 3] * fx
    return (top * (1 - fy) + bottom * fy) / 255.0


@nb.njit(cache=True, fastmath=True, inline="always")
def smooth(low, high, x):
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@nb.njit(cache=True, fastmath=True, inline="always")
def teeth_point(matrix, x, y):
    """Screen px -> px of a teeth plate."""
    u, v = map_point(matrix, x, y)
    return u * _TEETH_K + _TEETH_X, v * _TEETH_K + _TEETH_Y


@nb.njit(cache=True, fastmath=True, inline="always")
def on_teeth(u, v):
    return 0 < u < 2 * _TEETH_X and 0 < v < 2 * _TEETH_Y


@nb.njit(cache=True, fastmath=True)
def _shade_mouth(px, py, hu, hv, teeth, upper, lower, mouth):
    """Cavity, tongue, lower teeth, upper teeth, then the shadow of the lips.
    mouth: light, gap cm, tongue y cm, tongue 0..1, shade of pursed lips."""
    light, gap, tongue_y, tongue = mouth[0], mouth[1], mouth[2], mouth[3]
    c0, c1, c2 = 34 * light, 13 * light, 13 * light
    lx, ly = map_point(lower, px, py)
    ty, tx = (ly - tongue_y) / (0.95 + 0.35 * tongue), lx / 2.15
    rr = tx * tx + ty * ty
    a = 1 - smooth(0.75, 1.05, rr)
    if a > 0:
        t = light * (0.80 + 0.20 * tongue) * (1 - 0.45 * rr) * (1 - 0.14 * np.exp(-((lx / 0.16) ** 2))) * a
        c0, c1, c2 = c0 * (1 - a) + 196 * t, c1 * (1 - a) + 98 * t, c2 * (1 - a) + 96 * t
    u, v = teeth_point(lower, px, py)
    if on_teeth(u, v):
        a = 1 - sample_alpha(teeth[1], u, v)
        r, g, b = sample_rgb(teeth[1], u, v)
        c0, c1, c2 = c0 * a + 0.86 * r, c1 * a + 0.86 * g, c2 * a + 0.86 * b
    u, v = teeth_point(upper, px, py)
    if on_teeth(u, v):
        a = 1 - sample_alpha(teeth[0], u, v)
        r, g, b = sample_rgb(teeth[0], u, v)
        c0, c1, c2 = c0 * a + r, c1 * a + g, c2 * a + b
    s = (0.76 + 0.24 * smooth(0.0, 0.30, hv * gap)) * (0.86 + 0.14 * smooth(0.0, 0.2, (1 - hv) * gap))
    s *= (1 - 0.60 * abs(hu) ** 3) * (0.84 + 0.16 * smooth(0.0, 0.4, gap)) * mouth[4]
    return c0 * s, c1 * s, c2 * s


@nb.njit(cache=True, fastmath=True, inline="always")
def iris_point(eye, x, y):
    """Photo px -> iris coordinates (1 at the rim). eye: see FrameGeometry.eyes."""
    return (x - eye[2] - eye[5]) / (eye[4] * eye[7]), (y - eye[3] - eye[6]) / (eye[4] * eye[8])


@nb.njit(cache=True, fastmath=True)
def _shade_eye(px, py, hv, plate, iris, matrix, eye):
    """White, iris, shadow of the upper lid."""
    x, y = map_point(matrix, px, py)
    c0, c1, c2 = sample_rgb(plate, x - eye[0], y - eye[1])
    ix, iy = iris_point(eye, x, y)
    if ix * ix + iy * iy < 1.6:
        u, v = (ix + 1.3) / 2.6 * 64, (iy + 1.3) / 2.6 * 64
        a = sample_alpha(iris, u, v)
        r, g, b = sample_rgb(iris, u, v)
        c0, c1, c2 = c0 * (1 - a) + a * r, c1 * (1 - a) + a * g, c2 * (1 - a) + a * b
    s = (1 - eye[9] * (1 - smooth(0.0, 0.55, hv))) * (1 - 0.38 * (1 - smooth(0.0, 0.20, hv)))
    return c0 * s, c1 * s, c2 * s


@nb.njit(cache=True, fastmath=True)
def shade(
    index, depth, screen, uv, hole_uv, triangles, layers, texture, plate, plate_map, teeth, upper, lower, mouth,
    eye_plates, irises, eye_maps, eyes, image, layer, out_depth,
):  # fmt: skip
    """Colour every output pixel as the mean of its oversamples.

    index, depth: (H*s,W*s) from :func:`rasterize`. screen and all maps are in px of that oversampled raster.
    image (H,W,3) uint8, layer (H,W) uint8 and out_depth (H,W) are written.
    """
    size = image.shape[0]
    s = index.shape[0] // size
    share = 1.0 / (s * s)
    for oy in range(size):
        for ox in range(size):
            empty = True
            for sy in range(s):
                for sx in range(s):
                    if index[oy * s + sy, ox * s + sx] >= 0:
                        empty = False
            if empty:
                x, y = map_point(plate_map, (ox + 0.5) * s, (oy + 0.5) * s)
                r0, r1, r2 = sample_rgb(plate, x, y)
                image[oy, ox, 0], image[oy, ox, 1], image[oy, ox, 2] = int(r0 + 0.5), int(r1 + 0.5), int(r2 + 0.5)
                layer[oy, ox] = 0
                out_depth[oy, ox] = -1e9
                continue
            r0, r1, r2 = 0.0, 0.0, 0.0
            seen = 0
            for sy in range(s):
                for sx in range(s):
                    px, py = ox * s + sx + 0.5, oy * s + sy + 0.5
                    t = index[oy * s + sy, ox * s + sx]
                    seen = 0
                    if t < 0 or layers[t] == 1:
                        a = 0.0
                        if t >= 0:
                            w1, w2 = weights(screen, triangles, t, px, py)
                            u, v = blend(uv, triangles, t, w1, w2, 0), blend(uv, triangles, t, w1, w2, 1)
                            a = sample_alpha(texture, u, v)
                            if a > 0.001:
                                c0, c1, c2 = sample_rgb(texture, u, v)
                                r0 += a * c0
                                r1 += a * c1
                                r2 += a * c2
                        if a < 0.999:
                            x, y = map_point(plate_map, px, py)
                            c0, c1, c2 = sample_rgb(plate, x, y)
                            r0 += (1 - a) * c0
                            r1 += (1 - a) * c1
                            r2 += (1 - a) * c2
                        if a >= 0.5:
                            seen = 1
                    else:
                        seen = int(layers[t])
                        w1, w2 = weights(screen, triangles, t, px, py)
                        hu, hv = blend(hole_uv, triangles, t, w1, w2, 0), blend(hole_uv, triangles, t, w1, w2, 1)
                        if seen == 2:
                            c0, c1, c2 = _shade_mouth(px, py, hu, hv, teeth, upper, lower, mouth)
                        else:
                            e = seen - 3
                            c0, c1, c2 = _shade_eye(px, py, hv, eye_plates[e], irises[e], eye_maps[e], eyes[e])
                        r0 += c0
                        r1 += c1
                        r2 += c2
            image[oy, ox, 0] = int(min(r0 * share + 0.5, 255.0))
            image[oy, ox, 1] = int(min(r1 * share + 0.5, 255.0))
            image[oy, ox, 2] = int(min(r2 * share + 0.5, 255.0))
            layer[oy, ox] = seen
            out_depth[oy, ox] = depth[oy * s + s - 1, ox * s + s - 1]
