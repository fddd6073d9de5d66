"""Is the video calm where it should be: background flicker, jitter of the face, frozen frames, head range."""

import numpy as np

# A run of frames stands still when they change by less than this share of what is usual in the clip (a frozen picture
# still ripples by the codec, by up to 0.15 of it; a resting head breathes), and in any case below the second.
FROZEN_SHARE = 0.25
FROZEN_CHANGE = 0.05  # grey levels
_RIPPLE_FRAMES = 5  # over which the codec's ripple is averaged


def frame_change(frame: np.ndarray, previous: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean absolute difference of two frames, grey levels 0..255.

    Args:
        frame, previous: uint8 (H,W,3).
        where: bool (H,W), the pixels that count; all when left out. NaN when none counts.
    """
    difference = np.abs(frame.astype(np.int16) - previous)
    if where is None:
        return float(difference.mean())
    return float(difference[where].mean()) if where.any() else float("nan")


def background_mask(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels that surely lie outside the head and the shoulders of a face: bool (H,W).

    Args:
        box: (4,) pixels, left, top, right, bottom of the face's landmarks.
        shape: height and width.
    """
    left, top, right, bottom = box
    middle, width, height = (left + right) / 2, right - left, bottom - top
    y, x = np.mgrid[: shape[0], : shape[1]]
    # Hair reaches about half a face beyond the landmarks on all sides.
    head = ((x - middle) / width) ** 2 + ((y - (top + 0.4 * height)) / (1.1 * height)) ** 2 < 1
    body = (np.abs(x - middle) < 1.4 * width) & (y > bottom)
    return ~(head | body)


def landmark_jitter(points: np.ndarray, reach: int = 3) -> float:
    """How much landmarks tremble about their own smooth path: percent of the distance of the eyes' outer
    corners.

    The path is a parabola fitted over ``2 * reach + 1`` frames round each frame; the value is the root mean
    square distance from it. 0..infinity, lower is better; recorded faces have about 0.2 to 0.5.

    Args:
        points: (T,478,2 or more) pixels; frames with NaN break the path and are left out.
    """
    paths = points[..., :2]
    length = 2 * reach + 1
    if len(paths) < length or not np.isfinite(paths).any():
        return float("nan")
    eye_distance = np.nanmean(np.linalg.norm(paths[:, 33] - paths[:, 263], axis=-1))
    offsets = np.arange(-reach, reach + 1)
    basis = np.stack([np.ones(length), offsets, offsets**2], 1)
    smoother = (basis @ np.linalg.pinv(basis))[reach]  # value of the fitted parabola in the middle
    windows = np.lib.stride_tricks.sliding_window_view(paths, length, axis=0)  # (T-2r, N, 2, length)
    residual = windows[..., reach] - windows @ smoother
    squared = (residual**2).sum(-1).mean(-1)
    if not np.isfinite(squared).any():
        return float("nan")
    return float(100 * np.sqrt(np.nanmean(squared)) / eye_distance)


def value_range(curve: np.ndarray) -> float:
    """Spread of a curve: from its 5th to its 95th percentile, NaN left out. For yaw, pitch and roll in
    degrees.
    """
    known = curve[np.isfinite(curve)]
    return float(np.subtract(*np.percentile(known, [95, 5]))) if len(known) else float("nan")


def longest_freeze(changes: np.ndarray) -> tuple[int, int]:
    """First frame and length of the longest run of frames that repeat the one before; (0, 0) when none does.

    Args:
        changes: (T-1,) ``frame_change`` between consecutive frames. Freezes of less than five frames are not seen.
    """
    if len(changes) < _RIPPLE_FRAMES:
        return 0, 0
    smooth = np.convolve(changes, np.ones(_RIPPLE_FRAMES) / _RIPPLE_FRAMES, "valid")
    threshold = max(FROZEN_CHANGE, FROZEN_SHARE * float(np.median(changes)))
    best_start = best_length = start = 0
    for index, still in enumerate(np.append(smooth < threshold, False)):
        if not still:
            if index - start > best_length:
                best_start, best_length = start, index - start
            start = index + 1
    return (best_start, best_length + _RIPPLE_FRAMES - 1) if best_length else (0, 0)
