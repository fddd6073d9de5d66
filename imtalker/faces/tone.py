"""The tone of a picture that has only one: black and white, sepia, a tinted print."""

from dataclasses import dataclass

import numpy as np

from imtalker.faces.smooth import smoothstep

_LUMA = np.array([0.299, 0.587, 0.114])
_STRAY = (2.0, 5.0)  # levels that colours of a face stray from a function of their brightness: one tone, many


@dataclass(frozen=True, eq=False)
class Tone:
    """Colour as a function of brightness, as far as the picture has only that."""

    curve: np.ndarray  # (3,3) coefficients of brightness squared, brightness and 1, both 0..255
    share: float  # 1 one tone, 0 a coloured picture

    @classmethod
    def of(cls, rgb: np.ndarray, landmarks: np.ndarray) -> "Tone":
        """Of the face in (H,W,3) uint8 with landmarks (N,2 or more), px."""
        spots = landmarks[:, :2].astype(int).clip(0, [rgb.shape[1] - 1, rgb.shape[0] - 1])
        colours = rgb[spots[:, 1], spots[:, 0]].astype(np.float64)
        powers = _powers(colours @ _LUMA)
        curve = np.linalg.lstsq(powers, colours, rcond=None)[0]
        stray = np.sqrt(((colours - powers @ curve) ** 2).mean())
        return cls(curve, float(1 - smoothstep(*_STRAY, stray)))

    def __call__(self, colours: np.ndarray) -> np.ndarray:
        """Colours (...,3), 0..255, in this tone."""
        if self.share == 0:
            return colours
        toned = _powers(colours @ _LUMA) @ self.curve
        return (colours + self.share * (toned - colours)).clip(0, 255)


def _powers(brightness: np.ndarray) -> np.ndarray:
    return np.stack([brightness**2, brightness, np.ones_like(brightness)], -1)
