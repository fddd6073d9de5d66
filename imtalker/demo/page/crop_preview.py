"""What will be animated, shown before anything expensive runs: numbered faces, the square, a verdict in plain words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from imtalker.faces.remarks import portrait_remarks
from imtalker.media.crop import MIN_CROP, CropBox, whole_picture
from imtalker.media.face_detector import MIN_SCORE, Face
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
    level: Level
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        return {
            "face": self.index,
            "box": [round(value, 1) for value in self.box],
            "score": round(self.score, 3),
            "crop": format_crop(self.crop),
            "verdict": self.level,
            "remarks": self.remarks,
        }


def describe_faces(image: np.ndarray, framing: Framing) -> list[FaceReport]:
    """Judge the sure faces of a picture, uint8 RGB ``(H, W, 3)``; largest first, at most nine."""
    sure = [face for face in framing.faces(image) if face.score >= MIN_SCORE][:MAX_FACES]
    boxes = [framing.of_face(image, face) for face in sure]
    return [
        face_report(index, face, box, portrait_remarks(image, box, sure))
        for index, (face, box) in enumerate(zip(sure, boxes, strict=True))
    ]


def face_report(index: int, face: Face, box: CropBox, remarks: Iterable[Remark]) -> FaceReport:
    """As bad as the worst remark."""
    remarks = list(remarks)
    return FaceReport(index, face.box, face.score, box, level_of(remarks), [remark.words for remark in remarks])


def level_of(remarks: Iterable[Remark]) -> Level:
    """As bad as the worst remark; notes do no harm."""
    levels = {remark.level for remark in remarks}
    return "poor" if "poor" in levels else "fair" if "fair" in levels else "good"


def adjusted(box: CropBox, zoom: float, right: float, up: float, image_size: tuple[int, int]) -> CropBox:
    """The square changed by hand.

    Args:
        zoom: side in per cent of what it was.
        right, up: shift of the centre in per cent of the side.
        image_size: (height, width); the centre stays inside.
    """
    side = max(MIN_CROP, round(box.side * zoom / 100))
    height, width = image_size
    x = min(max(box.left + box.side / 2 + right / 100 * box.side, 0), width)
    y = min(max(box.top + box.side / 2 - up / 100 * box.side, 0), height)
    return CropBox(round(x - side / 2), round(y - side / 2), side, box.angle)


def square_at(x: float, y: float, image_size: tuple[int, int], side: int | None = None) -> CropBox:
    """A square with its centre at a place somebody clicked, pixels; half of the shorter side by default."""
    side = side or max(MIN_CROP, min(image_size) // 2)
    return CropBox(round(x - side / 2), round(y - side / 2), side)


def face_at(reports: list[FaceReport], x: float, y: float) -> int | None:
    """Number of the smallest face that contains a point."""
    hits = [r for r in reports if r.box[0] <= x <= r.box[2] and r.box[1] <= y <= r.box[3]]
    return min(hits, key=lambda r: r.box[2] - r.box[0]).index if hits else None


def draw(
    image: np.ndarray, reports: list[FaceReport], chosen: int | None, square: CropBox | None
) -> tuple[np.ndarray, float]:
    """The picture with numbered faces and everything outside the square dimmed; and its scale to the original."""
    scale = min(1.0, PREVIEW_SIDE / max(image.shape[:2]))
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    picture = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    square = square or whole_picture(image.shape[:2])
    corners = np.rint(square.placement.corners() * scale).astype(np.int32)
    dimmed = (picture * 0.35 + 24).astype(np.uint8)
    inside = cv2.fillPoly(np.zeros((height, width), np.uint8), [corners], 1)
    dimmed[inside > 0] = picture[inside > 0]
    thick = max(2, round(max(height, width) / 240))
    cv2.polylines(dimmed, [np.clip(corners, 0, (width - 1, height - 1))], True, SQUARE, thick)
    for report in reports:
        _draw_face(dimmed, report, scale, CHOSEN if report.index == chosen else OTHER, thick)
    return dimmed, scale


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
