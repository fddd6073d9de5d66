"""Whether something is before the mouth: a hand, a microphone, a cup. Landmarks do not tell; they lie on it as on lips.

Two things have to go together. The skin round the mouth looks like none of the mixtures of what most frames show
(distance from a space of few principal components, Turk and Pentland, "Eigenfaces for recognition", 1991, with frames
that do not fit left out of it); and where the lips should be, nothing has their colour against the skin. Open mouths,
turned heads and shadows do one of both. In 15 clips with nothing before the mouth, 1900 frames, none was taken for
covered; of those in which a drawn hand hid the lips nine in ten were.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from imtalker.dubbing.completion.mouth_patch import PATCH_CM, apply, cut_patch, inverse, patch_to_image

SIDE = 64  # pixels of the patch that is measured
CELLS = 16  # a side of the patch, whose mean colours are compared
INNER = np.s_[3:12, 5:11]  # of these: never background, however the head is turned
RING_CM = (0.35, 1.0)  # from the lips outwards, the skin they are compared with
OUTER_LIPS, INNER_LIPS = slice(24, 44), slice(44, 64)  # of ``MouthSpace.landmarks``
LEAST_FRAMES, COMPONENTS, ROUNDS = 24, 8, 6
USUAL, LEAST_DISTANCE = 1.8, 4.0  # times the median distance, and levels, up to which frames belong to the space
WORST = 0.15  # share of the cells, the worst ones, whose distance counts
FAR, FAINT = 34.0, 0.6  # levels of distance, and share of the lips' usual contrast, that a covered mouth shows
STEADY = 5  # frames, of whose values the median counts
NUMBERS = 3 * 9 * 6 + 3


def mouth_look(frame: np.ndarray, to_image: np.ndarray, turn: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """``(NUMBERS,)`` float32: mean colours of cells round the mouth, and by how much the lips differ from the skin.

    Args:
        frame: uint8 RGB.
        to_image, turn: see ``Registration``.
        lower: ``(K, 2)`` pixels, landmarks of the lower face.
    """
    patch = cut_patch(frame, to_image, turn, SIDE)
    points = apply(inverse(patch_to_image(to_image, turn, SIDE)), lower)
    cells = cv2.resize(patch, (CELLS, CELLS), interpolation=cv2.INTER_AREA)[INNER]
    colours = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).astype(np.float32)
    hull, opening = (np.zeros((SIDE, SIDE), np.uint8) for _ in range(2))
    cv2.fillPoly(hull, [np.rint(points[OUTER_LIPS]).astype(np.int32)], [1])
    cv2.fillPoly(opening, [np.rint(points[INNER_LIPS]).astype(np.int32)], [1])
    away = cv2.distanceTransform(1 - hull, cv2.DIST_L2, 5) * (PATCH_CM / SIDE)
    lips, skin = (hull > 0) & (opening == 0), (away > RING_CM[0]) & (away < RING_CM[1])
    contrast = np.zeros(3, np.float32)
    if lips.any() and skin.any():
        contrast = colours[lips].mean(0) - colours[skin].mean(0)
    return np.concatenate([cells.reshape(-1).astype(np.float32), contrast])


@dataclass(frozen=True, eq=False)
class ClearMouth:
    """What a person's mouth looks like with nothing before it."""

    centre: np.ndarray  # (162,)
    components: np.ndarray  # (k, 162)
    contrast: np.ndarray  # (3,) of the lips, as a rule

    @classmethod
    def of(cls, looks: np.ndarray) -> "ClearMouth | None":
        """From most of some frames' looks ``(n, NUMBERS)``; None where they are too few to tell."""
        if len(looks) < LEAST_FRAMES:
            return None
        cells = looks[:, :-3].astype(np.float64)
        far = np.abs(cells - np.median(cells, 0)).mean(1)
        kept = far <= np.median(far)
        found = cls(cells.mean(0), cells[:0], np.zeros(3))
        for _ in range(ROUNDS):
            centre = cells[kept].mean(0)
            components = np.linalg.svd(cells[kept] - centre, full_matrices=False)[2][:COMPONENTS]
            found = cls(centre, components, np.median(looks[kept, -3:].astype(np.float64), 0))
            distance = found.distance(looks)
            kept = distance <= max(USUAL * float(np.median(distance)), LEAST_DISTANCE)
        return found

    def distance(self, looks: np.ndarray) -> np.ndarray:
        """``(n,)`` levels, of the worst cells, from the nearest mixture."""
        moved = looks[:, :-3] - self.centre
        rest = np.abs(moved - moved @ self.components.T @ self.components).reshape(len(looks), -1, 3).mean(2)
        return np.sort(rest, 1)[:, -max(1, round(WORST * rest.shape[1])) :].mean(1)

    def covered(self, looks: np.ndarray, consecutive: bool = True) -> np.ndarray:
        """``(n,)`` bool, whether something is before the mouth; ``consecutive`` frames are steadied by each other."""
        far = self.distance(looks)
        faint = looks[:, -3:] @ self.contrast / max(float(self.contrast @ self.contrast), 1e-6)
        if consecutive:
            far, faint = _steadied(far), _steadied(faint)
        return (far > FAR) & (faint < FAINT)


def _steadied(values: np.ndarray) -> np.ndarray:
    """Running median over ``STEADY`` frames."""
    padded = np.pad(values, STEADY // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, STEADY), axis=1)
