"""What a person should know about a portrait or a driving clip before it is used; nothing here refuses anything.

Measured on the square the networks see, levelled and scaled to 256 pixels. What is found: laughing and open mouths,
shut eyes, turned heads, mouths and eyes that something covers, blur, smallness, pictures on their side, several faces,
none. Not found: thin hands beside the mouth, clear glasses, microphones, beards that hide the lips.
"""

import logging
from collections.abc import Sequence

import cv2
import numpy as np

from imtalker.errors import WeightsError
from imtalker.faces.landmarks import FaceLandmarks, find_faces
from imtalker.faces.mesh import EYES, LIP_INNER_LOWER, LIP_INNER_UPPER, LIP_OUTER_LOWER, LIP_OUTER_UPPER, LIPS
from imtalker.faces.readings import FaceReading, read_face
from imtalker.media.clip_framing import ClipFraming
from imtalker.media.crop import CropBox, crop_and_resize, whole_picture
from imtalker.media.face_detector import MIN_FACE, MIN_SCORE, Face
from imtalker.media.remark import Level, Remark

logger = logging.getLogger(__name__)

SIDE = 256  # pixels of the square in which everything is measured
OPEN_MOUTH, WIDE_MOUTH = 0.8, 1.6  # cm between the inner lips
SHUT_EYES = 0.35  # cm between the lids
TURNED, FAR_TURNED = 25.0, 45.0  # degrees of yaw or pitch
SIDEWAYS = 60.0  # degrees of tilt from which the picture itself is lying, not the head
BLURRED = 25.0  # variance of the Laplacian below which a face looks out of focus
PALE_LIPS = 3.0  # units of Lab by which lips differ from the skin round them in colour,
FLAT_LIPS = 3.0  # and in lightness, below which no lips are seen
OTHER_CHIN = 25.0  # units of Lab by which the chin's colour differs from the cheeks': not even beards do
DARK_EYES, FLAT_EYES = 0.45, 8.0  # lightness of the eyes over the cheeks', and its spread, behind dark glasses
FAR, VERY_FAR = 0.35, 0.18  # size of the face over the side of the square, usually 0.5 to 0.7: little is drawn below
LARGE_OTHER = 0.6  # size of another face, over that of the chosen one, from which it is mentioned

NO_FACE = (
    "no human face is made out in the square (an animal, a drawing, a face that is hidden or turned away?): it is "
    "animated all the same, but may move oddly; place the square closely round a face seen from the front"
)

_LIP_LINE = (*LIP_OUTER_UPPER, *LIP_OUTER_LOWER)
_MOUTH = (*LIP_INNER_UPPER, *LIP_INNER_LOWER)
_CHEEKS = ((117, 118, 101, 36, 205, 50), (346, 347, 330, 266, 425, 280))
_CHIN = (57, 43, 106, 182, 83, 18, 313, 406, 335, 273, 287, 430, 394, 395, 369, 396, 175, 171, 140, 170, 169, 210)


def portrait_remarks(image: np.ndarray, box: CropBox, faces: list[Face] | None = None) -> tuple[Remark, ...]:
    """What to say about a portrait.

    Args:
        image: the whole picture, uint8 RGB ``(H, W, 3)``.
        box: the square that is animated.
        faces: all faces of the picture, from ``Framing.faces``; None: not looked at.
    """
    remarks = [*_tilt_remarks(box), *_size_remarks(image, box), *_face_remarks(faces or [], box)]
    square = crop_and_resize(image, box, SIDE)
    if _sharpness(square) < BLURRED:
        remarks.append(Remark("blurred", "the picture is blurred or very smooth: teeth and eyes stay vague"))
    try:
        face = next(iter(find_faces(square)), None)
    except WeightsError as error:
        _log_missing(error)
        return tuple(remarks)
    if face is None:
        remarks.append(Remark("no_face", NO_FACE))
        return tuple(remarks)
    reading = read_face(face)
    remarks += _expression_remarks(reading, "portrait") + _turn_remarks(reading, "face")
    remarks += _covered_remarks(square, face, reading) + _outside_remarks(image, box, face)
    return tuple(remarks)


