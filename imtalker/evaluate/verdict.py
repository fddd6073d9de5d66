"""One finding about a video: a number, whether it is fine, and what it means in plain words."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    name: str  # stable, for programs
    title: str  # for people
    value: float | None  # None: not known
    unit: str
    ok: bool | None  # None: cannot be judged, or nothing to judge
    verdict: str  # a sentence for people

    @property
    def value_text(self) -> str:
        """The number with its unit, for a table."""
        if self.value is None:
            return "-"
        digits = 0 if self.unit == "ms" or abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:.{digits}f} {self.unit}".rstrip()


def finding(name: str, title: str, value: float, unit: str, ok: bool | None, verdict: str) -> Finding:
    """A finding; a value that is not a number becomes None, and then nothing is judged."""
    known = math.isfinite(value)
    return Finding(name, title, round(float(value), 4) if known else None, unit, ok if known else None, verdict)
