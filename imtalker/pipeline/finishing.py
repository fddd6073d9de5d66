"""What happens to rendered squares before they leave: back into the whole picture, a visible label."""

import numpy as np

from imtalker.media.crop import CropBox
from imtalker.media.labels import AI_LABEL, Label
from imtalker.media.paste_back import PasteBack
from imtalker.pipeline.timing import Timings

CHUNK_BYTES = 64_000_000  # of whole pictures in one chunk


class Finishing:
    """Callable: rendered squares uint8 ``(n, S, S, 3)`` -> finished frames ``(n, H, W, 3)``.

    Args:
        image: the whole portrait, uint8 RGB.
        box: the square that is animated.
        side: of the rendered squares, pixels.
        paste_back: give whole pictures.
        label: write "AI-generated" into a corner.
    """

    def __init__(self, image: np.ndarray, box: CropBox, side: int, paste_back: bool, label: bool, timings: Timings):
        self.size: tuple[int, int] = (image.shape[0], image.shape[1]) if paste_back else (side, side)
        self._paste = PasteBack(image, box) if paste_back else None
        self._label = Label(AI_LABEL, self.size[0], "lower right") if label else None
        self._timings = timings
        frame_bytes = 3 * self.size[0] * self.size[1]
        self.max_frames = max(1, CHUNK_BYTES // frame_bytes)  # finished at a time, to bound the memory

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        if self._paste is not None:
            with self._timings.measure("paste_back"):
                frames = self._paste(frames)
        if self._label is not None:
            for frame in frames:
                self._label.stamp(frame)
        return frames
