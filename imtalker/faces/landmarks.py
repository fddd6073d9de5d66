"""Faces in pictures as 478 landmarks: detection, landmarks, following a face through a video, blendshapes.

What the numbers mean (mouth opening, gaze, head pose) is computed from the landmarks in ``face_geometry``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from imtalker.faces.networks import networks

NUM_LANDMARKS = 478  # 468 of the face, then five each for the irises on the image's left and right
_DETECTOR_SIZE = 128  # pixels
_LANDMARK_SIZE = 256  # pixels
_REGION_SCALE = 1.5  # side of the square the landmark network sees / longer side of the face

# fmt: off
BLENDSHAPE_NAMES = (
    "neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft",
    "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft",
    "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
)
# The landmarks that the blendshape network reads.
_BLENDSHAPE_INPUT = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66,
    67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144,
    145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173,
    176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284,
    285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332,
    334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
    474, 475, 476, 477,
])
# fmt: on


@dataclass(frozen=True)
class FaceDetection:
    """One face found by the detector."""

    box: np.ndarray  # (4,) float32 pixels: left, top, right, bottom
    keypoints: np.ndarray  # (6,2) float32 pixels: eyes, nose tip, mouth, ears; image left first
    score: float  # 0..1


@dataclass(frozen=True)
class FaceLandmarks:
    """The landmarks of one face."""

    points: np.ndarray  # (478,3) float32 pixels: x right, y down, z away from the camera (0 inside the head)
    presence: float  # 0..1, how sure the network is that a face is there

    @property
    def box(self) -> np.ndarray:
        """(4,) float32 pixels: left, top, right, bottom of the landmarks."""
        return np.concatenate([self.points[:, :2].min(0), self.points[:, :2].max(0)])


@dataclass(frozen=True)
class _Region:
    """The rotated square the landmark network looks at."""

    center: np.ndarray  # (2,) pixels
    side: float  # pixels
    angle: float  # radians, of the line through the eyes; positive is clockwise on the screen

    def crop_to_image(self) -> np.ndarray:
        """(2,3) affine map from pixels of the network's input to pixels of the image."""
        scale = self.side / _LANDMARK_SIZE
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        half = _LANDMARK_SIZE / 2
        x, y = self.center
        return np.array([[cos, -sin, x - half * cos + half * sin], [sin, cos, y - half * sin - half * cos]])


def detect_faces(image: np.ndarray, min_score: float = 0.5) -> list[FaceDetection]:
    """Find faces that fill at least about a sixth of the picture's longer side (BlazeFace short range).

    Args:
        image: uint8 RGB (H,W,3).
        min_score: detections below are dropped, 0..1.

    Returns:
        Best score first; empty when there is no face.
    """
    # A face that fills the picture to its borders is found in a picture with a wide margin round it.
    return _detect(image, min_score, 1.0) or _detect(image, min_score, 0.6)


def find_faces(image: np.ndarray, max_faces: int = 1, min_presence: float = 0.5) -> list[FaceLandmarks]:
    """Landmarks of the faces in one picture; the face with the best detection score first.

    Args:
        image: uint8 RGB (H,W,3).
        max_faces: at most so many results.
        min_presence: faces that the landmark network trusts less are dropped, 0..1.
    """
    found = []
    for detection in detect_faces(image)[:max_faces]:
        face = follow_face(image, _fit_landmarks(image, _region_of_detection(detection)), min_presence)
        if face is not None:
            found.append(face)
    return found


def follow_face(image: np.ndarray, previous: FaceLandmarks, min_presence: float = 0.5) -> FaceLandmarks | None:
    """Landmarks of a face whose place is known from the frame before; no detector. None when it is lost."""
    face = _fit_landmarks(image, _region_of_landmarks(previous))
    return face if face.presence >= min_presence else None


def track_face(frames: Iterable[np.ndarray], min_presence: float = 0.5) -> Iterator[FaceLandmarks | None]:
    """The main face of every frame of a video; None where there is none. Detects only when it was lost.

    Args:
        frames: uint8 RGB (H,W,3) in order of time, one size.
    """
    face: FaceLandmarks | None = None
    for frame in frames:
        face = follow_face(frame, face, min_presence) if face is not None else None
        if face is None:
            face = next(iter(find_faces(frame, 1, min_presence)), None)
        yield face


def blendshapes(face: FaceLandmarks) -> np.ndarray:
    """Expression as 52 coefficients in the order of ``BLENDSHAPE_NAMES``: (52,) float32 in [0,1]."""
    network = networks().blendshapes
    network.setInput(np.ascontiguousarray(face.points[_BLENDSHAPE_INPUT, :2])[None])
    return network.forward().ravel()


