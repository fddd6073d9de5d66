"""High dynamic range and wide gamut to the colours of a screen (BT.709), as a look-up table that FFmpeg applies.

Transfer functions: ITU-R BT.2100 (HLG, PQ); a display of 1000 cd/m2 for HLG; diffuse white at 203 cd/m2 (BT.2408)
becomes the white of the result, what is brighter is rolled off. Primaries: BT.2020 and P3 (D65).
"""

import os
import tempfile
from contextlib import suppress
from fractions import Fraction

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

WHITE = 203.0  # cd/m2 that become white
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2
KNEE = 0.8  # of white, from where highlights are rolled off
GAMMA = 2.4  # of a BT.1886 display
TABLE = 33  # points a side; the table is interpolated
TIME_BASE = Fraction(1, 1000)  # FFmpeg's filters want one; it does not matter here
PQ, HLG = 16, 18  # H.273 code points of the transfer
BT2020, P3_DCI, P3 = 9, 11, 12  # and of the primaries
TO_BT709 = {
    BT2020: np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]),
    P3: np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]]),
}
TO_BT709[P3_DCI] = TO_BT709[P3]


class ScreenColours:
    """Callable: a frame of one kind -> the same as 8-bit RGB for a BT.709 screen.

    Args:
        transfer, primaries: H.273 code points, as the frames say.
    """

    def __init__(self, transfer: int, primaries: int):
        self._table = _cube(transfer, primaries)
        self._graph: Graph | None = None
        self._setup: tuple | None = None

    def __call__(self, frame: VideoFrame, height: int, width: int) -> np.ndarray:
        """uint8 RGB ``(height, width, 3)``."""
        deep = frame.reformat(format="gbrp12le", height=height, width=width, interpolation="AREA")
        setup = (deep.width, deep.height)
        if self._graph is None or setup != self._setup:
            self._graph, self._setup = self._build(deep), setup
        self._graph.push(deep)
        result = self._graph.pull()
        assert isinstance(result, VideoFrame)
        return result.to_ndarray(format="rgb24")

    def _build(self, frame: VideoFrame) -> Graph:
        handle, path = tempfile.mkstemp(suffix=".cube", prefix="imtalker-")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(self._table)
            graph = Graph()
            source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=TIME_BASE)
            table = graph.add("lut3d", file=path, interp="tetrahedral")
            sink = graph.add("buffersink")
            source.link_to(table)
            table.link_to(sink)
            graph.configure()
            return graph
        finally:
            with suppress(OSError):
                os.unlink(path)


def needs_conversion(frame: VideoFrame) -> bool:
    """Whether a frame would look wrong if it were shown as BT.709."""
    return int(frame.color_trc) in (PQ, HLG) or int(frame.color_primaries) in TO_BT709


def to_screen(colours: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Encoded colours ``(..., 3)`` in 0..1 -> encoded BT.709 colours in 0..1."""
    light = {PQ: _pq_light, HLG: _hlg_light}.get(transfer, lambda value: value**GAMMA)(colours)
    light = np.maximum(light @ TO_BT709.get(primaries, np.eye(3)).T, 0.0)
    if transfer in (PQ, HLG):
        peak = light.max(axis=-1, keepdims=True)  # one factor for all three: highlights keep their hue
        light = light * (_rolled_off(peak) / np.maximum(peak, 1e-9))
    return np.clip(light, 0.0, 1.0) ** (1 / GAMMA)


def _pq_light(value: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, in units of white."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = value ** (1 / m2)
    return 10_000 / WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg_light(value: np.ndarray) -> np.ndarray:
    """ARIB STD-B67 on a display of 1000 cd/m2, in units of white."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    luminance = scene @ np.array([[0.2627], [0.6780], [0.0593]])
    return HLG_PEAK / WHITE * scene * np.maximum(luminance, 1e-9) ** (HLG_GAMMA - 1)


def _rolled_off(light: np.ndarray) -> np.ndarray:
    """1 at the most, equal below the knee, smooth there."""
    over = np.maximum(light - KNEE, 0.0) / (1.0 - KNEE)
    return np.minimum(light, KNEE) + (1.0 - KNEE) * over / (1.0 + over)


def _cube(transfer: int, primaries: int) -> str:
    """The table as an Adobe cube file; red changes fastest."""
    steps = np.linspace(0.0, 1.0, TABLE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    colours = to_screen(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer, primaries)
    lines = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in colours)
    return f"LUT_3D_SIZE {TABLE}\n{lines}\n"
