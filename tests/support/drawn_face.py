"""A drawn face that the detector takes for one: every parameter known, no picture of anybody."""

from dataclasses import dataclass

import cv2
import numpy as np

_SKIN, _HAIR = (224, 180, 150), (70, 50, 35)


@dataclass(frozen=True)
class DrawnFace:
    """Parameters in pixels of a 256 pixel picture."""

    gap: float = 0.0  # half the opening of the mouth; below 0 the lips are pressed, down to -4
    shift: float = 0.0  # of the whole face to the right
    gaze: float = 0.0  # of the irises to the right
    angle: float = 0.0  # counter-clockwise rotation of the whole picture on the screen, degrees
    skin: tuple[int, int, int] = _SKIN
    background: tuple[int, int, int] = (90, 120, 150)


def draw_face(face: DrawnFace = DrawnFace(), size: int = 256) -> np.ndarray:
    """uint8 RGB (size,size,3)."""
    scale = size / 256
    image = np.full((size, size, 3), face.background, np.uint8)

    def ellipse(center, axes, color, thickness=-1, start=0, stop=360):
        x, y = int((center[0] + face.shift) * scale * 16), int(center[1] * scale * 16)
        half = (int(axes[0] * scale * 16), int(axes[1] * scale * 16))
        cv2.ellipse(image, (x, y), half, 0, start, stop, color, thickness, cv2.LINE_AA, 4)

    ellipse((128, 110), (74, 86), _HAIR)
    ellipse((128, 136), (58, 78), face.skin)
    for x in (104, 152):
        ellipse((x, 122), (12, 6), (250, 250, 250))
        ellipse((x + face.gaze, 122), (5, 5), (60, 40, 20))
        ellipse((x, 108), (15, 4), _HAIR)
        ellipse((x, 119), (13, 7), (120, 80, 60), 2, 180, 360)
    ellipse((128, 140), (4, 14), tuple(min(255, c + 12) for c in face.skin))
    ellipse((128, 150), (9, 6), tuple(max(0, c - 22) for c in face.skin))
    for x in (122, 134):
        ellipse((x, 154), (2, 2), (120, 70, 60))
    ellipse((128, 178), (20, 5 + face.gap), (170, 80, 80))
    if face.gap >= 0:
        ellipse((128, 178), (15, 0.3 + face.gap), (60, 15, 15))
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), face.angle, 1.0)
    image = cv2.warpAffine(image, turn, (size, size), borderMode=cv2.BORDER_REPLICATE)
    return cv2.GaussianBlur(image, (0, 0), 1.2 * scale)
