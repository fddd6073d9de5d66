"""Which pixels of a picture show a person, by MediaPipe's selfie segmentation (Apache-2.0, Google).

``person_segmentation.tflite`` is that network as the wheel of mediapipe 0.10.21 carries it (later wheels carry none): a
MobileNetV3 that looks at 256 x 256 pixels, 250 kB, 7 ms a picture on one core.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np

from imtalker.errors import WeightsError
from imtalker.faces.mediapipe_tasks import mediapipe_tasks, start_task

SHA256 = "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c"
_lock = Lock()  # one picture at a time: it is asked for once a portrait and once a clip


def person_matte(image: np.ndarray) -> np.ndarray:
    """How surely each pixel shows a person: uint8 RGB (H,W,3) -> float32 (H,W) in [0,1].

    Raises:
        WeightsError: MediaPipe or the network's file is missing.
    """
    mediapipe, _ = mediapipe_tasks()
    picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
    with _lock:
        found = _segmenter().segment(picture).confidence_masks[0].numpy_view().copy()
    return np.clip(found.reshape(image.shape[:2]), 0, 1)


def outline_distance(matte: np.ndarray) -> np.ndarray:
    """Distance of each pixel (H,W) from the outline of the person, pixels, below 0 inside."""
    person = (matte > 0.5).astype(np.uint8)
    return cv2.distanceTransform(1 - person, cv2.DIST_L2, 5) - cv2.distanceTransform(person, cv2.DIST_L2, 5)


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    mediapipe, vision = mediapipe_tasks()
    path = Path(__file__).with_name("person_segmentation.tflite")
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise WeightsError(f"{path} is missing or damaged; install imtalker again")
    options = vision.ImageSegmenterOptions(
        mediapipe.tasks.BaseOptions(model_asset_path=str(path)),
        vision.RunningMode.IMAGE,
        output_confidence_masks=True,
        output_category_mask=False,
    )
    return start_task(vision.ImageSegmenter, options)
