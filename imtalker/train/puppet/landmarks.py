"""Any photo -> the 512 px face crop and its landmarks, as a puppet is built from."""

from dataclasses import dataclass

import cv2
import numpy as np

from imtalker.errors import NoFaceError
from imtalker.faces.landmarks import find_faces
from imtalker.train.puppet.geometry import TEXTURE_SIZE

CROP_SCALE = 1.70  # side of the crop / longer side of the landmarks' box
CROP_SHIFT = -0.04  # of the crop's centre, fraction of its side; negative is up


@dataclass(frozen=True, eq=False)
class FaceCrop:
    rgb: np.ndarray  # (512,512,3) uint8
    landmarks: np.ndarray  # (478,3) px of the crop, z away from the camera
    side: float  # side of the crop in photo px; below about 180 the puppet is blurred


def _square(rgb: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, float]:
    low, high = landmarks[:468, :2].min(0), landmarks[:468, :2].max(0)
    side = float(CROP_SCALE * (high - low).max())
    centre = (low + high) / 2 + [0, CROP_SHIFT * side]
    k = TEXTURE_SIZE / side
    matrix = np.array([[k, 0, TEXTURE_SIZE / 2 - k * centre[0]], [0, k, TEXTURE_SIZE / 2 - k * centre[1]]])
    method = cv2.INTER_LANCZOS4
    if k < 0.9:
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.4 / k)
        method = cv2.INTER_LINEAR
    size = (TEXTURE_SIZE, TEXTURE_SIZE)
    return cv2.warpAffine(rgb, matrix, size, flags=method, borderMode=cv2.BORDER_REPLICATE), side


def crop_face(photo: np.ndarray) -> FaceCrop:
    """Find the face in (H,W,3) uint8, crop it, and find its landmarks again in the crop.

    Raises NoFaceError when no face is found.
    """
    rough = find_faces(photo)
    if not rough:
        raise NoFaceError("no face found in the photo; use a frontal portrait, face at least 120 px wide")
    rgb, side = _square(photo, rough[0].points)
    fine = find_faces(rgb)
    if not fine:
        raise NoFaceError("the face was lost in the crop; use a frontal portrait without anything in front of it")
    return FaceCrop(rgb, fine[0].points.astype(np.float32), side)
