"""The rasteriser and the per-pixel shading, compiled. Pixel (i, j) has its centre at (i + .5, j + .5)."""

import numba as nb
import numpy as np

from imtalker.faces.drawn_teeth import PLATE_HEIGHT, PLATE_SCALE, PLATE_WIDTH

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
            entered = False
            for x in range(left, right + 1):
                if w1 >= -_NEAR and w2 >= -_NEAR and w1 + w2 <= 1 + _NEAR:
                    entered = True
                    z = z0 + w1 * dz1 + w2 * dz2
                    if z > depth[y, x]:
                        depth[y, x] = z
                        index[y, x] = t
                elif entered:
                    break
                w1 += d1
                w2 += d2


@nb.njit(cache=True, fastmath=True)
def interpolators(screen, triangles, layers, uv, hole_uv):
    """(N,2,3) affine maps of every triangle from screen px to texture px (skin) or hole coordinates (the rest)."""
    maps = np.zeros((triangles.shape[0], 2, 3))
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = screen[a, 0], screen[a, 1]
        x1, y1, x2, y2 = screen[b, 0] - x0, screen[b, 1] - y0, screen[c, 0] - x0, screen[c, 1] - y0
        area = x1 * y2 - x2 * y1
        if abs(area) < 1e-9:
            continue
        values = uv if layers[t] == 1 else hole_uv
        for k in range(2):
            d1, d2 = values[b, k] - values[a, k], values[c, k] - values[a, k]
            maps[t, k, 0] = (d1 * y2 - d2 * y1) / area
            maps[t, k, 1] = (d2 * x1 - d1 * x2) / area
            maps[t, k, 2] = values[a, k] - maps[t, k, 0] * x0 - maps[t, k, 1] * y0
    return maps


@nb.njit(cache=True, fastmath=True, inline="always")
def map_point(matrix, x, y):
    """Affine map (2,3)."""
    return matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2], matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]


