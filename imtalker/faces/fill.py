"""Unknown parts of a picture, continued from the known ones."""

import cv2
import numpy as np


def push_pull(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fill where weight (H,W) is 0 from coarser and coarser averages of image (H,W,3) (Gortler et al. 1996)."""
    levels = []
    values, weights = image * weight[..., None], weight.astype(np.float32)
    while min(weights.shape) > 2:
        levels.append((values, weights))
        size = (weights.shape[1] // 2, weights.shape[0] // 2)
        values = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
        weights = cv2.resize(weights, size, interpolation=cv2.INTER_AREA)
    filled = values / np.maximum(weights, 1e-6)[..., None]
    for values, weights in reversed(levels):
        filled = cv2.resize(filled, (weights.shape[1], weights.shape[0]), interpolation=cv2.INTER_CUBIC)
        known = np.clip(weights * 4, 0, 1)[..., None]
        filled = filled * (1 - known) + values / np.maximum(weights, 1e-6)[..., None] * known
    return filled
