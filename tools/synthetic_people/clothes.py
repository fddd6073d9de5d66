"""A knitted or woven top: the torso's own triangles pushed outwards, cut by a collar line."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.synthetic_people.geometry import Array
from tools.synthetic_people.head import Head
from tools.synthetic_people.lights import hsv


@dataclass(frozen=True)
class Garment:
    """Colours are linear RGB; ``pattern`` 0 plain, 1 vertical stripes, 2 horizontal stripes, 3 checks."""

    collar: Literal["crew", "vneck", "high"]
    height: float  # of the collar line over the default, dm
    colour_a: Array
    colour_b: Array
    pattern: int
    frequency: float
    knit: bool

    def uniforms(self) -> dict[str, object]:
        return {
            "colour_a": self.colour_a,
            "colour_b": self.colour_b,
            "pattern": self.pattern,
            "frequency": self.frequency,
            "knit": float(self.knit),
        }

    def mesh(self, head: Head, base: Array, surface: Array, normals: Array) -> tuple[Array, Array]:
        """Vertices (N,12) and triangles (M,3) in the rest pose; the shader cuts at the collar."""
        x, y, z = surface.T
        neck = float(base[head.joints["neck"]].mean(0)[1])
        line = neck + {"crew": -0.22, "vneck": -0.2, "high": 0.02}[self.collar] + self.height
        line = line + 0.20 * np.clip(-(z - 0.1) / 0.5, 0, 1)
        if self.collar == "vneck":
            line = line - 0.75 * np.clip(1 - np.abs(x) / 0.42, 0, 1) * (z > 0.1)
        else:
            line = line - 0.12 * np.clip(1 - np.abs(x) / 0.5, 0, 1) * (z > 0.1)
        below = line - y
        torso = (below[head.triangles] > -0.02).any(1) & (head.rest[head.triangles][:, :, 1] < 6.35).all(1)
        pushed = surface + normals * (0.035 + 0.03 * np.clip(below / 0.3, 0, 1))[:, None]
        attribute = np.stack([np.clip(0.6 + below * 1.2, 0.45, 1), below, x * 0.9 + 0.3, y * 0.9], 1)
        return np.concatenate([pushed, normals, head.uv, attribute], 1), head.triangles[torso]


def sample_garment(rng: np.random.Generator) -> Garment:
    """Muted colours more often than bright ones; most tops are plain."""
    collar: Literal["crew", "vneck", "high"] = ("crew", "vneck", "high")[rng.integers(3)]
    base = hsv(rng.random(), rng.uniform(0, 0.6) ** 1.2, rng.uniform(0.12, 0.8))
    related, other = base * rng.uniform(0.3, 2.2), hsv(rng.random(), 0.4, 0.6)
    return Garment(
        collar=collar,
        height=float(rng.uniform(-0.08, 0.05)),
        colour_a=base,
        colour_b=np.clip(related if rng.random() < 0.7 else other, 0, 0.9),
        pattern=int(rng.choice([0, 0, 0, 0, 1, 2, 3])),
        frequency=float(rng.uniform(3, 9)),
        knit=bool(rng.random() < 0.5),
    )
