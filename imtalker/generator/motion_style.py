"""How lively a person shall be: the options of a style, without any network."""

import math
from dataclasses import dataclass, fields

from imtalker.errors import InputError

# Amounts a style has: deviations of yaw, pitch, roll, of the head's place and size, of the gaze and of the brows;
# opening of the mouth; blinks; level of the smile.
STYLE_NAMES = ("yaw", "pitch", "roll", "place", "gaze", "brows", "mouth", "blinks", "smile")
STYLE_DIM = len(STYLE_NAMES)
HEAD_AMOUNTS = [0, 1, 2, 3, 3, 3]  # which amount belongs to each of the six head channels
TYPICAL_BLINKS = 17.0  # a minute
MIN_AMOUNT, MAX_AMOUNT = 0.1, 4.0  # of the typical: what a network can be asked for
LIMITS = {
    "expressiveness": (0.0, 3.0), "head": (0.0, 3.0), "mouth": (0.25, 2.0),
    "brows": (0.0, 3.0), "smile": (0.0, 1.0), "blinks": (2.0, 60.0),
}  # fmt: skip


@dataclass(frozen=True)
class MotionStyle:
    """How lively a person is; 1 is as most people speak.

    ``head``, ``mouth``, ``brows`` scale the amount of that motion (0 to 3, ``mouth`` 0.25 to 2);
    ``expressiveness`` (0 to 3) scales all three together, the mouth by its square root. ``smile`` (0 to 1) is kept
    during speech; None keeps the portrait's. ``blinks`` (2 to 60) are counted per minute.

    Raises:
        InputError: a value that is no number or out of range.
    """

    expressiveness: float = 1.0
    head: float = 1.0
    mouth: float = 1.0
    brows: float = 1.0
    smile: float | None = None
    blinks: float = TYPICAL_BLINKS

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if value is None and name == "smile":
                continue
            number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
            if not low <= number <= high:
                raise InputError(f"{name} is {value!r:.60}; give one number from {low:g} to {high:g}")
            object.__setattr__(self, name, float(number))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the options, in order."""
        return tuple(field.name for field in fields(cls))

    @property
    def still(self) -> float:
        """Factor of the head's motion after sampling, below 1 where less is asked than a network can be."""
        return min(1.0, self.head * self.expressiveness / MIN_AMOUNT)

    def amounts(self, portrait_smile: float) -> list[float]:
        """Nine amounts in the order of ``STYLE_NAMES``, relative to the typical; the smile as its level."""
        lively = self.expressiveness
        head, brows = self.head * lively, self.brows * lively
        smile = portrait_smile if self.smile is None else self.smile
        mouth = self.mouth * math.sqrt(lively)
        blinks = self.blinks / TYPICAL_BLINKS
        gaze = 1.0  # known to the network, but it hardly follows: no option
        return [head, head, head, head, gaze, brows, mouth, blinks, min(max(smile, 0.0), 1.0)]