def clip_remarks(framing: ClipFraming) -> tuple[Remark, ...]:
    """What to say about a driving clip, beyond ``framing.remarks``: how it begins."""
    picture = framing.first_picture
    if picture is None:
        return ()
    scale = picture.shape[0] / framing.size[0]
    square = crop_and_resize(picture, framing.box.placement.seen_from(0, 0, scale, scale), SIDE)
    try:
        face = next(iter(find_faces(square)), None)
    except WeightsError as error:
        _log_missing(error)
        return ()
    if face is None:
        return ()
    reading = read_face(face)
    return (*_expression_remarks(reading, "clip"), *_turn_remarks(reading, "head in the clip"))


def _log_missing(error: WeightsError) -> None:
    """Remarks are a service: where landmarks cannot be had, fewer are made."""
    logger.info("faces are judged without landmarks: %s", error)


def _tilt_remarks(box: CropBox) -> list[Remark]:
    angle = (box.angle + 180.0) % 360.0 - 180.0
    if abs(angle) >= SIDEWAYS:
        lies = "upside down" if abs(angle) > 135 else "on its side"
        turn = round(angle / 90) * 90 % 360
        return [Remark("sideways", f"the picture lies {lies}; turn it clockwise by {turn} degrees to have it upright")]
    if angle:
        words = f"the head is tilted by {abs(angle):.0f} degrees; it is levelled to be animated and tilted back"
        return [Remark("tilted", words, "note")]
    return []


def _size_remarks(image: np.ndarray, box: CropBox) -> list[Remark]:
    remarks = []
    if box.side < SIDE / 2:
        remarks.append(
            Remark("small", f"the square has only {box.side} pixels: expect a soft result, or give a larger picture")
        )
    height, width = image.shape[:2]
    low, high = box.upright.placement.corners()[[0, 2]]
    reaches_out = low.min() < -1 or high[0] > width + 1 or high[1] > height + 1
    if reaches_out and box.upright != whole_picture((height, width)):
        remarks.append(
            Remark("border", "the face is close to the border, whose edge fills the square; leave more room round it")
        )
    return remarks


def _face_remarks(faces: list[Face], box: CropBox) -> list[Remark]:
    sure = [face for face in faces if face.score >= MIN_SCORE]
    inside = [face for face in sure if _contains(face.box, box.placement.x, box.placement.y)]
    if not inside:
        square = (box.left, box.top, box.left + box.side, box.top + box.side)
        inside = [face for face in sure if _contains(square, *_middle(face))]
    chosen = max(inside, key=lambda face: face.size, default=None)
    remarks = []
    if chosen is not None and chosen.size < MIN_FACE:
        words = f"the face is only {chosen.size:.0f} pixels large and {MIN_FACE} are needed; give a larger picture"
        remarks.append(Remark("tiny", words, "poor"))
    elif chosen is not None and chosen.size < FAR * box.side:
        level: Level = "poor" if chosen.size < VERY_FAR * box.side else "fair"
        share = f"{100 * chosen.size / box.side:.0f} % of the square's side"
        words = f"the face is small in the square ({share}): little of its lips is drawn; move the square closer to it"
        remarks.append(Remark("far", words, level))
    largest = chosen.size if chosen is not None else 0.0
    others = [face for face in sure if face is not chosen and face.size > LARGE_OTHER * largest]
    if chosen is not None and others:
        words = f"{len(others) + 1} faces are in the picture; one is animated, another can be chosen"
        remarks.append(Remark("more_faces", words, "note"))
    return remarks


