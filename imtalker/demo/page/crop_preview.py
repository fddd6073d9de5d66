"""What will be animated, shown before anything expensive runs: numbered faces, the square, a verdict in plain words."""

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from imtalker.config import CropConfig
from imtalker.media.crop import MIN_CROP, CropBox, crop_and_resize, square_crop_box, whole_picture
from imtalker.media.face_detector import MIN_FACE, MIN_SCORE, Face
from imtalker.media.framing import format_crop

PREVIEW_SIDE = 640  # longer side of the drawn picture, pixels
MAX_FACES = 9
BLUR_SIDE = 256  # the square is judged at this size
BLURRED = 25.0  # variance of the Laplacian below which a face looks out of focus
TURNED = 25.0  # degrees
FAR_TURNED = 45.0
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


def describe_faces(image: np.ndarray, faces: list[Face], crop: CropConfig, input_size: int) -> list[FaceReport]:
    """Judge the sure faces of a picture, uint8 RGB ``(H, W, 3)``; largest first, at most nine.

    Args:
        input_size: side of what the network sees, pixels.
    """
    sure = [face for face in faces if face.score >= MIN_SCORE][:MAX_FACES]
    reports = []
    for index, face in enumerate(sure):
        box = square_crop_box(face.box, image.shape[:2], crop)
        level, remarks = _judge(image, face, box, input_size)
        reports.append(FaceReport(index, face.box, face.score, box, level, remarks))
    return reports


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
    return CropBox(round(x - side / 2), round(y - side / 2), side)


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
    x0, y0 = (max(0, round(value * scale)) for value in (square.left, square.top))
    x1, y1 = round((square.left + square.side) * scale), round((square.top + square.side) * scale)
    dimmed = (picture * 0.35 + 24).astype(np.uint8)
    dimmed[y0:y1, x0:x1] = picture[y0:y1, x0:x1]
    thick = max(2, round(max(height, width) / 240))
    cv2.rectangle(dimmed, (x0, y0), (min(x1, width) - 1, min(y1, height) - 1), SQUARE, thick)
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


def _judge(image: np.ndarray, face: Face, box: CropBox, input_size: int) -> tuple[Level, list[str]]:
    poor: list[str] = []
    fair: list[str] = []
    if face.size < MIN_FACE:
        poor.append(f"the face is only {face.size:.0f} pixels large; {MIN_FACE} are needed")
    elif box.side < input_size / 2:
        fair.append(f"the square has {box.side} pixels and is enlarged to {input_size}: expect a soft result")
    sharpness = _sharpness(image, box)
    if sharpness < BLURRED:
        fair.append("the picture is blurred or very smooth: teeth and eyes stay vague")
    turn = _turn(face)
    if turn is not None and abs(turn) > FAR_TURNED:
        poor.append("the face is turned far to the side: one eye is hidden, the far cheek is invented")
    elif turn is not None and abs(turn) > TURNED:
        fair.append("the face is turned to the side: facing the camera works best")
    height, width = image.shape[:2]
    if box.left < 0 or box.top < 0 or box.left + box.side > width or box.top + box.side > height:
        fair.append("the face is close to the border: the edge is stretched to fill the square")
    level: Level = "poor" if poor else "fair" if fair else "good"
    return level, poor + fair


def _sharpness(image: np.ndarray, box: CropBox) -> float:
    """Variance of the Laplacian of the middle of the square, independent of the picture's size."""
    grey = cv2.cvtColor(crop_and_resize(image, box, BLUR_SIDE), cv2.COLOR_RGB2GRAY)
    quarter = BLUR_SIDE // 4
    return float(cv2.Laplacian(grey[quarter:-quarter, quarter:-quarter], cv2.CV_64F).var())


def _turn(face: Face) -> float | None:
    """Rough yaw in degrees from eyes and nose tip: how far the tip lies beside the middle between the eyes."""
    if face.landmarks is None:
        return None
    left, right, nose = (np.asarray(point, np.float64) for point in face.landmarks[:3])
    axis = right - left
    distance = float(np.hypot(*axis))
    if distance < 1e-6:
        return 90.0
    offset = float(np.dot(nose - (left + right) / 2, axis) / distance**2)
    return float(np.degrees(np.arctan(offset / 0.55)))  # the tip stands about 0.55 eye distances out