def _detect(image: np.ndarray, min_score: float, fill: float) -> list[FaceDetection]:
    """Run the detector on the whole image, scaled so that its longer side takes ``fill`` of the input."""
    size = _DETECTOR_SIZE
    height, width = image.shape[:2]
    scale = fill * size / max(height, width)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    network = networks().detector
    network.setInput(cv2.dnn.blobFromImage(canvas, 1 / 127.5, (size, size), (127.5,) * 3))
    raw, logits = network.forward(["regressors", "classificators"])
    scores = _sigmoid(logits.reshape(-1))
    keep = np.flatnonzero(scores >= min_score)
    if not len(keep):
        return []
    # Each row: offset of the box's centre from its anchor, its size, offsets of six key points.
    raw = raw.reshape(-1, 16)[keep] / size
    anchors = _detector_anchors()[keep]
    center = raw[:, :2] + anchors
    keypoints = raw[:, 4:].reshape(-1, 6, 2) + anchors[:, None]
    corners = np.stack([center - raw[:, 2:4] / 2, center + raw[:, 2:4] / 2], 1)
    shapes = np.concatenate([corners, keypoints], 1) * size - [left, top]
    merged = _merge_overlapping(shapes / [inner[0] / width, inner[1] / height], scores[keep])
    return [
        FaceDetection(shape[:2].reshape(4).astype(np.float32), shape[2:].astype(np.float32), score)
        for shape, score in merged
    ]


def _merge_overlapping(shapes: np.ndarray, scores: np.ndarray, iou: float = 0.3) -> list[tuple[np.ndarray, float]]:
    """Weighted non-maximum suppression: overlapping detections (N,8,2) become their weighted mean."""
    order = np.argsort(-scores)
    low, high = shapes[:, 0], shapes[:, 1]
    area = np.prod(high - low, 1)
    merged = []
    while len(order):
        best = order[0]
        overlap = np.minimum(high[best], high[order]) - np.maximum(low[best], low[order])
        shared = np.prod(np.clip(overlap, 0, None), 1)
        same = shared / (area[best] + area[order] - shared) > iou
        same[0] = True
        group = order[same]
        merged.append((np.average(shapes[group], 0, scores[group]), float(scores[best])))
        order = order[~same]
    return merged


@lru_cache(maxsize=1)
def _detector_anchors() -> np.ndarray:
    """(896,2) centres of the detector's cells, fractions of the input: 16x16 cells twice, 8x8 six times."""
    anchors = []
    for cells, repeats in ((16, 2), (8, 6)):
        y, x = np.mgrid[:cells, :cells]
        anchors.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2) + 0.5, repeats, 0) / cells)
    return np.concatenate(anchors)


def _region_of_detection(detection: FaceDetection) -> _Region:
    low, high = detection.box[:2], detection.box[2:]
    return _Region((low + high) / 2, _REGION_SCALE * float(max(high - low)), _angle(*detection.keypoints[:2]))


def _region_of_landmarks(face: FaceLandmarks) -> _Region:
    """The upright box of the landmarks in the frame of the eyes, enlarged, as the official tracker does."""
    points = face.points[:468, :2]
    angle = _angle(points[33], points[263])  # outer corners of the eyes
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[cos, sin], [-sin, cos]])  # image -> upright
    upright = points @ rotation.T
    low, high = upright.min(0), upright.max(0)
    return _Region((low + high) / 2 @ rotation, _REGION_SCALE * float(max(high - low)), angle)


def _angle(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))


def _fit_landmarks(image: np.ndarray, region: _Region) -> FaceLandmarks:
    crop_to_image = region.crop_to_image()
    size = (_LANDMARK_SIZE, _LANDMARK_SIZE)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(image, crop_to_image, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    network = networks().landmarks
    network.setInput(cv2.dnn.blobFromImage(crop, 1 / 255))
    raw, presence, _ = network.forward(["Identity", "Identity_1", "Identity_2"])
    raw = raw.reshape(NUM_LANDMARKS, 3)
    points = np.empty((NUM_LANDMARKS, 3), np.float32)
    points[:, :2] = raw[:, :2] @ crop_to_image[:, :2].T + crop_to_image[:, 2]
    points[:, 2] = raw[:, 2] * region.side / _LANDMARK_SIZE
    return FaceLandmarks(points, float(_sigmoid(presence.ravel())[0]))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
