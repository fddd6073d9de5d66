"""How a face is tilted in a picture: faces are found any way up, and their squares are levelled by the eye line."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imtalker.media.crop import Placement, crop_and_resize
from imtalker.media.face_detector import Face, FaceDetector

LEVEL_FROM = 5.0  # degrees of tilt from which a square is levelled
SURE = 0.92  # score of nearly every upright face; below it, or tilted, all four ways up are compared
BETTER = 0.015  # of the score, by which another way up must win
SURE_TURNED = 0.8  # score that another way up needs at least: people lying on their side have it, animals seldom
LEVEL = 1.0  # degrees left at which a face counts as level
STEPS = 6  # turns at most until it is
PATCH = 320  # pixels of the picture round a face in which its tilt is measured
PATCH_SCALE = 2.2  # side of that, in sizes of the face
QUARTERS = (0.0, 90.0, 180.0, 270.0)


def tilt(landmarks: np.ndarray) -> float:
    """Degrees a face is tilted counter-clockwise, -180..180, from eyes and mouth corners ``(5, 2)``.

    The mean of the eye line and of the axis from the eyes to the mouth. Detectors make little of a large tilt (20
    degrees read as 15), so measure again after turning.
    """
    right, left, _, mouth_right, mouth_left = np.asarray(landmarks, np.float64)
    eyes, axis = left - right, (mouth_right + mouth_left) / 2 - (right + left) / 2
    turns = np.array([np.arctan2(-eyes[1], eyes[0]), np.arctan2(axis[0], axis[1])])
    return float(np.degrees(np.arctan2(np.sin(turns).sum(), np.cos(turns).sum())))


def find_faces(image: np.ndarray, detector: FaceDetector) -> list[Face]:
    """All faces of a picture, uint8 RGB ``(H, W, 3)``, largest first, whichever way up the picture lies.

    Faces found only after turning the picture by a quarter carry that as their angle.
    """
    found = detector.detect(image)
    best, score = found, _best_score(found)
    if score >= SURE:
        return found
    needed = max(score + BETTER, SURE_TURNED)
    for quarter in (1, 2, 3):
        turned = detector.detect(np.ascontiguousarray(np.rot90(image, quarter)))
        if _best_score(turned) >= needed:
            needed = _best_score(turned)
            best = [_turned_back(face, quarter, image.shape[:2]) for face in turned]
    return best


def level_face(image: np.ndarray, face: Face, detector: FaceDetector) -> Face:
    """The same face measured upright.

    Returns:
        A face whose ``angle`` says how it is tilted (0 below ``LEVEL_FROM``) and whose box is that of the levelled
        face about its place in the picture; the face itself where it is upright already.
    """
    if face.landmarks is None:
        return face
    if face.angle == 0.0 and face.score >= SURE and abs(tilt(face.landmarks)) < LEVEL_FROM - LEVEL:
        return face
    ways = [_levelled(image, face, detector, face.angle + quarter) for quarter in QUARTERS]
    best = ways[0]
    rival = max((way for way in ways[1:] if way is not None), key=lambda way: way.score, default=None)
    if rival is not None and rival.score >= max(SURE_TURNED, face.score if best is None else best.score + BETTER):
        best = rival
    if best is None or (face.angle == 0.0 and abs(best.angle) < LEVEL_FROM):
        return face
    straight = round(best.angle / 90) * 90.0
    return replace(best, angle=straight) if abs(best.angle - straight) < LEVEL_FROM else best


def _best_score(faces: Sequence[Face]) -> float:
    return max((face.score for face in faces), default=0.0)


def placed_back(face: Face, patch: Placement, size: int) -> Face:
    """A face found in a patch drawn at ``size``, in pixels of the picture; its box keeps its upright shape."""
    matrix = patch.matrix(size)
    scale = patch.side / size

    def moved(points: np.ndarray) -> np.ndarray:
        return (points - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5

    x, y = moved(np.array([_centre(face.box)]))[0]
    width, height = (face.box[2] - face.box[0]) * scale, (face.box[3] - face.box[1]) * scale
    landmarks = None if face.landmarks is None else moved(face.landmarks)
    return Face((x - width / 2, y - height / 2, x + width / 2, y + height / 2), face.score, landmarks, patch.angle)


def _levelled(image: np.ndarray, face: Face, detector: FaceDetector, angle: float) -> Face | None:
    """Turn a patch round the face until its eyes are level, beginning at ``angle``; None where the face is lost."""
    patch = Placement(*_centre(face.box), PATCH_SCALE * face.size, angle)
    best: Face | None = None
    for _ in range(STEPS):
        found = _in_patch(image, patch, detector)
        if found is None or found.landmarks is None:
            return best
        rest = tilt(found.landmarks)
        if best is None or found.score >= best.score - 2 * BETTER:
            best = placed_back(found, patch, PATCH)
        if abs(rest) < LEVEL:
            return best
        patch = replace(patch, angle=(patch.angle + rest + 180.0) % 360.0 - 180.0)
    return best


def _in_patch(image: np.ndarray, patch: Placement, detector: FaceDetector) -> Face | None:
    """The face in the middle of a patch, in pixels of the patch."""
    middle = PATCH / 2
    wanted = PATCH / PATCH_SCALE
    faces = [
        face
        for face in detector.detect(crop_and_resize(image, patch, PATCH))
        if 0.5 < face.size / wanted < 2.0 and np.abs(np.subtract(_centre(face.box), middle)).max() < wanted / 2
    ]
    return max(faces, key=lambda face: face.score, default=None)


def _turned_back(face: Face, quarter: int, size: Sequence[int]) -> Face:
    """A face of the picture turned counter-clockwise by quarters, in pixels of the picture of (height, width)."""

    def back(points: np.ndarray) -> np.ndarray:
        x, y = points[:, 0], points[:, 1]
        height, width = size
        turned = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarter]
        return np.stack(turned, axis=1)

    ends = back(np.array(face.box).reshape(2, 2))
    (x0, y0), (x1, y1) = ends.min(axis=0), ends.max(axis=0)
    landmarks = None if face.landmarks is None else back(face.landmarks)
    return Face((float(x0), float(y0), float(x1), float(y1)), face.score, landmarks, -90.0 * quarter % 360.0)


def _centre(box: Sequence[float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