@nb.njit(cache=True, fastmath=True, inline="always")
def _corner(texture, x, y):
    x = min(max(x - 0.5, 0.0), texture.shape[1] - 1.001)
    y = min(max(y - 0.5, 0.0), texture.shape[0] - 1.001)
    i, j = np.uint32(x), np.uint32(y)  # unsigned: no check for negative indices
    fx, fy = np.float32(x - i), np.float32(y - j)
    one = np.float32(1)
    return i, j, (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy


@nb.njit(cache=True, fastmath=True, inline="always")
def _mix(texture, i, j, k, a, b, c, d):
    one = np.uint32(1)
    return (
        a * texture[j, i, k]
        + b * texture[j, i + one, k]
        + c * texture[j + one, i, k]
        + d * texture[j + one, i + one, k]
    )


@nb.njit(cache=True, fastmath=True, inline="always")
def sample_rgb(texture, x, y):
    """Bilinear colour at (x, y) px, clamped at the rim."""
    i, j, a, b, c, d = _corner(texture, x, y)
    return (
        _mix(texture, i, j, np.uint32(0), a, b, c, d),
        _mix(texture, i, j, np.uint32(1), a, b, c, d),
        _mix(texture, i, j, np.uint32(2), a, b, c, d),
    )


@nb.njit(cache=True, fastmath=True, inline="always")
def sample_rgba(texture, x, y):
    """Bilinear colour and alpha (0..1) at (x, y) px, clamped at the rim."""
    i, j, a, b, c, d = _corner(texture, x, y)
    return (
        _mix(texture, i, j, np.uint32(0), a, b, c, d),
        _mix(texture, i, j, np.uint32(1), a, b, c, d),
        _mix(texture, i, j, np.uint32(2), a, b, c, d),
        _mix(texture, i, j, np.uint32(3), a, b, c, d) / np.float32(255),
    )


@nb.njit(cache=True, fastmath=True, inline="always")
def sample_alpha(texture, x, y):
    """Bilinear fourth channel at (x, y), 0..1."""
    i, j, a, b, c, d = _corner(texture, x, y)
    return _mix(texture, i, j, np.uint32(3), a, b, c, d) / np.float32(255)


@nb.njit(cache=True, fastmath=True, inline="always")
def under_crown(crown, u, v):
    """Round off hair that the photo's upper edge cuts: the column to look up for (u, v), and whether hair is there."""
    if v >= 0:
        return u, True
    t = -v / (crown[2] + 1e-6)
    if t >= 1:
        return u, False
    return crown[0] + (u - crown[0]) / np.sqrt(1 - t * t), True


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
        r, g, b, a = sample_rgba(teeth[1], u, v)
        a = 1 - a
        c0, c1, c2 = c0 * a + 0.86 * r, c1 * a + 0.86 * g, c2 * a + 0.86 * b
    u, v = teeth_point(upper, px, py)
    if on_teeth(u, v):
        r, g, b, a = sample_rgba(teeth[0], u, v)
        a = 1 - a
        c0, c1, c2 = c0 * a + r, c1 * a + g, c2 * a + b
    s = (0.76 + 0.24 * smooth(0.0, 0.30, hv * gap)) * (0.86 + 0.14 * smooth(0.0, 0.2, (1 - hv) * gap))
    s *= (1 - 0.60 * abs(hu) ** 3) * (0.84 + 0.16 * smooth(0.0, 0.4, gap)) * mouth[4]
    return c0 * s, c1 * s, c2 * s


@nb.njit(cache=True, fastmath=True)
def shows_tooth(plate, matrix, x, y):
    """Whether a plate of teeth is opaque at screen px x, y."""
    u, v = teeth_point(matrix, x, y)
    return on_teeth(u, v) and sample_alpha(plate, u, v) > 0.5


@nb.njit(cache=True, fastmath=True)
def tooth_mask(mouth, teeth, upper, lower):
    """(H,W) bool: pixels of the opening ``mouth (H,W)`` bool that show a tooth. upper, lower: screen px -> cm."""
    found = np.zeros_like(mouth)
    rows, columns = np.nonzero(mouth)
    for y, x in zip(rows, columns):  # noqa: B905 (numba has no strict)
        px, py = x + 0.5, y + 0.5
        found[y, x] = shows_tooth(teeth[0], upper, px, py) or shows_tooth(teeth[1], lower, px, py)
    return found


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
        r, g, b, a = sample_rgba(iris, u, v)
        c0, c1, c2 = c0 * (1 - a) + a * r, c1 * (1 - a) + a * g, c2 * (1 - a) + a * b
    s = (1 - eye[9] * (1 - smooth(0.0, 0.55, hv))) * (1 - 0.38 * (1 - smooth(0.0, 0.20, hv)))
    return c0 * s, c1 * s, c2 * s


@nb.njit(cache=True, fastmath=True)
def shade(
    index, depth, maps, layers, texture, crown, plate, plate_map, teeth, upper, lower, mouth, eye_plates, irises,
    eye_maps, eyes, image, layer, out_depth,
):  # fmt: skip
    """Colour every output pixel as the mean of its oversamples.

    index, depth: (H*s,W*s) from :func:`rasterize`; maps: from :func:`interpolators`. All maps take px of that
    oversampled raster. image (H,W,3) uint8, layer (H,W) uint8 and out_depth (H,W) are written.
    """
    size = image.shape[0]
    s = index.shape[0] // size
    for oy in range(size):
        for ox in range(size):
            empty, plain = True, True
            for sy in range(s):
                for sx in range(s):
                    t = index[oy * s + sy, ox * s + sx]
                    empty = empty and t < 0
                    plain = plain and t >= 0 and layers[t] == 1
            if empty:
                x, y = map_point(plate_map, (ox + 0.5) * s, (oy + 0.5) * s)
                r0, r1, r2 = sample_rgb(plate, x, y)
                image[oy, ox, 0], image[oy, ox, 1], image[oy, ox, 2] = int(r0 + 0.5), int(r1 + 0.5), int(r2 + 0.5)
                layer[oy, ox] = 0
                out_depth[oy, ox] = -1e9
                continue
            r0, r1, r2 = np.float32(0), np.float32(0), np.float32(0)
            seen = 0
            count = np.float32(0)
            for sy in range(s):
                for sx in range(s):
                    if plain and (sx + sy) % 2 == 1:
                        continue  # inside the skin every other sample is enough
                    count += np.float32(1)
                    px, py = ox * s + sx + 0.5, oy * s + sy + 0.5
                    t = index[oy * s + sy, ox * s + sx]
                    seen = 0
                    a = np.float32(0)
                    if t >= 0:
                        u, v = map_point(maps[t], px, py)
                        seen = int(layers[t])
                        if seen == 1:
                            u, hair = under_crown(crown, u, v)
                            c0, c1, c2, a = sample_rgba(texture, u, v)
                            if not hair:
                                a = np.float32(0)
                            seen = 1 if a >= 0.5 else 0
                        elif seen == 2:
                            c0, c1, c2 = _shade_mouth(px, py, u, v, teeth, upper, lower, mouth)
                            a = np.float32(1)
                        else:
                            e = seen - 3
                            c0, c1, c2 = _shade_eye(px, py, v, eye_plates[e], irises[e], eye_maps[e], eyes[e])
                            a = np.float32(1)
                        r0 += a * c0
                        r1 += a * c1
                        r2 += a * c2
                    if a < 0.999:
                        x, y = map_point(plate_map, px, py)
                        c0, c1, c2 = sample_rgb(plate, x, y)
                        r0 += (1 - a) * c0
                        r1 += (1 - a) * c1
                        r2 += (1 - a) * c2
            image[oy, ox, 0] = int(min(r0 / count + 0.5, 255.0))
            image[oy, ox, 1] = int(min(r1 / count + 0.5, 255.0))
            image[oy, ox, 2] = int(min(r2 / count + 0.5, 255.0))
            layer[oy, ox] = seen
            out_depth[oy, ox] = depth[oy * s + s - 1, ox * s + s - 1]
