"""How good a dubbed video is: what is left of the old mouth, the seam, the calm and the sharpness of the patch.

All functions take plain arrays of frames or curves; frames of two clips stand for the same moments.
"""

import cv2
import numpy as np

from imtalker.dubbing.blending import soft_mask

LIP_MARGIN_CM = 0.5  # round the lips that belongs to the mouth, not to the skin


def leak(dubbed: np.ndarray, old: np.ndarray, asked: np.ndarray) -> float:
    """Partial correlation of the dubbed lip opening with the old one, the asked one being known: -1..1, 0 is right.

    Args:
        dubbed, old, asked: (T,) openings of the mouth, any unit; frames with NaN are left out.
    """
    known = np.isfinite(dubbed) & np.isfinite(old) & np.isfinite(asked)
    if known.sum() < 8:
        return float("nan")
    given = np.stack([asked[known], np.ones(known.sum())], 1)
    rest = [curve[known] - given @ np.linalg.lstsq(given, curve[known], rcond=None)[0] for curve in (dubbed, old)]
    norm = np.sqrt((rest[0] @ rest[0]) * (rest[1] @ rest[1]))
    return float(rest[0] @ rest[1] / norm) if norm > 1e-9 else 0.0


def patch_masks(points: np.ndarray, size: tuple[int, int], scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The blending mask, float (H, W), and its rim, bool: where the transition lies."""
    mask = soft_mask(points, size, scale)
    return mask, (mask > 0.02) & (mask < 0.98)


def gradient(frame: np.ndarray, where: np.ndarray) -> float:
    """Mean gradient of the brightness, grey levels per pixel, over pixels ``where (H, W)``; NaN where none counts."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    size = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25))
    return float(size[where].mean()) if where.any() else float("nan")


def detail(frame: np.ndarray, where: np.ndarray) -> float:
    """Standard deviation of the finest detail (Laplacian) over pixels ``where``; NaN where none counts."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    fine = cv2.Laplacian(grey, cv2.CV_32F)
    return float(fine[where].std()) if where.any() else float("nan")


def unrest(frames: np.ndarray, where: np.ndarray) -> float:
    """Mean second difference over time, grey levels: what trembles, not what moves evenly.

    Args:
        frames: (T, H, W, 3) uint8, registered to the face.
        where: (T, H, W) bool.
    """
    if len(frames) < 3:
        return float("nan")
    stack = frames.astype(np.float32).mean(-1)
    bend = np.abs(stack[2:] - 2 * stack[1:-1] + stack[:-2])
    counted = where[1:-1]
    return float(bend[counted].mean()) if counted.any() else float("nan")


def outside_difference(result: np.ndarray, frame: np.ndarray, mask: np.ndarray) -> int:
    """Largest change outside the mask, grey levels; 0 is right.

    Pixels next to the mask do not count: distances are rounded otherwise in a whole picture than in a part of it.
    """
    difference = np.abs(result.astype(np.int16) - frame).max(-1)
    near = cv2.dilate((mask > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    return int(difference[near == 0].max(initial=0))
