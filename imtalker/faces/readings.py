"""What a face does, read from its landmarks: head pose, gaze, lips, lids. Pure functions.

Lengths are centimetres on a face of average size (the canonical face of the landmark model: outer corners of
the eyes 8.9 cm apart), so that they compare between people, sizes and head poses. Angles are degrees:
yaw > 0 the nose points to the image's right, pitch > 0 up, roll > 0 counter-clockwise on the screen;
gaze x > 0 to the image's right, y > 0 up, both relative to the head. Zero is the average face looking ahead.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from imtalker.faces.canonical import canonical_face
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.mesh import EYE_CORNERS, EYES, IRIS_L, IRIS_R, LIP_INNER_LOWER, LIP_INNER_UPPER, MOUTH_CORNERS
from imtalker.faces.rigid import fit_head, rotation_angles

# The canonical face looks down a little: the median pitch of 444 frontal portraits measured against it.
_PITCH_ZERO = -3.8  # degrees
# The iris landmark moves by these times the sine of the gaze angle; the network pulls irises to the middle,
# most of all upward and downward. Fitted on rendered faces with known gaze, zero checked on portraits.
_GAZE_LEVER = np.array([0.90, 0.40])  # cm
_GAZE_ZERO = np.array([0.0, 0.13])  # cm, the iris above the middle of the eye's corners, looking ahead
_MAX_GAZE_SINE = 0.7
_MIN_APERTURE_FOR_GAZE = 0.4  # cm; narrower eyes hide the iris

# Where the openings are measured: landmarks above and below, opposite each other.
_LIP_MIDDLE = (LIP_INNER_UPPER[4:7], LIP_INNER_LOWER[4:7])
_LID_MIDDLES = tuple((upper[3:6], lower[3:6]) for upper, lower in EYES)  # the eye on the image's left comes first


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
    centre = face.weights @ points[: len(face.weights), :2].astype(np.float64)
    middle = face.weights @ face.vertices  # its depth is where the landmarks' own z has the scale of x and y
    scale, rotation, _, about_middle = fit_head(points, face.vertices - middle, face.weights, centre)
    return HeadFrame(about_middle + middle, rotation, scale)


def head_pose(frame: HeadFrame) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees, as in ``imtalker.faces.rigid``."""
    yaw, pitch, roll = (float(angle) for angle in rotation_angles(frame.rotation))
    return yaw, pitch - _PITCH_ZERO, roll


def mouth_opening(frame: HeadFrame) -> float:
    """Gap between the inner edges of the lips at their middle third, cm; 0 when closed."""
    return _mean_gap(frame, *_LIP_MIDDLE)


def mouth_width(frame: HeadFrame) -> float:
    """Distance between the corners of the mouth, cm."""
    left, right = (frame.points[i] for i in MOUTH_CORNERS)
    return float(np.linalg.norm(right - left))


def eye_apertures(frame: HeadFrame) -> tuple[float, float]:
    """Gap between the lids of the eye on the image's left and on its right, cm; below about 0.3 closed."""
    right, left = (_mean_gap(frame, *lids) for lids in _LID_MIDDLES)
    return right, left


def gaze_angles(frame: HeadFrame) -> tuple[float, float]:
    """Gaze to the image's right and up relative to the head, degrees, mean of both eyes.

    Read from the shift of the irises between the corners of the eyes. Sideways it is good to about 5 degrees,
    upward and downward only to about 10. NaN while the lids are (nearly) closed.
    """
    if np.mean(eye_apertures(frame)) < _MIN_APERTURE_FOR_GAZE:
        return float("nan"), float("nan")
    shifts = [
        frame.points[iris, :2] - frame.points[list(corners), :2].mean(0)
        for iris, corners in zip((IRIS_R[0], IRIS_L[0]), EYE_CORNERS, strict=True)
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


def _mean_gap(frame: HeadFrame, upper: Sequence[int], lower: Sequence[int]) -> float:
    return max(0.0, float((frame.points[list(upper), 1] - frame.points[list(lower), 1]).mean()))
