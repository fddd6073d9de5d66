"""Soft masks of the parts of a face in the texture map, from landmarks of the rest mesh. The same for everybody."""

from dataclasses import dataclass

import cv2
import numpy as np

from tools.synthetic_people.geometry import Array, bump, mirrored_bump
from tools.synthetic_people.hair import scalp_weight

TEXTURE_SIZE = 1024
LIP_SEAM = 6.612  # dm, height of the closed mouth's line on the rest mesh
LIP_HALF_WIDTH = 0.262


@dataclass(frozen=True)
class FaceMasks:
    """Masks (S,S) in 0..1 unless said otherwise; row 0 is v = 0."""

    position: Array  # (S,S,3) rest position
    skin: Array  # bool: part of the texture map
    inner: Array  # bool: mouth cavity and eye sockets
    face: Array  # bool
    beard: Array
    cheek: Array
    nose: Array
    eyelid: Array
    bag: Array
    oily: Array
    chin: Array
    ear: Array
    scalp: Array
    lash: Array

    def at(self, mask: Array, uv: Array) -> Array:
        """Values (V,) of a mask at texture coordinates (V,2)."""
        cell = (uv * mask.shape[0]).astype(int).clip(0, mask.shape[0] - 1)
        return mask[cell[:, 1], cell[:, 0]]

    def lips(self, upper: float, lower: float) -> Array:
        """Lip mask with its own upper and lower height (scales round 1): a cupid's bow above, one arc below."""
        x, y, z = np.moveaxis(self.position, -1, 0)
        across = np.abs(x) / LIP_HALF_WIDTH
        bow = 0.082 - 0.016 * np.exp(-((x / 0.03) ** 2)) + 0.004 * np.exp(-(((np.abs(x) - 0.055) / 0.03) ** 2))
        top = LIP_SEAM + upper * bow * np.clip(1 - across**2.2, 0, 1)
        bottom = LIP_SEAM - lower * 0.112 * np.clip(1 - across**2.6, 0, 1) ** 0.8
        lip = np.clip((top - y) / 0.014 + 0.5, 0, 1) * np.clip((y - bottom) / 0.018 + 0.5, 0, 1)
        lip = lip * (z > 1.38) * (across < 1) * ~self.inner
        return cv2.GaussianBlur(lip.astype(np.float32), (0, 0), 1.0 * self.skin.shape[0] / 1024)


def build_masks(uv_positions: Array) -> FaceMasks:
    """From the (S,S,4) map of rest positions (Rasterizer.uv_positions)."""
    position = uv_positions[..., :3]
    skin = uv_positions[..., 3] > 0
    size = len(position)
    x, y, z = np.moveaxis(position, -1, 0)
    v, u = np.mgrid[0:size, 0:size] / size
    inner = ((v < 0.14) & (u > 0.7)) | (u < 0.12)
    lip = np.clip((LIP_SEAM + 0.08 - y) / 0.02, 0, 1) * np.clip((y - LIP_SEAM + 0.11) / 0.02, 0, 1)
    lip = lip * (np.abs(x) < LIP_HALF_WIDTH) * (z > 1.38)

    def two(centre: tuple[float, float, float], sigma: tuple[float, float, float]) -> Array:
        return mirrored_bump(position, centre, sigma)

    def one(centre: tuple[float, float, float], sigma: tuple[float, float, float]) -> Array:
        return bump(position, centre, sigma)

    beard = np.clip((6.74 - y) / 0.16, 0, 1) + two((0.52, 6.78, 0.85), (0.16, 0.2, 0.25)) * 0.8
    beard = np.clip(beard, 0, 1) * np.clip((y - 6.02) / 0.14, 0, 1) * np.clip((z - 0.35) / 0.3, 0, 1)
    beard = np.maximum(beard, one((0, 6.735, 1.6), (0.2, 0.05, 0.15)) * 0.95) * (1 - np.clip(lip * 2, 0, 1)) * ~inner
    oily = one((0, 7.75, 1.5), (0.4, 0.28, 0.3)) + one((0, 7.1, 1.62), (0.1, 0.4, 0.25))
    scalp = scalp_weight(position.reshape(-1, 3)).reshape(size, size).astype(np.float32)
    return FaceMasks(
        position=position,
        skin=skin,
        inner=inner,
        face=skin & (z > 0.6) & (y > 6.2) & (y < 8.0) & ~inner,
        beard=cv2.GaussianBlur(beard.astype(np.float32), (0, 0), 5.0),
        cheek=two((0.42, 6.95, 1.25), (0.2, 0.17, 0.3)),
        nose=one((0, 6.9, 1.68), (0.1, 0.1, 0.12)),
        eyelid=two((0.31, 7.33, 1.38), (0.17, 0.085, 0.16)),
        bag=two((0.30, 7.17, 1.4), (0.15, 0.06, 0.15)),
        oily=np.clip(oily + one((0, 6.25, 1.5), (0.15, 0.12, 0.2)) * 0.6, 0, 1),
        chin=one((0, 6.3, 1.45), (0.25, 0.12, 0.3)),
        ear=two((0.78, 7.15, 0.15), (0.12, 0.3, 0.25)),
        scalp=cv2.GaussianBlur(scalp, (0, 0), 5.0) * (skin & ~inner),
        lash=two((0.31, 7.285, 1.40), (0.16, 0.028, 0.12)),
    )
