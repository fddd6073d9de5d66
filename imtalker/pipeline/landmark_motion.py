"""Face landmarks in the square that is animated: of a portrait, and of every frame of a driving clip."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from imtalker.faces.landmarks import FaceLandmarks, find_faces, follow_face
from imtalker.faces.motion_reading import SQUARE, HeadReading, MotionBasis, read_head
from imtalker.faces.person import PersonMatte
from imtalker.faces.torso import TorsoTracker
from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.pipeline.timing import Timings

SEARCH_EVERY = 3  # frames; a face that was lost is not searched in each


def square_landmarks(image: np.ndarray, box: CropBox) -> np.ndarray | None:
    """Landmarks (478,3) of the face in the square of a picture, pixels of a square of 512; None without a face."""
    faces = find_faces(crop_and_resize(image, box, SQUARE))
    return faces[0].points if faces else None


def read_clip(
    squares: Iterable[np.ndarray], basis: MotionBasis, person_matte: PersonMatte | None, timings: Timings
) -> Iterator[HeadReading | None]:
    """The face in every frame of a clip, cut to its square ``(SQUARE, SQUARE, 3)``, and how far the torso has come,
    which stays where it is without a person's matte; None where no face is seen."""
    face: FaceLandmarks | None = None
    torso = None if person_matte is None else TorsoTracker(person_matte)
    lost = 0
    for square in timings.iterate("decoding", iter(squares)):
        with timings.measure("motion_encoding"):
            face = None if face is None else follow_face(square, face)
            if face is None and lost % SEARCH_EVERY == 0:
                face = next(iter(find_faces(square)), None)
            lost = 0 if face is not None else lost + 1
            shift = np.zeros(2) if torso is None else torso(square, None if face is None else face.points)
            reading = None if face is None else replace(read_head(face.points, basis), torso=tuple(shift.tolist()))
        yield reading
