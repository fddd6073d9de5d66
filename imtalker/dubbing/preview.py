"""What will be dubbed, shown before it is: moments of the clip, its people, and where the new mouth will be."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from imtalker.dubbing.blending import soft_mask
from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.registration import SQUARE_CM, pixels_per_cm, register
from imtalker.dubbing.remarks import size_remarks
from imtalker.dubbing.timing import MAX_YAW
from imtalker.dubbing.tracking import MAX_FACES, nearest, rivals
from imtalker.faces.landmarks import FaceLandmarks, find_faces
from imtalker.media.remark import Remark
from imtalker.media.video import read_frames_from, reliable_times

MOMENTS = (0.0, 0.35, 0.7)  # of the clip's length that are looked at
TINT = np.array([13, 148, 136], np.float32)  # RGB of the mask
STRENGTH = 0.55  # of the tint, where the mask is full


@dataclass(frozen=True, eq=False)
class Moment:
    """One picture of the clip."""

    seconds: float
    picture: np.ndarray  # uint8 RGB (H, W, 3)
    faces: tuple[FaceLandmarks, ...]  # largest first


@dataclass(frozen=True, eq=False)
class DubPreview:
    """Moments of a clip, and what can be said before the face is followed."""

    clip: DubClip
    moments: tuple[Moment, ...]

    @classmethod
    def of(cls, path: str | Path) -> "DubPreview":
        """Look at a few moments of a clip.

        Raises:
            InputError: missing, damaged, or no pictures in it.
        """
        clip = DubClip.read(path)
        fps = float(clip.fps)
        seek = reliable_times(path, fps)
        moments = []
        for share in MOMENTS if seek else MOMENTS[:1]:
            frame = int(share * clip.num_frames)
            picture = next(read_frames_from(path, fps, frame, seek), None)
            if picture is not None:
                moments.append(Moment(frame / fps, picture, tuple(find_faces(picture, MAX_FACES))))
        return cls(clip, tuple(moments))

    @property
    def people(self) -> tuple[FaceLandmarks, ...]:
        """The faces of the first moment that shows any, which ``DubOptions.face`` counts if the clip begins there."""
        return next((moment.faces for moment in self.moments if moment.faces), ())

    @property
    def must_choose(self) -> bool:
        """Whether people of similar size leave open who is meant."""
        return rivals(self.people)

    def remarks(self, face: int = 0) -> tuple[Remark, ...]:
        """What a person should know, with that face chosen."""
        if not self.people:
            words = "no face is seen at these moments of the clip; dubbing needs one that is clearly seen"
            return (*self.clip.remarks, Remark("no_face", words, "poor"))
        chosen = register(self.people[face])
        remarks = [*self.clip.remarks, *size_remarks(pixels_per_cm(chosen.to_image) * SQUARE_CM)]
        if abs(chosen.yaw) > MAX_YAW:
            words = f"the head is turned beyond {MAX_YAW:g} degrees here; there the original is kept"
            remarks.append(Remark("turned_face", words))
        return tuple(remarks)

    def strip(self, face: int = 0, side: int = 300) -> np.ndarray:
        """The moments side by side, the new mouth's place tinted, people numbered; uint8 RGB.

        Args:
            face: the chosen one of ``people``.
            side: longer side of one picture, pixels.
        """
        chosen: FaceLandmarks | None = self.people[face] if self.people else None
        pictures = []
        for moment in self.moments:
            here = nearest(moment.faces, chosen) if chosen is not None and moment.faces else None
            pictures.append(_drawn(moment, here, side))
        height = max(picture.shape[0] for picture in pictures)
        padded = [np.pad(p, ((0, height - p.shape[0]), (0, 4), (0, 0)), constant_values=255) for p in pictures]
        return np.concatenate(padded, axis=1)[:, :-4]


def _drawn(moment: Moment, chosen: FaceLandmarks | None, side: int) -> np.ndarray:
    """One picture, scaled, with the mask of one face and the numbers of several."""
    height, width = moment.picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = cv2.resize(moment.picture, size, interpolation=cv2.INTER_AREA)
    if chosen is not None:
        lower = chosen.points[mouth_space().landmarks, :2] * scale
        per_cm = pixels_per_cm(register(chosen).to_image) * scale
        share = STRENGTH * soft_mask(lower, (size[1], size[0]), per_cm)[..., None]
        picture = np.rint(picture * (1 - share) + TINT * share).astype(np.uint8)
    if len(moment.faces) > 1:
        for number, face in enumerate(moment.faces, 1):
            left, top, right, bottom = (round(float(value) * scale) for value in face.box)
            colour = (13, 148, 136) if face is chosen else (148, 163, 184)
            cv2.rectangle(picture, (left, top), (right, bottom), colour, 2)
            cv2.putText(picture, str(number), (left + 4, top + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.7, colour, 2)
    return picture
