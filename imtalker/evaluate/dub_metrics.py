"""How good a dubbed video is: what is left of the old mouth, the seam, the calm and the sharpness of the patch.

All functions take plain arrays of frames or curves; frames of two clips stand for the same moments.
"""

import cv2
import numpy as np

from imtalker.dubbing.blending import soft_mask
from imtalker.evaluate.lip_sync import known_without_trend

LEAST_FRAMES = 8  # that tell a correlation
LIP_MARGIN_CM = 0.5  # round the lips that belongs to the mouth, not to the skin


def leak(dubbed: np.ndarray, old: np.ndarray, asked: np.ndarray, fps: float) -> float:
    """Partial correlation of the dubbed lip opening with the old one, the asked one being known: -1..1, 0 is right.

    Changes slower than a second are left out, as in ``lip_sync``: with them the pose of the head, which both clips have
    in common and measuring is not quite free of, would count. A curve of some seconds agrees with any other by chance
    up to about .15, and where lips follow the asked opening in a curve, what a straight line leaves of it may agree
    too; ``paired_leak`` knows neither.

    Args:
        dubbed, old, asked: (T,) openings of the mouth, any unit; frames with NaN are left out.
        fps: frames per second.
    """
    known = np.isfinite(dubbed) & np.isfinite(old) & np.isfinite(asked)
    if known.sum() < LEAST_FRAMES:
        return float("nan")
    dubbed, old, asked = (known_without_trend(curve, known, fps)[known] for curve in (dubbed, old, asked))
    rest = [_unexplained(curve, asked) for curve in (dubbed, old)]
    norm = np.sqrt((rest[0] @ rest[0]) * (rest[1] @ rest[1]))
    return float(rest[0] @ rest[1] / norm) if norm > 1e-9 else 0.0


def paired_leak(dubbed: np.ndarray, old: np.ndarray, asked: np.ndarray) -> float:
    """``leak``, measured in two clips that differ in their old mouth only and were asked for the same new one.

    Whatever both dubs have in common cancels in their difference; what is left of the difference of the old mouths in
    it is what leaks, in the measure of ``leak``.

    Args:
        dubbed, old: (2, T) openings of the mouth in both clips, any unit; frames with NaN are left out.
        asked: (T,) of both.
    """
    known = np.isfinite(dubbed).all(0) & np.isfinite(old).all(0) & np.isfinite(asked)
    if known.sum() < LEAST_FRAMES:
        return float("nan")
    apart = [_unexplained(pair[0, known] - pair[1, known], np.ones(known.sum())) for pair in (dubbed, old)]
    slope = apart[0] @ apart[1] / max(float(apart[1] @ apart[1]), 1e-12)
    spread = [
        np.sqrt(np.mean([np.square(_unexplained(curve[known], asked[known])).mean() for curve in pair]))
        for pair in (dubbed, old)
    ]
    return float(slope * spread[1] / spread[0]) if spread[0] > 1e-9 else 0.0


def _unexplained(curve: np.ndarray, given: np.ndarray) -> np.ndarray:
    """What is left of a curve (T,) after a straight line in another one."""
    line = np.stack([given, np.ones(len(given))], 1)
    return curve - line @ np.linalg.lstsq(line, curve, rcond=None)[0]


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
