"""Where the square goes: the one policy for portraits and clips, automatic, by hand, or the whole picture."""

from pathlib import Path
from typing import Literal

import numpy as np

from imtalker.config import CropConfig
from imtalker.errors import InputError
from imtalker.media.crop import CropBox, square_crop_box, whole_picture
from imtalker.media.face_detector import FaceDetector, choose_face, stable_face_box
from imtalker.media.video import probe_video, sample_frames

Crop = CropBox | Literal["auto"] | None  # a box; round the detected face; None: the whole picture


def parse_crop(text: str) -> Crop:
    """ "auto", "none" or "left,top,side"."""
    if text == "auto":
        return "auto"
    if text == "none":
        return None
    try:
        left, top, side = (int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"crop {text!r} is not left,top,side in whole pixels; for example 120,40,512") from error
    return CropBox(left, top, side)


def crop_text(box: CropBox | None) -> str:
    """What ``parse_crop`` reads as this box; None is the whole picture."""
    return "none" if box is None else f"{box.left},{box.top},{box.side}"


class Framing:
    """Crop boxes for a preset.

    Args:
        crop: how the preset's square relates to a face box.
    """

    def __init__(self, crop: CropConfig, detector: FaceDetector | None = None):
        self._crop = crop
        self.detector = detector or FaceDetector()

    def of_picture(
        self, image: np.ndarray, crop: Crop = "auto", face: int | None = None, what: str = "the picture"
    ) -> CropBox:
        """Square in a picture, uint8 RGB ``(H, W, 3)``.

        Raises:
            NoFaceError: no usable face; InputError: no such face, or the box lies outside.
        """
        size = image.shape[:2]
        if crop != "auto":
            return whole_picture(size) if crop is None else crop.check_inside(size)
        found = choose_face(self.detector.detect(image), face, what)
        return square_crop_box(found.box, size, self._crop)

    def of_clip(self, path: str | Path, crop: Crop = "auto", face: int | None = None) -> CropBox:
        """One square for a whole clip, round the median position of the face; raises as ``of_picture``."""
        if crop != "auto":
            info = probe_video(path)
            size = (info.height, info.width)
            return whole_picture(size) if crop is None else crop.check_inside(size)
        box, size = stable_face_box(sample_frames(path), self.detector, face, f"clip {path}")
        return square_crop_box(box, size, self._crop)
