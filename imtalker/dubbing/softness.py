"""How soft a clip is: the blur of its sharpest edges."""

import cv2
import numpy as np

EDGES = 98  # percentile of the gradient from which pixels count as edges
SHARPEST = 5  # percentile of the blur found at them: edges that are sharp themselves show the camera's
OPERATOR = 0.65  # pixels, deviation of the blur that lies in pixels and differences between them
AGAIN = 1.0  # pixels, deviation of the blur that is added to find the one that is there


def edge_blur(picture: np.ndarray) -> float:
    """Deviation in pixels of the blur that made a picture ``(H, W, 3)`` uint8 of a sharp one.

    At a step edge blurred by s, one more blur by t divides the gradient by ``sqrt(1 + (t / s)^2)`` (Zhuo and Sim,
    "Defocus map estimation from a single image", 2011).
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    here, blurred = (_gradient(image) for image in (grey, cv2.GaussianBlur(grey, (0, 0), AGAIN)))
    edges = here >= max(float(np.percentile(here, EDGES)), 1e-3)
    if not edges.any():
        return 0.0
    ratio = here[edges] / np.maximum(blurred[edges], 1e-6)
    found = np.percentile(AGAIN / np.sqrt(np.maximum(ratio**2 - 1, 1e-2)), SHARPEST)
    return float(np.sqrt(max(found**2 - OPERATOR**2, 0.0)))


def _gradient(grey: np.ndarray) -> np.ndarray:
    return np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125))