def _middle(face: Face) -> tuple[float, float]:
    return (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2


def _contains(box: Sequence[float], x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _expression_remarks(reading: FaceReading, what: str) -> list[Remark]:
    remarks = []
    if reading.mouth_opening > (OPEN_MOUTH if what == "portrait" else WIDE_MOUTH):
        if what == "portrait":
            words = "the mouth is open: it closes, but teeth and lips are best with a calm, closed mouth"
        else:
            words = (
                "the clip begins with a wide open mouth, from which all is measured where the portrait's own pose is "
                "kept; let it begin with a calm face"
            )
        remarks.append(Remark("open_mouth", words))
    if max(reading.eye_left, reading.eye_right) < SHUT_EYES:
        remedy = "give a picture with open ones" if what == "portrait" else "let the clip begin with open ones"
        remarks.append(Remark("shut_eyes", f"the eyes are shut; {remedy}"))
    return remarks


def _turn_remarks(reading: FaceReading, what: str) -> list[Remark]:
    turn = max(abs(reading.yaw), abs(reading.pitch))
    if turn > FAR_TURNED:
        words = f"the {what} is turned far away: the other side of it is invented. Use a view from the front"
        return [Remark("far_turned", words, "poor")]
    if turn > TURNED:
        return [Remark("turned", f"the {what} is turned away by {turn:.0f} degrees: facing the camera works best")]
    return []


def _covered_remarks(square: np.ndarray, face: FaceLandmarks, reading: FaceReading) -> list[Remark]:
    lab = cv2.cvtColor(square.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    points = face.points[:, :2]
    lips = _filled(points, _LIP_LINE)
    skin = _grown(lips, 13) & ~_grown(lips, 3)
    lips &= ~_filled(points, _MOUTH)
    cheeks = _filled(points, _CHEEKS[0]) | _filled(points, _CHEEKS[1])
    remarks = []
    contrast = np.abs(_median(lab, lips) - _median(lab, skin))
    no_lips = np.hypot(*contrast[1:]) < PALE_LIPS and contrast[0] < FLAT_LIPS and reading.mouth_opening < OPEN_MOUTH
    other = np.hypot(*(_median(lab, _filled(points, _CHIN)) - _median(lab, cheeks))[1:]) > OTHER_CHIN
    if no_lips or other:
        words = "something covers the mouth (a mask, a hand?): the lips that speak are not seen. Show the whole face"
        remarks.append(Remark("covered_mouth", words, "poor"))
    eyes = np.concatenate([lab[_filled(points, (*upper, *lower))][:, 0] for upper, lower in EYES])
    is_dark = np.median(eyes) < DARK_EYES * _median(lab, cheeks)[0] and eyes.std() < FLAT_EYES
    if is_dark and max(reading.eye_left, reading.eye_right) >= SHUT_EYES:
        words = "the eyes are not seen (dark glasses?): they stay as they are. Take them off for eyes that live"
        remarks.append(Remark("covered_eyes", words))
    return remarks


def _outside_remarks(image: np.ndarray, box: CropBox, face: FaceLandmarks) -> list[Remark]:
    """Whether the mouth lies beyond the picture's border, where pixels are only repeated."""
    height, width = image.shape[:2]
    matrix = box.placement.matrix(SIDE)
    mouth = face.points[list(LIPS), :2] @ matrix[:, :2].T + matrix[:, 2]
    outside = (mouth < 0) | (mouth > np.array([width, height]) - 1)
    if outside.any(axis=1).mean() < 0.1:
        return []
    return [Remark("cut_off", "the mouth is cut off by the picture's border; give a picture of the whole face", "poor")]


def _sharpness(square: np.ndarray) -> float:
    """Variance of the Laplacian of the middle of the square."""
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    quarter = SIDE // 4
    return float(cv2.Laplacian(grey[quarter:-quarter, quarter:-quarter], cv2.CV_64F).var())


def _filled(points: np.ndarray, indices: tuple[int, ...]) -> np.ndarray:
    """The area inside landmarks, bool ``(SIDE, SIDE)``."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points[list(indices)]).astype(np.int32)), 1)
    return mask.astype(bool)


def _grown(mask: np.ndarray, width: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((width, width), np.uint8)) > 0


def _median(lab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.median(lab[mask], axis=0) if mask.any() else np.zeros(3)
