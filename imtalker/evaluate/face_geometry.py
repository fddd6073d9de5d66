"""What a face does, read from its landmarks: head pose, gaze, lips, lids. Pure functions.

Lengths are centimetres on a face of average size (the canonical face of the landmark model: outer corners of
the eyes 8.9 cm apart), so that they compare between people, sizes and head poses. Angles are degrees:
yaw > 0 the nose points to the image's right, pitch > 0 up, roll > 0 counter-clockwise on the screen;
gaze x > 0 to the image's right, y > 0 up, both relative to the head. Zero is the average face looking ahead.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from imtalker.evaluate.face_mesh import FaceLandmarks
from imtalker.faces.canonical import canonical_face

CAMERA_DISTANCE = 100.0  # cm; portraits and talking heads are taken from about there
# The canonical face looks down a little: the median pitch of 444 frontal portraits measured against it.
_PITCH_ZERO = -3.8  # degrees
# The iris landmark moves by these times the sine of the gaze angle; the network pulls irises to the middle,
# most of all upward and downward. Fitted on rendered faces with known gaze, zero checked on portraits.
_GAZE_LEVER = np.array([0.90, 0.40])  # cm
_GAZE_ZERO = np.array([0.0, 0.13])  # cm, the iris above the middle of the eye's corners, looking ahead
_MAX_GAZE_SINE = 0.7
_MIN_APERTURE_FOR_GAZE = 0.4  # cm; narrower eyes hide the iris

# Landmarks of the mesh; the eye on the image's left comes first.
_INNER_LIPS = ((13, 14), (82, 87), (312, 317))  # upper, lower
_MOUTH_CORNERS = (61, 291)
_LIDS = (((159, 145), (160, 144), (158, 153)), ((386, 374), (387, 373), (385, 380)))  # upper, lower
_EYE_CORNERS = ((33, 133), (362, 263))
_IRISES = (468, 473)


@dataclass(frozen=True)
class HeadFrame:
    """Landmarks moved into the frame of the average head: origin, pose and size of the head are taken out."""

    points: np.ndarray  # (478,3) float64 cm: x image right, y up, z toward the camera when facing it
    rotation: np.ndarray  # (3,3) head -> camera
    pixels_per_cm: float


@dataclass(frozen=True)
class FaceReading:
    """Everything that is read from one face; units in the module's docstring."""

    yaw: float
    pitch: float
    roll: float
    gaze_x: float
    gaze_y: float
    mouth_opening: float  # cm between the inner lips, 0 closed
    mouth_width: float  # cm between the corners
    eye_left: float  # cm between the lids of the eye on the image's left
    eye_right: float


def head_frame(points: np.ndarray) -> HeadFrame:
    """Fit the canonical face to landmarks: weighted similarity transform seen by a camera 1 m away.

    Args:
        points: (478,3) pixels as in ``FaceLandmarks.points``.
    """
    face = canonical_face()
    seen = points.astype(np.float64) * [1, -1, -1]  # y up, z toward the camera
    center = face.weights @ seen[: len(face.weights)]
    flat = seen.copy()
    for _ in range(3):  # undo the perspective with the scale found so far
        scale, rotation, shift = similarity_transform(face.vertices, flat[: len(face.weights)], face.weights)
        nearness = (seen[:, 2:] - center[2]) / scale / CAMERA_DISTANCE
        flat[:, :2] = center[:2] + (seen[:, :2] - center[:2]) * (1 - nearness)
    return HeadFrame((flat - shift) @ rotation / scale, rotation, scale)


def head_pose(frame: HeadFrame) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees. The rotation is Rz(roll) Rx(pitch) Ry(yaw)."""
    r = frame.rotation
    yaw = np.arctan2(-r[2, 0], r[2, 2])
    pitch = np.arcsin(np.clip(-r[2, 1], -1, 1))
    roll = np.arctan2(-r[0, 1], r[1, 1])
    return float(np.degrees(yaw)), float(np.degrees(pitch)) - _PITCH_ZERO, float(np.degrees(roll))


def mouth_opening(frame: HeadFrame) -> float:
    """Gap between the inner edges of the lips at their middle third, cm; 0 when closed."""
    return _mean_gap(frame, _INNER_LIPS)


def mouth_width(frame: HeadFrame) -> float:
    """Distance between the corners of the mouth, cm."""
    left, right = (frame.points[i] for i in _MOUTH_CORNERS)
    return float(np.linalg.norm(right - left))


def eye_apertures(frame: HeadFrame) -> tuple[float, float]:
    """Gap between the lids of the eye on the image's left and on its right, cm; below about 0.3 closed."""
    return _mean_gap(frame, _LIDS[0]), _mean_gap(frame, _LIDS[1])


def gaze_angles(frame: HeadFrame) -> tuple[float, float]:
    """Gaze to the image's right and up relative to the head, degrees, mean of both eyes.

    Read from the shift of the irises between the corners of the eyes. Sideways it is good to about 5 degrees,
    upward and downward only to about 10. NaN while the lids are (nearly) closed.
    """
    if np.mean(eye_apertures(frame)) < _MIN_APERTURE_FOR_GAZE:
        return float("nan"), float("nan")
    shifts = [
        frame.points[iris, :2] - frame.points[list(corners), :2].mean(0)
        for iris, corners in zip(_IRISES, _EYE_CORNERS, strict=True)
    ]
    sine = (np.mean(shifts, 0) - _GAZE_ZERO) / _GAZE_LEVER
    x, y = np.degrees(np.arcsin(np.clip(sine, -_MAX_GAZE_SINE, _MAX_GAZE_SINE)))
    return float(x), float(y)


def read_face(face: FaceLandmarks) -> FaceReading:
    """All read-outs of one face."""
    frame = head_frame(face.points)
    return FaceReading(
        *head_pose(frame),
        *gaze_angles(frame),
        mouth_opening(frame),
        mouth_width(frame),
        *eye_apertures(frame),
    )


def read_faces(faces: Sequence[FaceLandmarks | None]) -> dict[str, np.ndarray]:
    """Curves of all read-outs over a video, named as in ``FaceReading``: (T,) float64, NaN without a face."""
    names = [field.name for field in fields(FaceReading)]
    table = np.full((len(faces), len(names)), np.nan)
    for row, face in zip(table, faces, strict=True):
        if face is not None:
            row[:] = astuple(read_face(face))
    return {name: table[:, column] for column, name in enumerate(names)}


def _mean_gap(frame: HeadFrame, pairs: Sequence[tuple[int, int]]) -> float:
    upper, lower = np.array(pairs).T
    return max(0.0, float((frame.points[upper, 1] - frame.points[lower, 1]).mean()))


def similarity_transform(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation, shift: least squares of scale * rotation @ source + shift - target (Umeyama 1991).

    Args:
        source, target: (N,D) points in two or three dimensions.
        weights: (N,) summing to 1; equal when left out.
    """
    if weights is None:
        weights = np.full(len(source), 1 / len(source))
    source_mean, target_mean = weights @ source, weights @ target
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd((b * weights[:, None]).T @ a)
    mirror = np.ones(source.shape[1])
    mirror[-1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * mirror) @ vt
    scale = float(singular @ mirror / (weights @ (a**2).sum(1)))
    return scale, rotation, target_mean - scale * rotation @ source_mean
