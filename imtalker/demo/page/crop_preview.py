"""What will be animated, shown before anything expensive runs: numbered faces, the square, a verdict in plain words.

Where the squares lie and what is said about them is decided by the core (``Framing``, ``faces.remarks``).
"""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from imtalker.faces.remarks import clip_remarks, portrait_remarks
from imtalker.media.clip_framing import ClipFraming
from imtalker.media.crop import MIN_CROP, CropBox, crop_and_resize, whole_picture
from imtalker.media.face_detector import MIN_SCORE
from imtalker.media.framing import Framing, format_crop
from imtalker.media.remark import Remark

PREVIEW_SIDE = 640  # longer side of the drawn picture, pixels
MAX_FACES = 9
CHOSEN, OTHER, SQUARE = (13, 148, 136), (148, 163, 184), (255, 255, 255)  # RGB

Level = Literal["good", "fair", "poor"]


@dataclass(frozen=True)
class FaceReport:
    """One face in the words of the page; angles in degrees, boxes in pixels."""

    index: int  # 0 the largest
    box: tuple[float, float, float, float]
    score: float
    crop: CropBox
    remarks: tuple[Remark, ...] = ()

    @property
    def level(self) -> Level:
        """The worst that is said."""
        levels = {remark.level for remark in self.remarks}
        return "poor" if "poor" in levels else "fair" if "fair" in levels else "good"

    def as_dict(self) -> dict:
        return {
            "face": self.index,
            "box": [round(value, 1) for value in self.box],
            "score": round(self.score, 3),
            "crop": format_crop(self.crop),
            "verdict": self.level,
            "remarks": [str(remark) for remark in self.remarks],
        }


def describe_faces(image: np.ndarray, framing: Framing) -> list[FaceReport]:
    """Judge the sure faces of a picture, uint8 RGB ``(H, W, 3)``; largest first, at most nine."""
    faces = framing.faces(image)
    reports = []
    for index, face in enumerate([face for face in faces if face.score >= MIN_SCORE][:MAX_FACES]):
        box = framing.of_face(image, face)
        reports.append(FaceReport(index, face.box, face.score, box, portrait_remarks(image, box, faces)))
    return reports


def describe_clip(framing: ClipFraming) -> list[FaceReport]:
    """Judge the face of a clip that is followed, by the first picture that shows it."""
    middle = framing.box.placement
    face = min(
        framing.faces, key=lambda face: abs(_centre(face.box)[0] - middle.x) + abs(_centre(face.box)[1] - middle.y)
    )
    return [FaceReport(0, face.box, face.score, framing.box, framing.remarks + clip_remarks(framing))]


def adjusted(box: CropBox, zoom: float, right: float, up: float, image_size: tuple[int, int]) -> CropBox:
    """The square changed by hand; it stays as level as it was.

    Args:
        zoom: side in per cent of what it was.
        right, up: shift of the centre in per cent of the side.
        image_size: (height, width); the centre stays inside.
    """
    side = max(MIN_CROP, round(box.side * zoom / 100))
    height, width = image_size
    x = min(max(box.left + box.side / 2 + right / 100 * box.side, 0), width)
    y = min(max(box.top + box.side / 2 - up / 100 * box.side, 0), height)
    return replace(box, left=round(x - side / 2), top=round(y - side / 2), side=side)


def square_at(x: float, y: float, image_size: tuple[int, int], side: int | None = None) -> CropBox:
    """A square with its centre at a place somebody clicked, pixels; half of the shorter side by default."""
    side = side or max(MIN_CROP, min(image_size) // 2)
    return CropBox(round(x - side / 2), round(y - side / 2), side)


def face_at(reports: list[FaceReport], x: float, y: float) -> int | None:
    """Number of the smallest face that contains a point."""
    hits = [r for r in reports if r.box[0] <= x <= r.box[2] and r.box[1] <= y <= r.box[3]]
    return min(hits, key=lambda r: r.box[2] - r.box[0]).index if hits else None


def reduced(image: np.ndarray, side: int = PREVIEW_SIDE) -> np.ndarray:
    """A picture as large as it is shown."""
    scale = min(1.0, side / max(image.shape[:2]))
    if scale == 1.0:
        return image
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def draw(
    picture: np.ndarray,
    size: tuple[int, int],
    reports: list[FaceReport],
    chosen: int | None,
    square: CropBox | None,
) -> np.ndarray:
    """The picture with numbered faces and everything outside the square dimmed.

    A square that is turned is shown once more to the right of the picture, as upright as it will be animated.

    Args:
        picture: ``reduced``, uint8 RGB ``(h, w, 3)``.
        size: (height, width) of the whole picture, whose pixels reports and square are in.
        square: None: the whole picture.
    """
    height, width = picture.shape[:2]
    square = square or whole_picture(size)
    scale_x, scale_y = width / size[1], height / size[0]
    place = square.placement.seen_from(0, 0, scale_x, scale_y)
    corners = np.round(place.corners()).astype(np.int32)
    inside = cv2.fillConvexPoly(np.zeros((height, width), np.uint8), corners, 1) > 0
    dimmed = np.where(inside[..., None], picture, (picture * 0.35 + 24).astype(np.uint8))
    thick = max(2, round(max(height, width) / 240))
    border = np.clip(corners, 0, [width - 1, height - 1]) if not square.angle else corners
    cv2.polylines(dimmed, [border.reshape(-1, 1, 2)], True, SQUARE, thick)
    for report in reports:
        _draw_face(dimmed, report, scale_x, CHOSEN if report.index == chosen else OTHER, thick)
    if not square.angle:
        return dimmed
    return np.concatenate([dimmed, crop_and_resize(picture, place, height)], axis=1)


def _centre(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _draw_face(picture: np.ndarray, report: FaceReport, scale: float, colour: tuple, thick: int) -> None:
    x0, y0, x1, y1 = (round(value * scale) for value in report.box)
    cv2.rectangle(picture, (x0, y0), (x1, y1), colour, thick)
    size = max(22, round(max(picture.shape[:2]) / 16))
    top = max(0, y0 - size)
    cv2.rectangle(picture, (x0, top), (x0 + size, top + size), colour, -1)
    text, font = str(report.index + 1), cv2.FONT_HERSHEY_DUPLEX
    letters = size / 34
    (w, h), _ = cv2.getTextSize(text, font, letters, 1)
    place = (x0 + (size - w) // 2, top + (size + h) // 2)
    cv2.putText(picture, text, place, font, letters, (255, 255, 255), max(1, thick // 2), cv2.LINE_AA)
