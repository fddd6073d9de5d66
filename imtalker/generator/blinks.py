"""Blinks as often as asked for, where the motion names the lids.

The network blinks by itself, but hardly less often when less is asked, and not at all in many short clips. So a blink
that comes too early is left out, and one is put in where none has come for too long.
"""

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE
from imtalker.generator.motion_statistics import READOUT_NAMES

# Opening of the lids during a blink, over that before it: median of those that the network makes.
BLINK = torch.tensor([0.9, 0.32, 0.0, 0.14, 0.44, 0.75, 0.95])
EARLIEST, LATEST = 0.75, 1.45  # of the mean interval: when a blink may follow, and when one must have begun
FIRST = (0.2, 0.8)  # of the mean interval: when the first one must have begun, so that 4 s hold one
SHUT, CLOSING, OPEN = 0.5, 0.75, 0.85  # of the usual opening: a blink; lids on their way; open again
MIN_LEVEL_FRAMES = 25  # from which the usual opening is measured


class BlinkRate:
    """Edits windows of motion in order; one for each clip.

    Args:
        readout: ``(32, 4)``, see ``MotionGenerator``. Lids are moved along its pseudo-inverse, which leaves the other
            readings as they are.
        blinks: a minute.
        seed: of the intervals.
    """

    def __init__(self, readout: Tensor, blinks: float, seed: int):
        lids = READOUT_NAMES.index("lids")
        self._reading = readout[:, lids].float()
        self._direction = torch.linalg.pinv(readout.float().T)[:, lids]
        self._interval = 60 * FRAME_RATE / blinks  # frames
        self._random = np.random.default_rng(seed)
        self._clock = 0  # frames of the windows before
        self._last = -int(self._interval)  # frame in which the last blink began
        self._due = self._random.uniform(*FIRST) * self._interval
        self._closing = self._left_out = self._counted = False
        self._level: float | None = None  # usual opening

    def apply(self, motion: Tensor) -> Tensor:
        """The next window ``(1, n, 32)`` with its blinks as asked for; everything else stays."""
        before = 1 + motion[0].float() @ self._reading.to(motion.device)
        if self._level is None or len(before) >= MIN_LEVEL_FRAMES:
            self._level = float(before.median())
        if self._level < SHUT:  # the portrait's eyes are shut
            return motion
        opening = (before / self._level).cpu()
        change = (self._edited(opening) - opening).to(motion.device) * self._level
        self._clock += len(opening)
        return (motion.float() + change[:, None] * self._direction.to(motion.device)).to(motion)

    def _edited(self, opening: Tensor) -> Tensor:
        """Openings ``(n,)`` over the usual one, before and after."""
        edited = opening.clone()
        for index, value in enumerate(opening.tolist()):
            now = self._clock + index
            if not self._closing and value < CLOSING:
                self._closing, self._counted = True, False
                self._left_out = now - self._last < EARLIEST * self._interval
            elif self._closing and value > OPEN:
                self._closing = self._left_out = False
            if self._left_out:
                edited[index] = max(value, OPEN)
            elif self._closing and value < SHUT and not self._counted:
                self._counted = True
                self._begin(now)
            elif now >= self._due and self._has_room(opening[index:]):
                edited[index : index + len(BLINK)] *= BLINK
                self._begin(now)
        return edited

    def _has_room(self, opening: Tensor) -> bool:
        """Whether a whole blink fits into what is left of the window, without another one in or behind it."""
        return len(opening) >= len(BLINK) and bool((opening[: 2 * len(BLINK)] > CLOSING).all())

    def _begin(self, now: int) -> None:
        self._last = now
        self._due = now + self._random.uniform(EARLIEST, LATEST) * self._interval
