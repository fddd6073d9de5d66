"""Lay a drawn mouth into the picture: soft mask round the old and the new face, colour and sharpness of its rim."""

import cv2
import numpy as np

from imtalker.dubbing.engine import Patch
from imtalker.dubbing.registration import pixels_per_cm
from imtalker.faces.smooth import smoothstep
from imtalker.media.planes import between, times

SPREAD_CM = 0.3  # the mask reaches beyond the hull of the landmarks by this much
FEATHER_CM = 0.8  # width of the transition
MAX_DRIFT = 12.0  # levels of colour taken away at most: more is not drift but something that moved
MATCH_SIZE = 24  # side of the grid colour differences are compared on
MEMORY = 0.8  # of what was matched in the frames before
MAX_SHARPENING = 1.0  # times the difference to a blur that is added at most


class Blender:
    """Blends patch after patch; one for a run, since colour and sharpness are matched smoothly over time."""

    def __init__(self) -> None:
        self._drift: np.ndarray | None = None
        self._sharpening: float | None = None

    def __call__(
        self, frame: np.ndarray, patch: Patch, lower: np.ndarray, to_image: np.ndarray, strength: float, fresh: bool
    ) -> None:
        """Blend a patch into a frame, in place; outside the mask nothing changes.

        Args:
            frame: uint8 RGB ``(H, W, 3)``.
            lower: landmarks of the lower face as they are in the frame, ``(K, 2)`` pixels.
            to_image: registration of the face.
            strength: 0 the frame as it is, 1 the patch.
            fresh: nothing continues from the frame before (a cut).
        """
        height, width = patch.pixels.shape[:2]
        area = frame[patch.top : patch.top + height, patch.left : patch.left + width]
        mask = soft_mask(
            np.concatenate([lower, patch.lower]) - [patch.left, patch.top], (height, width), pixels_per_cm(to_image)
        )
        old = area.astype(np.float32)
        sharp = self._sharpened(patch.pixels, old, mask, fresh)
        new = sharp if patch.painted is None else between(sharp, patch.pixels, patch.painted[..., 0])
        new = new + self._colour_drift(old - new, mask, fresh)
        mixed = between(old, new, strength * mask)
        area[:] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)

    def _sharpened(self, new: np.ndarray, old: np.ndarray, mask: np.ndarray, fresh: bool) -> np.ndarray:
        """The patch with as much fine detail as the picture has in the mask's rim, where both show the same skin."""
        rim = (mask > 0) & (mask < 0.9)
        wanted, there = (_detail(picture, rim) for picture in (old, new))
        amount = float(np.clip(wanted / max(there, 1e-3) - 1, 0, MAX_SHARPENING))
        if self._sharpening is not None and not fresh:
            amount = MEMORY * self._sharpening + (1 - MEMORY) * amount
        self._sharpening = amount
        return new + amount * (new - cv2.GaussianBlur(new, (0, 0), 1.0)) if amount > 0.01 else new

    def _colour_drift(self, difference: np.ndarray, mask: np.ndarray, fresh: bool) -> np.ndarray:
        """Smooth offset that makes the patch agree with the picture in the mask's rim."""
        size = (MATCH_SIZE, MATCH_SIZE)
        rim = ((mask > 0) & (mask < 0.9)).astype(np.float32)
        weight = cv2.resize(rim, size, interpolation=cv2.INTER_AREA)
        total = cv2.resize(times(difference, rim), size, interpolation=cv2.INTER_AREA)
        spread = MATCH_SIZE / 6
        amount = cv2.GaussianBlur(weight, (0, 0), spread)[..., None]
        drift = (cv2.GaussianBlur(total, (0, 0), spread) / (amount + 0.02)).clip(-MAX_DRIFT, MAX_DRIFT)
        if self._drift is not None and not fresh:
            drift = MEMORY * self._drift + (1 - MEMORY) * drift
        self._drift = drift
        return cv2.resize(drift, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _detail(picture: np.ndarray, where: np.ndarray) -> float:
    """Standard deviation of the finest detail of ``picture (H, W, 3)`` float32; 0 where nothing counts."""
    fine = cv2.Laplacian(cv2.transform(picture, np.full((1, 3), 1 / 3)), cv2.CV_32F)
    return float(fine[where].std()) if where.any() else 0.0


def soft_mask(points: np.ndarray, size: tuple[int, int], scale: float) -> np.ndarray:
    """Mask (height, width) float32 in 0..1: 1 inside the hull of points ``(N, 2)``, exactly 0 beyond its rim.

    Args:
        points: pixels of the mask.
        size: (height, width) of the mask.
        scale: pixels in a centimetre of the face.
    """
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    solid = np.zeros((size[0] + 2, size[1] + 2), np.uint8)  # the mask also fades at the border of the patch
    cv2.fillConvexPoly(solid, hull + 1, 1)
    solid[[0, -1]] = 0
    solid[:, [0, -1]] = 0
    inside = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5)
    spread, feather = SPREAD_CM * scale, max(2.0, FEATHER_CM * scale)
    border = np.minimum(np.arange(solid.shape[1])[None], np.arange(solid.shape[0])[:, None])
    border = np.minimum(border, border[::-1, ::-1])
    depth = np.minimum(np.where(solid > 0, inside, -outside) + spread, border)
    return smoothstep(0.0, feather, depth[1:-1, 1:-1]).astype(np.float32)
