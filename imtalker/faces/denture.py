"""A person's teeth on two plates (``imtalker.faces.drawn_teeth``), and where they are in the head.

Rows are drawn in the photo's light; the upper one is the photo's own where it shows one
(``imtalker.faces.photo_teeth``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imtalker.faces.drawn_teeth import TEETH_DEPTH, draw_teeth, mouth_light, usual_colour
from imtalker.faces.photo_teeth import TINTS, photo_teeth
from imtalker.faces.tone import Tone
from imtalker.faces.tooth_colour import tooth_colour

ROWS_APART = 0.3  # cm, the lower row behind the upper one
_LOWER_EDGE = (-0.35, -0.08)  # cm above the lip line that the lower row's edge may be
_OPEN = 0.35  # cm between the lips from which a photo may show teeth


@dataclass(frozen=True, eq=False)
class Denture:
    """Both rows of one person, and where they are in the head frame while the jaw is closed."""

    plates: np.ndarray  # (2,128,256,4) float32 0..255, premultiplied; upper first
    middle: np.ndarray  # (3,) cm, middle of the lip line
    upper_edge: float  # cm, height of the upper row's incisal edge
    overbite: float  # cm, from it up to the lower row's edge
    scale: float  # size of the teeth
    light: float  # level of the light in the mouth
    tone: Tone | None = None  # of the picture

    def toned_plates(self) -> np.ndarray:
        """``plates`` in the picture's tone."""
        if self.tone is None:
            return self.plates
        alpha = self.plates[..., 3:] / 255
        colours = self.tone(self.plates[..., :3] / np.maximum(alpha, 1e-3)) * alpha
        return np.concatenate([colours, self.plates[..., 3:]], -1)

    def toned(self, colour: tuple[float, float, float]) -> np.ndarray:
        """(3,) a colour 0..255 of the mouth in its light and the picture's tone."""
        lit = self.light * np.array(colour)
        return lit if self.tone is None else self.tone(lit)

    def corners(self) -> np.ndarray:
        """(2,3,3) cm, head frame, per row: the plate's middle, and one unit of the plate to its right and down."""
        corner = self.scale * np.array([[0, 0, 0], [1.0, 0, 0], [0, -1.0, 0]])
        across, height, depth = self.middle
        depth = depth - TEETH_DEPTH
        lower_edge = height + np.clip(self.upper_edge - height + self.overbite, *_LOWER_EDGE)
        upper, lower = [across, self.upper_edge, depth], [across, lower_edge, depth - ROWS_APART]
        return np.stack([corner + upper, corner + lower])


def fit_denture(
    rgb: np.ndarray,
    landmarks: np.ndarray,
    to_photo: Callable[[np.ndarray], np.ndarray],
    neutral: np.ndarray,
    head: np.ndarray,
    *,
    seed: int = 0,
    shade: float = 0.9,
    edge: float = -0.30,
    overbite: float = 0.08,
    scale: float = 1.0,
) -> Denture:
    """Teeth for the person of a photo: drawn in its light, the upper row its own where it is seen.

    Args:
        rgb: (512,512,3) uint8.
        landmarks: (478,3) px of it.
        to_photo: points (N,3) of the head frame, cm, to px (N,2) of the photo.
        neutral: (468,3) cm, the person with the lips sealed.
        head: (478,3) cm, the landmarks in the head frame.
        seed, shade: see ``draw_teeth``.
        edge: cm, height of the upper edge above the lip line; below it as a rule.
        overbite: cm, of the closed rows.
        scale: of drawn teeth.
    """
    rng = np.random.default_rng(seed)
    light, tint = mouth_light(rgb, landmarks)
    upper = draw_teeth(rng, True, shade, light * tint)
    lower = draw_teeth(rng, False, shade + 0.2, light * 0.94 * tint)
    middle = (neutral[13] + neutral[14]) / 2
    upper_edge = middle[1] + edge
    if head[13, 1] - head[14, 1] > _OPEN:
        seen_edge = float(np.clip(head[14, 1] + 0.02, middle[1] - 0.9, middle[1] - 0.1))
        own = photo_teeth(rgb, landmarks, to_photo, seen_edge, middle, upper)
        if own is not None:
            (upper, colour, upper_edge), scale = own, 1.0
            lower[..., :3] = (lower[..., :3] * colour).clip(0, 255)
        elif (colour := tooth_colour(rgb, landmarks)) is not None:
            factor = (colour / usual_colour(upper)).clip(*TINTS)
            upper[..., :3], lower[..., :3] = ((row[..., :3] * factor).clip(0, 255) for row in (upper, lower))
    return Denture(np.stack([upper, lower]), middle, float(upper_edge), overbite, scale, light, Tone.of(rgb, landmarks))
