"""The colour of the teeth that a picture shows: what is bright between the lips and less red than skin."""

import cv2
import numpy as np

from imtalker.faces.mesh import LIP_INNER_LOWER, LIP_INNER_UPPER

SKIN_SPOTS = [50, 280, 205, 425, 199, 152]  # landmarks on cheeks and chin
_BRIGHT, _SATURATED = 0.55, 0.5  # of the brightest between the lips; teeth are no stronger coloured
_GREEN = 0.86  # of red, at least; tongue and lips, and skin in any light, have less
_GREENER = 0.06  # than the skin of the same picture
_LEAST = 120  # pixels that are a row of teeth and not a glint, in a square of 512


def between_lips(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Pixels (H,W) bool of an open mouth, clear of the lips."""
    opening = np.zeros(rgb.shape[:2], np.uint8)
    polygon = landmarks[[*LIP_INNER_UPPER, *LIP_INNER_LOWER[-2:0:-1]], :2]
    cv2.fillPoly(opening, [np.round(polygon * 16).astype(np.int32)], [1], shift=4)
    return cv2.erode(opening, np.ones((5, 5))) > 0


def like_teeth(colours: np.ndarray, brightest: float) -> np.ndarray:
    """Which of (...,3) colours are bright and pale enough."""
    saturation = (colours.max(-1) - colours.min(-1)) / np.maximum(colours.max(-1), 1)
    return (colours.mean(-1) > _BRIGHT * brightest) & (saturation < _SATURATED)


def tooth_colour(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
    """Colour (3,) of a picture's teeth, 0..255; None where too little of them is seen, and in black and white, where a
    tongue looks the same.

    Args:
        rgb: (512,512,3) uint8, a face that fills about half of it.
        landmarks: (478, 2 or more) px of it.
    """
    colours = rgb[between_lips(rgb, landmarks)].astype(np.float64)
    if len(colours) < _LEAST:
        return None
    skin = skin_colours(rgb, landmarks)
    least = max(_GREEN, np.median(skin[:, 1] / np.maximum(skin[:, 0], 1)) + _GREENER)
    green = colours[:, 1] / np.maximum(colours[:, 0], 1)
    seen = colours[like_teeth(colours, float(np.percentile(colours.mean(1), 85))) & (green > least)]
    return np.median(seen, 0) if len(seen) >= _LEAST else None


def skin_colours(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Colours (6,3) of cheeks and chin."""
    spots = landmarks[SKIN_SPOTS, :2].astype(int).clip(0, [rgb.shape[1] - 1, rgb.shape[0] - 1])
    return rgb[spots[:, 1], spots[:, 0]].astype(np.float64)
