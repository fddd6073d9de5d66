"""How a person's mouth looks when it is so far open and so wide: learned from a few pictures of it.

Two numbers, the opening between the lips and the width of the mouth, tell all that landmarks see of the lips of a
speaking person to a quarter of a millimetre, once it is known how the rest goes with them in this person.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.mouth_space import mouth_space, mouth_width_direction
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS, combine

LEAST_DEVIATION = (0.1, 0.05)  # cm, of opening and width: less is no speech, and its noise would be amplified
RIDGE = 1.0  # frames' worth of belief that nothing else moves with opening and width
SURE = 50  # frames that count as much as the belief that people move as far as is generated
FURTHEST = 3.0  # deviations of opening and width, beyond which nothing has been seen


def opening_and_width(motion: Tensor) -> np.ndarray:
    """``(T, 2)`` float64 cm on the mean face, of motions ``(T, 32)``: opening between the lips, width of the mouth
    against the neutral face's."""
    directions = np.stack([mouth_space().gap, mouth_width_direction()], 1).astype(np.float64)
    return motion[:, EXPRESSION_CHANNELS].double().cpu().numpy() @ directions


@dataclass(frozen=True, eq=False)
class SeenMouths:
    """What the lips of a person do in some frames of a clip, in order of time."""

    seconds: np.ndarray  # (n,) from the clip's start
    motion: np.ndarray  # (n, 32)


@dataclass(frozen=True, eq=False)
class Spread:
    """Where opening and width mostly are."""

    mean: np.ndarray  # (2,) cm
    deviation: np.ndarray  # (2,) cm

    @classmethod
    def of(cls, numbers: np.ndarray) -> "Spread":
        """Of ``(T, 2)``."""
        return cls(numbers.mean(0), np.maximum(numbers.std(0), LEAST_DEVIATION))

    def doubted(self, count: int, belief: "Spread") -> "Spread":
        """The same, found in ``count`` frames, with its deviation drawn towards a belief that is worth some too."""
        share = count / (count + SURE)
        variance = share * self.deviation**2 + (1 - share) * belief.deviation**2
        return Spread(self.mean, np.sqrt(variance))

    def standard(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers ``(T, 2)`` in deviations from the mean."""
        return (numbers - self.mean) / self.deviation


@dataclass(frozen=True, eq=False)
class OwnMouth:
    """The lips of a person as a linear function of opening and width."""

    spread: Spread  # of the person's opening and width
    mean: np.ndarray  # (32,) float32 motion where both are at their mean; only its lips count
    way: np.ndarray  # (2, 23) float32 expression that goes with a deviation of each

    @classmethod
    def of(cls, motion: np.ndarray) -> "OwnMouth":
        """Of some frames ``(n, 32)`` in which the person speaks: least squares, a little shrunk (ridge regression)."""
        spread = Spread.of(opening_and_width(torch.from_numpy(motion)))
        numbers = spread.standard(opening_and_width(torch.from_numpy(motion)))
        mean = motion.mean(0)
        moved = (motion - mean)[:, EXPRESSION_CHANNELS].astype(np.float64)
        way = np.linalg.solve(numbers.T @ numbers + RIDGE * np.eye(2), numbers.T @ moved)
        return cls(spread, mean, way.astype(np.float32))

    def lips(self, standard: np.ndarray, motion: Tensor) -> Tensor:
        """Motion ``(T, 32)`` with this person's lips at ``standard (T, 2)`` deviations of opening and width."""
        asked = torch.from_numpy(np.repeat(self.mean[None], len(standard), 0))
        moved = standard.clip(-FURTHEST, FURTHEST).astype(np.float32) @ self.way
        asked[:, EXPRESSION_CHANNELS] += torch.from_numpy(moved)
        return combine(asked, motion, "lips")
