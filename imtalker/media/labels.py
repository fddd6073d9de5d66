"""Text on pictures: the names of a comparison and the visible notice that a video is generated."""

from typing import Literal

import numpy as np

AI_LABEL = "AI-generated"
HEIGHT = 0.04  # of the letters, fraction of the picture's height
MIN_LETTERS = 10  # pixels


class Label:
    """White text on a translucent dark plate, drawn once (by MoviePy) and stamped on many frames.

    Args:
        text: one line.
        height: of the pictures, pixels.
        corner: where it goes.
    """

    def __init__(self, text: str, height: int, corner: Literal["upper left", "lower right"] = "upper left") -> None:
        from moviepy import TextClip  # most of a second to import, and most runs need no label

        size = max(MIN_LETTERS, round(height * HEIGHT))
        clip = TextClip(text=text, font_size=size, color="white", bg_color="black", margin=(size // 2, size // 3))
        self._plate = np.asarray(clip.get_frame(0), np.float32)
        letters = self._plate.mean(axis=2, keepdims=True) / 255.0
        self._alpha = 0.55 + 0.45 * letters
        self._corner = corner

    def stamp(self, frame: np.ndarray) -> None:
        """Write into one frame, uint8 RGB ``(H, W, 3)``, in place; cut where the frame is too small."""
        height, width = min(len(self._plate), frame.shape[0]), min(self._plate.shape[1], frame.shape[1])
        area = frame[:height, :width] if self._corner == "upper left" else frame[-height:, -width:]
        alpha = self._alpha[:height, :width]
        area[:] = np.rint(area + alpha * (self._plate[:height, :width] - area)).astype(np.uint8)
