"""Small plots as SVG text: no scripts, no fonts, readable on light and dark pages through the page's variables."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

COLORS = ("#3b82c4", "#e0803a", "#4ca66b", "#b65fb0", "#c9a227", "#d1495b", "#5f7d95", "#8c6d46")


def strip_plot(values: Sequence[float], names: Sequence[str], width: int = 220, height: int = 34) -> str:
    """One dot per value on a line from the smallest to the largest, a bar at the median. Hover shows the name."""
    known = [(value, name) for value, name in zip(values, names, strict=True) if np.isfinite(value)]
    if not known:
        return ""
    low, high = min(known)[0], max(known)[0]
    span = high - low or 1.0
    middle = float(np.median([value for value, _ in known]))

    def x(value: float) -> float:
        return 8 + (width - 16) * ((value - low) / span if high > low else 0.5)

    parts = [f'<line x1="8" x2="{width - 8}" y1="12" y2="12" class="axis"/>']
    parts.append(f'<line x1="{x(middle):.1f}" x2="{x(middle):.1f}" y1="4" y2="20" class="median"/>')
    for value, name in known:
        title = f"<title>{escape(name)}: {value:.4g}</title>"
        parts.append(f'<circle cx="{x(value):.1f}" cy="12" r="4.5" class="dot">{title}</circle>')
    parts.append(f'<text x="8" y="32">{low:.3g}</text>')
    if high > low:
        parts.append(f'<text x="{width - 8}" y="32" text-anchor="end">{high:.3g}</text>')
    return _svg(width, height, parts)


def line_plot(
    curves: Mapping[str, np.ndarray],
    fps: float,
    unit: str,
    highlight: Mapping[str, str] | None = None,
    width: int = 860,
    height: int = 240,
) -> str:
    """Curves over time; the highlighted ones (name -> CSS class) are thick and named, the others thin."""
    highlight = highlight or {}
    known = {name: curve for name, curve in curves.items() if np.isfinite(curve).any()}
    if not known:
        return ""
    finite = np.concatenate([curve[np.isfinite(curve)] for curve in known.values()])
    low, high = np.percentile(finite, [0.5, 99.5])
    pad = 0.08 * (high - low or 1.0)
    low, high = low - pad, high + pad
    seconds = max(len(curve) for curve in known.values()) / fps
    left, bottom = 52, height - 26

    def x(time: float) -> float:
        return left + (width - left - 12) * time / seconds

    def y(value: float) -> float:
        return bottom - (bottom - 10) * float(np.clip((value - low) / (high - low), -0.02, 1.02))

    parts = []
    for value in np.linspace(low + pad, high - pad, 4):
        parts.append(f'<line x1="{left}" x2="{width - 12}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        parts.append(f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 60) if seconds / s <= 10), 120)
    for tick in np.arange(0, seconds + 1e-6, step):
        parts.append(f'<text x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle">{tick:g} s</text>')
    parts.append(f'<text x="{left}" y="10">{escape(unit)}</text>')
    for name in sorted(known, key=lambda name: name in highlight):
        curve = known[name]
        points = " ".join(
            f"{x((i + 0.5) / fps):.1f},{y(value):.1f}" for i, value in enumerate(curve) if np.isfinite(value)
        )
        kind = highlight.get(name, "other")
        parts.append(f'<polyline points="{points}" class="curve {kind}"><title>{escape(name)}</title></polyline>')
    for row, (name, kind) in enumerate(highlight.items()):
        label = f"{escape(kind)}: {escape(name)}"
        parts.append(f'<text x="{width - 14}" y="{22 + 16 * row}" text-anchor="end" class="{kind}">{label}</text>')
    return _svg(width, height, parts)


def stacked_bar(parts_of: Mapping[str, float], unit: str, width: int = 860) -> str:
    """Shares of a whole as one bar with a legend below, biggest first."""
    entries = sorted(((v, k) for k, v in parts_of.items() if v > 0), reverse=True)
    total = sum(value for value, _ in entries)
    if not total:
        return ""
    parts, start = [], 0.0
    for index, (value, name) in enumerate(entries):
        length = width * value / total
        color = COLORS[index % len(COLORS)]
        parts.append(
            f'<rect x="{start:.1f}" y="0" width="{max(length, 0.5):.1f}" height="26" fill="{color}">'
            f"<title>{escape(name)}: {value:.3g} {escape(unit)}</title></rect>"
        )
        column, row = index % 3, index // 3
        left, top = column * width // 3, 44 + row * 20
        number = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
        label = f"{name.replace('_', ' ')}: {number} {unit} ({value / total:.0%})"
        parts.append(f'<rect x="{left}" y="{top - 10}" width="12" height="12" fill="{color}"/>')
        parts.append(f'<text x="{left + 18}" y="{top}">{escape(label)}</text>')
        start += length
    return _svg(width, 44 + 20 * ((len(entries) + 2) // 3), parts)


def log_plot(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    x_title: str,
    y_title: str,
    width: int = 420,
    height: int = 220,
) -> str:
    """Points (x, y) joined by lines, both axes logarithmic."""
    points = [point for curve in curves.values() for point in curve if point[0] > 0 and point[1] > 0]
    if not points:
        return ""
    xs, ys = np.log10(np.array(points)).T
    (x0, x1), (y0, y1) = ((a.min() - 0.05, a.max() + 0.05) for a in (xs, ys))
    left, bottom = 50, height - 34

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = left + (width - left - 14) * (np.log10(point[0]) - x0) / (x1 - x0)
        return float(x), float(bottom - (bottom - 16) * (np.log10(point[1]) - y0) / (y1 - y0))

    parts = [f'<text x="{left}" y="11">{escape(y_title)}</text>']
    parts.append(f'<text x="{width - 14}" y="{height - 4}" text-anchor="end">{escape(x_title)}</text>')
    parts.append(f'<line x1="{left}" x2="{width - 14}" y1="{bottom}" y2="{bottom}" class="axis"/>')
    for value in sorted({point[0] for point in points}):
        x, _ = place((value, points[0][1]))
        parts.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{value:g}</text>')
    for value in (10**y0, 10 ** ((y0 + y1) / 2), 10**y1):
        _, y = place((points[0][0], value))
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
        parts.append(f'<line x1="{left}" x2="{width - 14}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
    for index, (name, curve) in enumerate(curves.items()):
        color = COLORS[index % len(COLORS)]
        placed = [place(point) for point in curve if point[0] > 0 and point[1] > 0]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>' for x, y in placed]
        if len(curves) > 1:
            parts.append(f'<text x="{left + 8}" y="{28 + 15 * index}" fill="{color}">{escape(name)}</text>')
    return _svg(width, height, parts)


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    body = "".join(parts)
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{body}</svg>'
