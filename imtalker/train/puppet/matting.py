"""Separate the person from the background: alpha, foreground colours, and a background plate without the person."""

import cv2
import numpy as np

from imtalker.faces.fill import push_pull
from imtalker.faces.smooth import smoothstep


def face_hull(landmarks: np.ndarray, size: int) -> np.ndarray:
    """(size,size) uint8, 1 inside the convex hull of the face landmarks (px)."""
    hull = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(landmarks[:468, :2].astype(np.int32)), 1)
    return hull


def estimate_person_mask(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Rough person probability (H,W) float32 in 0..1 of a head-and-shoulders crop (H,W,3) uint8.

    GrabCut (Rother et al. 2004), seeded by the face, the neck and the shoulders below it, and by the upper rim.
    Only a start for :func:`refine_matte`; any segmentation network can take its place.
    """
    size = 256
    k = size / rgb.shape[0]
    small = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA)
    points = landmarks[:468, :2] * k
    low, high = points.min(0), points.max(0)
    width, height = high - low
    centre = (low + high) / 2
    yy, xx = np.mgrid[:size, :size]
    face = face_hull(landmarks * k, size) > 0
    head = ((xx - centre[0]) / (0.78 * width)) ** 2 + ((yy - (centre[1] - 0.12 * height)) / (0.88 * height)) ** 2 < 1
    below = yy > high[1] - 0.05 * height
    beside, drop = np.abs(xx - centre[0]), yy - high[1]
    body = below & (beside < 0.28 * width + 2.2 * np.maximum(drop - 0.09 * height, 0))
    likely = head | (below & (beside < 0.45 * width + 3 * np.maximum(drop, 0)))
    mask = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    far = ~head & ~below & (beside > 1.02 * width)
    rim = (yy < 3) | (((xx < 3) | (xx >= size - 3)) & (yy < high[1]))
    mask[far | (rim & ~head)] = cv2.GC_BGD
    mask[face | body] = cv2.GC_FGD
    cv2.grabCut(cv2.GaussianBlur(small, (0, 0), 1), mask, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 4,
                cv2.GC_INIT_WITH_MASK)  # fmt: skip
    person = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    person = cv2.morphologyEx(person, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(person)
    if count > 2:  # keep what hangs together with the face
        person = (labels == np.bincount(labels[face & (person > 0)]).argmax()).astype(np.uint8)
    soft = cv2.GaussianBlur(person.astype(np.float32), (0, 0), 2)
    return cv2.resize(soft, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)


def refine_matte(rgb: np.ndarray, landmarks: np.ndarray, person_mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Alpha (H,W) and foreground colours (H,W,3) in 0..255 by closed-form matting (Levin et al. 2008) at half size."""
    from pymatting import estimate_alpha_cf, estimate_foreground_ml  # slow to import, needed only here

    size = rgb.shape[0]
    mask = cv2.GaussianBlur(person_mask.astype(np.float32), (0, 0), 3)
    hull = face_hull(landmarks, size)
    certain = cv2.erode((mask > 0.85).astype(np.uint8), np.ones((13, 13))) | hull
    outside = cv2.erode((mask < 0.12).astype(np.uint8), np.ones((15, 15))) & (1 - hull)
    trimap = np.where(certain > 0, 1.0, np.where(outside > 0, 0.0, 0.5))
    half = (size // 2, size // 2)
    small = cv2.resize(rgb, half, interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    trimap = cv2.resize(trimap, half, interpolation=cv2.INTER_NEAREST)
    alpha = estimate_alpha_cf(
        small, trimap, laplacian_kwargs={"epsilon": 1e-5}, cg_kwargs={"maxiter": 250, "rtol": 1e-5}
    )
    alpha = np.clip((alpha - 0.04) / 0.92, 0, 1)
    colours = np.asarray(estimate_foreground_ml(small, alpha), np.float32) * 255
    alpha = cv2.resize(alpha.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.resize(colours, (size, size), interpolation=cv2.INTER_CUBIC)
    own = smoothstep(0.80, 0.98, alpha)[..., None]
    return alpha, (rgb * own + colours * (1 - own)).clip(0, 255)


def background_plate(rgb: np.ndarray, alpha: np.ndarray, person_mask: np.ndarray) -> np.ndarray:
    """(H,W,3) in 0..255: the photo where it surely shows background, a smooth continuation elsewhere."""
    sure = ((alpha < 0.02) & (person_mask < 0.10)).astype(np.float32)
    sure = cv2.erode(sure, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17)))
    if sure.sum() < 64:
        return np.broadcast_to(np.median(rgb[:32], axis=(0, 1)), rgb.shape).astype(np.float32).copy()
    plate = push_pull(rgb.astype(np.float32), sure)
    soft = cv2.GaussianBlur(plate, (0, 0), 4)
    known = cv2.GaussianBlur(sure, (0, 0), 4)[..., None]
    return (rgb * known + soft * (1 - known)).clip(0, 255)
