"""Turn a picture into an oil painting: curved brush strokes, coarse to fine (Hertzmann 1998), on a woven canvas."""

import cv2
import numpy as np

from tools.synthetic_people.geometry import Array

BRUSHES = (14, 7, 4, 2)  # stroke radii in pixels of a picture 512 high
ERROR_LIMIT = (0.0, 14.0, 11.0, 9.0)  # a brush paints only where the picture differs by more (8-bit colour distance)
MAX_POINTS = 9  # of a stroke


def paint(image: Array, seed: int = 0) -> Array:
    """uint8 RGB (H,W,3) -> the same size, painted; the seed fixes every stroke."""
    rng = np.random.default_rng(seed)
    unit = image.shape[0] / 512
    smooth = cv2.bilateralFilter(image, 9, 30, 7).astype(np.float32)
    canvas = np.full_like(smooth, smooth.mean((0, 1)) * 0.8)
    for brush, limit in zip(BRUSHES, ERROR_LIMIT, strict=True):
        radius = max(1, round(brush * unit))
        reference = cv2.GaussianBlur(smooth, (0, 0), 0.6 * radius)
        _paint_layer(canvas, reference, radius, limit, rng)
    return _on_canvas(canvas, unit, rng)


def _paint_layer(canvas: Array, reference: Array, radius: int, limit: float, rng: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    grey = cv2.cvtColor(reference, cv2.COLOR_RGB2GRAY)
    grey = cv2.GaussianBlur(grey, (0, 0), 1.2 * radius)
    gx, gy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    error = np.linalg.norm(canvas - reference, axis=2)
    error = cv2.blur(error, (2 * radius + 1, 2 * radius + 1))
    rows, columns = np.mgrid[0 : height : max(1, round(1.1 * radius)), 0 : width : max(1, round(1.1 * radius))]
    starts = np.stack([columns.ravel(), rows.ravel()], 1)
    starts = starts + rng.integers(-radius // 2, radius // 2 + 1, starts.shape)
    starts = np.clip(starts, 0, [width - 1, height - 1])
    for x, y in rng.permutation(starts):
        if error[y, x] < limit:
            continue
        colour = reference[y, x] * (1 + rng.normal(0, 0.025)) + rng.normal(0, 2.5, 3)
        stroke = _stroke(x, y, reference, canvas, gx, gy, radius)
        cv2.polylines(canvas, [stroke], False, tuple(float(c) for c in colour), 2 * radius, cv2.LINE_AA)


def _stroke(x: int, y: int, reference: Array, canvas: Array, gx: Array, gy: Array, radius: int) -> Array:
    """Points (K,1,2) along the contour through (x, y), ended where the colour there is no longer right."""
    height, width = gx.shape
    points = [(float(x), float(y))]
    colour, last = reference[y, x], np.zeros(2)
    for step in range(MAX_POINTS):
        row, column = int(points[-1][1]), int(points[-1][0])
        here = reference[row, column]
        if step > 2 and np.abs(here - canvas[row, column]).sum() < np.abs(here - colour).sum():
            break
        along = np.array([-gy[row, column], gx[row, column]])
        length = np.hypot(*along)
        if length < 1e-3:
            break
        along = along / length
        if along @ last < 0:
            along = -along
        last = 0.6 * along + 0.4 * last
        nx, ny = points[-1][0] + radius * last[0], points[-1][1] + radius * last[1]
        points.append((float(np.clip(nx, 0, width - 1)), float(np.clip(ny, 0, height - 1))))
    if len(points) == 1:
        points.append((min(width - 1.0, x + radius), float(y)))
    return np.round(points).astype(np.int32)[:, None]


def _on_canvas(paint_layer: Array, unit: float, rng: np.random.Generator) -> Array:
    """Light from above on the relief of the strokes, over a weave."""
    height, width = paint_layer.shape[:2]
    grey = paint_layer.mean(2)
    relief = cv2.Sobel(cv2.GaussianBlur(grey, (0, 0), 0.8 * unit), cv2.CV_32F, 0, 1) * 0.05
    row, column = np.mgrid[0:height, 0:width].astype(np.float32) / max(unit, 0.5)
    weave = np.sin(row * 2.1) * np.cos(column * 1.05) + np.sin(column * 2.1) * np.cos(row * 1.05)
    weave = weave + rng.normal(0, 0.35, (height, width))
    lit = paint_layer + np.clip(relief, -9, 9)[..., None] + 2.2 * weave[..., None]
    warm = lit * np.array([1.02, 0.99, 0.93]) + np.array([3, 1, -2])
    return np.clip(warm, 0, 255).astype(np.uint8)
