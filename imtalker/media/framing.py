"""Where the square goes: the one policy for portraits and clips, automatic, by hand, or the whole picture."""

from pathlib import Path
from typing import Literal

import numpy as np

from imtalker.config import CropConfig
from imtalker.errors import InputError
from imtalker.media.clip_framing import ClipFraming, fixed_framing, frame_clip
from imtalker.media.crop import CropBox, square_crop_box, whole_picture
from imtalker.media.face_detector import Face, FaceDetector, choose_face
from imtalker.media.face_track import FaceTrack, track_face
from imtalker.media.levelling import find_faces, level_face
from imtalker.media.video import VideoInfo, probe_video

Crop = CropBox | Literal["auto"] | None  # a box; round the detected face; None: the whole picture

LONG_CLIP = 120.0  # seconds; longer ones are looked at by their key frames first
LEVEL_CLIP_FROM = 15.0  # degrees of tilt from which a clip is levelled: less is how somebody holds the head


class Framing:
    """Crop boxes for a preset.

    Args:
        crop: how the preset's square relates to a face box.
    """

    def __init__(self, crop: CropConfig, detector: FaceDetector | None = None):
        self._crop = crop
        self.detector = detector or FaceDetector()

    def faces(self, image: np.ndarray) -> list[Face]:
        """All faces of a picture, uint8 RGB ``(H, W, 3)``, largest first, whichever way up it lies."""
        return find_faces(image, self.detector)

    def of_face(self, image: np.ndarray, face: Face) -> CropBox:
        """The square round one of the ``faces`` of a picture, levelled by its eye line."""
        level = level_face(image, face, self.detector)
        return square_crop_box(level.box, (image.shape[0], image.shape[1]), self._crop, level.angle)

    def of_picture(
        self, image: np.ndarray, crop: Crop = "auto", face: int | None = None, what: str = "the picture"
    ) -> CropBox:
        """Square in a picture, uint8 RGB ``(H, W, 3)``.

        Raises:
            NoFaceError: no usable face; InputError: no such face, or the box lies outside or is far too large.
        """
        size = (image.shape[0], image.shape[1])
        if crop != "auto":
            return whole_picture(size) if crop is None else crop.check_inside(size)
        return self.of_face(image, choose_face(self.faces(image), face, what))

    def of_clip(self, path: str | Path, crop: Crop = "auto", face: int | None = None) -> CropBox:
        """One square for a clip where a still one is needed: that of its first picture with a face; see ``clip``."""
        return self.clip(path, crop, face).box

    def clip(
        self, path: str | Path, crop: Crop = "auto", face: int | None = None, info: VideoInfo | None = None
    ) -> ClipFraming:
        """Where the square lies in each frame of a clip, decided by all of its pictures that show the face.

        Args:
            face: which face of the first picture with one, 0 the largest; None: the largest.
            info: of the clip, where that has been read already.

        Raises:
            NoFaceError: no usable face in any picture; InputError: unusable clip or box.
        """
        info = info or probe_video(path)
        size = (info.height, info.width)
        if crop != "auto":
            return fixed_framing(whole_picture(size) if crop is None else crop.check_inside(size), size)
        if info.duration is not None and info.duration > LONG_CLIP:
            framing = self._clip(path, face, key_frames_only=True)
            if framing is not None and not framing.follows and not framing.hidden:
                return framing
        framing = self._clip(path, face)
        assert framing is not None
        return framing

    def _clip(self, path: str | Path, face: int | None, key_frames_only: bool = False) -> ClipFraming | None:
        """None where the key frames alone do not tell."""
        try:
            track = track_face(path, self.detector, face, key_frames_only)
        except InputError:
            if key_frames_only:
                return None
            raise
        angle = self._tilt(track, face)
        if angle:
            track = track_face(path, self.detector, face, key_frames_only, angle)
        return frame_clip(track, self._crop, angle)

    def _tilt(self, track: FaceTrack, face: int | None) -> float:
        """Degrees by which a clip has to be levelled."""
        assert track.first_picture is not None
        scale = track.first_picture.shape[0] / track.size[0]
        chosen = choose_face(track.first_faces, face)
        angle = level_face(track.first_picture, chosen.scaled(scale), self.detector).angle
        return angle if abs((angle + 180.0) % 360.0 - 180.0) >= LEVEL_CLIP_FROM else 0.0


def parse_crop(text: str) -> Crop:
    """A square in the notation of command line and endpoints: "auto", "none", or "left,top,side[,angle]".

    Raises:
        InputError: it is none of these.
    """
    words = text.strip().lower()
    if words == "auto":
        return "auto"
    if words == "none":
        return None
    parts = words.split(",")
    try:
        if len(parts) not in (3, 4):
            raise ValueError(text)
        left, top, side = (int(part) for part in parts[:3])
        angle = float(parts[3]) if len(parts) == 4 else 0.0
    except ValueError as error:
        raise InputError(
            f"crop {text!r:.60} is not left,top,side in whole pixels (and perhaps an angle in degrees); "
            "for example 120,40,512"
        ) from error
    return CropBox(left, top, side, angle)


def format_crop(crop: Crop) -> str:
    """The notation ``parse_crop`` reads."""
    if crop is None or crop == "auto":
        return "none" if crop is None else "auto"
    angle = f",{crop.angle:g}" if crop.angle else ""
    return f"{crop.left},{crop.top},{crop.side}{angle}"
