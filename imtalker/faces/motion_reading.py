"""Landmarks -> explicit motion (32 numbers a frame): what the face does, read by geometry instead of by a network.

The head's pose, place and size are a rigid fit of the average face to stable points, the gaze is the shift of the
irises, and the expression is the regularised least-squares fit of the motion latent's components to how the
landmarks are displaced from the person's own neutral face. These are the definitions by which the photo puppets of the
training get their exact motion, so portrait and driving clip are read in the same way as the renderer has learned.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from imtalker.config import MOTION_DIM
from imtalker.errors import WeightsError
from imtalker.faces.lids import lid_directions, lid_gaps, lid_readout, lid_shares
from imtalker.faces.mesh import (
    EYE_CORNERS,
    IRIS_L,
    IRIS_R,
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    NUM_FACE,
    RIGID_WEIGHTS,
)
from imtalker.faces.neutral import NeutralModel, remove_expression
from imtalker.faces.rigid import fit_head, rotation_angles

SQUARE = 512  # pixels, side of the square that landmarks are given in
PIVOT = np.array([0.0, -4.5, -8.0])  # cm, centre of head rotation (skull base), head frame
# Where the pivot lies in the mean portrait, cm from the middle of the square, and the mean scale: the motion's zero.
MEAN_PIVOT = np.array([0.0, -2.37])
MEAN_SCALE = 17.53  # pixels of the square per cm
EYE_LEVER = 1.0  # cm from the eyeball's centre to the iris (fitted on camera-looking portraits)
GAZE_ZERO = np.array([0.0, 0.166])  # cm, mean iris offset from the eye corners' midpoint
MAX_GAZE_SINE = 0.6
ANGLE_UNIT, TRANSLATION_UNIT, LOG_SCALE_UNIT = 10.0, 0.5, 0.06
HEAD, GAZE, EXPRESSION = slice(0, 6), slice(6, 8), slice(8, 31)
# After the networks' 32 numbers, in motion read from a clip: a square lattice (n, n, 2) in cm, row by row, of how
# hair and shoulders move, see ``imtalker.renderer.body_tracker``.
BODY = slice(MOTION_DIM, None)


@dataclass(frozen=True, eq=False)
class MotionBasis:
    """The constants of a preset's explicit motion, ``motion_basis.npz`` beside its weights."""

    face: np.ndarray  # (468,3) float32 cm, the average neutral face
    smile: np.ndarray  # (468,3) float32 cm, the average smile
    jaw_weight: np.ndarray  # (468,) float32
    lip_operator: np.ndarray  # (468,40) float32, from the lips' handles to the face
    solver: np.ndarray  # (1404,23) float32, displacement in cm -> expression components
    components: np.ndarray  # (23,1404) float32, expression components -> displacement in cm

    @classmethod
    def load(cls, path: str | Path) -> "MotionBasis":
        """Raises WeightsError when the file is missing, damaged or none of these."""
        try:
            with np.load(path, allow_pickle=False) as data:
                return cls(**{field.name: data[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise WeightsError(f"{path} is not a complete motion basis ({error}); install imtalker again") from error

    def save(self, path: str | Path) -> None:
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @cached_property
    def lid_readout(self) -> np.ndarray:
        """(23,2) see ``imtalker.faces.lids.lid_readout``."""
        return lid_readout(self.components, self.face)

    @cached_property
    def lid_directions(self) -> np.ndarray:
        """(2,23) see ``imtalker.faces.lids.lid_directions``."""
        return lid_directions(self.components, self.face)

    @property
    def neutral_model(self) -> NeutralModel:
        return NeutralModel(self.face, self.smile, self.jaw_weight, self.lip_operator)


@dataclass(frozen=True, eq=False)
class HeadReading:
    """One face, freed of its pose."""

    motion: np.ndarray  # (8,) head and gaze in units of the motion
    face: np.ndarray  # (468,3) cm, head frame

    @property
    def aperture(self) -> float:
        """Mean opening of the lids, cm."""
        return float(lid_gaps(self.face).mean())

    @property
    def lip_gap(self) -> float:
        """Opening of the middle of the lips, cm."""
        upper, lower = list(LIP_INNER_UPPER[3:8]), list(LIP_INNER_LOWER[3:8])
        return float((self.face[upper, 1] - self.face[lower, 1]).mean())


def read_gaze(head: np.ndarray) -> np.ndarray:
    """Gaze (2,) to the image's right and up in degrees from landmarks (478,3) in the head frame, cm."""
    irises = zip((IRIS_R, IRIS_L), EYE_CORNERS, strict=True)
    offset = np.mean([head[iris[0]] - head[list(corners)].mean(0) for iris, corners in irises], 0)[:2]
    return np.degrees(np.arcsin(np.clip((offset - GAZE_ZERO) / EYE_LEVER, -MAX_GAZE_SINE, MAX_GAZE_SINE)))


def head_points(points: np.ndarray, basis: MotionBasis) -> np.ndarray:
    """Landmarks (478,3), pixels of a square of 512, in the head frame: cm, freed of pose, size and perspective."""
    return fit_head(points, basis.face, RIGID_WEIGHTS, np.full(2, SQUARE / 2))[-1]


def read_head(points: np.ndarray, basis: MotionBasis) -> HeadReading:
    """Pose, place, size, gaze and the face behind them, of landmarks (478,3) in pixels of a square of 512."""
    middle = np.full(2, SQUARE / 2)
    scale, rotation, shift, head = fit_head(points, basis.face, RIGID_WEIGHTS, middle)
    place = np.array([shift[0] - middle[0], shift[1] + middle[1]]) / scale + (rotation @ PIVOT)[:2] - MEAN_PIVOT
    angles = np.array(rotation_angles(rotation))
    size = np.log(scale / MEAN_SCALE)
    motion = [*angles / ANGLE_UNIT, *place / TRANSLATION_UNIT, size / LOG_SCALE_UNIT, *read_gaze(head) / ANGLE_UNIT]
    return HeadReading(np.array(motion), head[:NUM_FACE])


def neutral_face(reading: HeadReading, basis: MotionBasis) -> np.ndarray:
    """(468,3) cm: the person of a reading at rest, lips sealed."""
    return remove_expression(reading.face, basis.neutral_model)[0]


def motion_of(reading: HeadReading, neutral: np.ndarray, basis: MotionBasis) -> np.ndarray:
    """Motion (32,) float32 of a reading, the expression measured against the person's own neutral face (468,3).

    Lids are told by their share of the person's own opening: whoever shuts the eyes, shuts them in the motion. The
    tongue, which landmarks do not show, is at rest.
    """
    motion = _against(neutral, reading, basis)
    shares = lid_shares(lid_gaps(reading.face), lid_gaps(neutral), lid_gaps(basis.face))
    motion[EXPRESSION] += (shares - 1 - motion[EXPRESSION] @ basis.lid_readout) @ basis.lid_directions
    return motion.astype(np.float32)


def read_against_average(points: np.ndarray, basis: MotionBasis) -> np.ndarray:
    """Motion (32,) float32 of landmarks (478,3), pixels of a square of 512, the expression measured against the average
    face: two pictures of one person differ by what the face does, both have in common how the person looks.
    """
    return _against(basis.face, read_head(points, basis), basis).astype(np.float32)


def read_portrait(points: np.ndarray, basis: MotionBasis) -> np.ndarray:
    """Motion (32,) float32 of a single picture; landmarks (478,3) in pixels of a square of 512."""
    reading = read_head(points, basis)
    return motion_of(reading, neutral_face(reading, basis), basis)


def _against(face: np.ndarray, reading: HeadReading, basis: MotionBasis) -> np.ndarray:
    """Motion (32,) of a reading, its expression what differs from a face (468,3)."""
    motion = np.zeros(MOTION_DIM)
    motion[: GAZE.stop] = reading.motion
    motion[EXPRESSION] = (reading.face - face).ravel() @ basis.solver
    return motion
