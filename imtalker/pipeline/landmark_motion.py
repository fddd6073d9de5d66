"""Face landmarks in the square that is animated: of a portrait, and of every frame of a driving clip."""

from collections.abc import Iterable, Iterator
from itertools import tee

import numpy as np

from imtalker.config import BODY_DIM
from imtalker.faces.landmarks import FaceLandmarks, find_faces, follow_face
from imtalker.faces.motion_reading import SQUARE, HeadReading, MotionBasis, read_head
from imtalker.faces.motion_track import HEAD_WEIGHTS, motion_track, smooth
from imtalker.faces.person import PersonMatte
from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.pipeline.timing import Timings
from imtalker.renderer.body_tracker import BodyTracker

SEARCH_EVERY = 3  # frames; a face that was lost is not searched in each


def square_landmarks(image: np.ndarray, box: CropBox) -> np.ndarray | None:
    """Landmarks (478,3) of the face in the square of a picture, pixels of a square of 512; None without a face."""
    faces = find_faces(crop_and_resize(image, box, SQUARE))
    return faces[0].points if faces else None


def clip_motion(
    squares: Iterable[np.ndarray], basis: MotionBasis, person_matte: PersonMatte | None, timings: Timings
) -> Iterator[np.ndarray]:
    """Motion of every frame of a clip, cut to its square ``(SQUARE, SQUARE, 3)``, with the body after it; nothing when
    no frame shows a face. Arguments as ``read_clip``."""
    heads, bodies = tee(read_clip(squares, basis, person_matte, timings))
    motions = motion_track((head for head, _ in heads), basis)
    return map(np.concatenate, zip(motions, smooth((body for _, body in bodies), HEAD_WEIGHTS), strict=False))


def read_clip(
    squares: Iterable[np.ndarray], basis: MotionBasis, person_matte: PersonMatte | None, timings: Timings
) -> Iterator[tuple[HeadReading | None, np.ndarray]]:
    """The face in every frame of a clip, cut to its square ``(SQUARE, SQUARE, 3)``, None where none is seen; and the
    body (BODY_DIM,), which goes with the head as usual without a person's matte."""
    face: FaceLandmarks | None = None
    tracker = None if person_matte is None else BodyTracker(person_matte, basis)
    lost = 0
    for square in timings.iterate("decoding", iter(squares)):
        with timings.measure("motion_encoding"):
            face = None if face is None else follow_face(square, face)
            if face is None and lost % SEARCH_EVERY == 0:
                face = next(iter(find_faces(square)), None)
            lost = 0 if face is not None else lost + 1
            points = None if face is None else face.points
            reading = None if points is None else read_head(points, basis)
            body = np.zeros(BODY_DIM, np.float32) if tracker is None else tracker(square, points, reading)
        yield reading, body
