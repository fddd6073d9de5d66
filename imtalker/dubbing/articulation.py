"""How a person articulates: what the lips of a clip do when they speak, against what the generator does.

The generator moves opening and width of the mouth as all people do. One person opens further or less, is wider or
narrower at rest, and shows lips of its own at each: so both numbers are brought to where this person's are, and the
lips are those that go with them in this person (``OwnMouth``). With more of the clip seen, what the person does for
certain sounds joins in (``SpeechFit``). What is generated closed, for m, b, p, stays so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.lips import SpokenWindow
from imtalker.dubbing.mouth_space import lip_gap, opening_direction, scale_mouth
from imtalker.dubbing.own_mouth import OwnMouth, Spread, opening_and_width
from imtalker.dubbing.references import References
from imtalker.dubbing.speech_fit import REACH, SpeechFit
from imtalker.faces.smooth import smoothstep
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS

# cm, from which on generated lips count as open. Closures made once more after the person's way, by what is heard of
# them, are deeper and wider than those that are generated: lips followed the phonemes by 0.37 instead of 0.42 then.
CLOSED = 0.15
LEAST_AMOUNT = 0.6


@dataclass(frozen=True, eq=False)
class Articulation:
    """What becomes of the mouth that the generator gives."""

    factor: float = 1.0  # amplitude about the neutral frame, where nothing is known of the person
    own: OwnMouth | None = None  # of the person; None: as generated
    generated: Spread | None = None  # opening and width of what is generated, for the same
    fit: SpeechFit | None = None
    amount: float = 1.0  # of the way from the mean, so that with the closures the lips move as much as the person's

    def apply(self, windows: Iterator[SpokenWindow], references: References) -> Iterator[Tensor]:
        """Motion windows ``(1, n, 32)`` as the person articulates them."""
        if self.own is None or self.generated is None:
            for window in windows:
                motion = window.motion
                if self.factor != 1:
                    motion = scale_mouth(motion, torch.from_numpy(references.motion), self.factor)
                yield motion[None]
            return
        for window, around in with_context(windows, REACH):
            numbers = self.generated.standard(opening_and_width(around.motion))
            if self.fit is not None:
                numbers = self.fit.standard(numbers, around.features.double().numpy())
            else:
                numbers = numbers[REACH : REACH + len(window.motion)]
            motion = self.own.lips(self.amount * numbers, window.motion)
            yield _as_closed(motion, lip_gap(window.motion))[None]

    def steadied(self, spoken: SpokenWindow, references: References) -> "Articulation":
        """The same with the amount that lets lips open as differently as the person's, on some speech."""
        if self.own is None:
            return self
        full = next(replace(self, amount=1.0).apply(iter([spoken]), references))[0]
        moved = max(float(lip_gap(full).std()), 1e-3)
        return replace(self, amount=float(np.clip(self.own.spread.deviation[0] / moved, LEAST_AMOUNT, 1.0)))


def _as_closed(motion: Tensor, generated: Tensor) -> Tensor:
    """Motion ``(n, 32)`` whose lips are closed where those that were generated, ``(n,)`` cm apart, are."""
    opening = lip_gap(motion)
    share = torch.from_numpy(smoothstep(0.0, CLOSED, generated.numpy()).astype(np.float32))
    closed = motion.clone()
    closer = (1 - share) * (generated - opening)
    closed[:, EXPRESSION_CHANNELS] += closer[:, None] * torch.from_numpy(opening_direction())
    return closed


def with_context(windows: Iterator[SpokenWindow], reach: int) -> Iterator[tuple[SpokenWindow, SpokenWindow]]:
    """Every window, and the same with ``reach`` frames before and after it; the first and last frame are repeated.

    Windows but the last have at least ``reach`` frames.
    """
    before: SpokenWindow | None = None
    here = next(windows, None)
    while here is not None:
        after = next(windows, None)
        parts = []
        for name in SpokenWindow._fields:
            value = getattr(here, name)
            earlier = value[:1] if before is None else getattr(before, name)
            later = value[-1:] if after is None else getattr(after, name)
            parts.append(torch.cat([_filled(earlier, reach, -1), value, _filled(later, reach, 1)]))
        around = SpokenWindow(*parts)
        yield here, around
        before = SpokenWindow(*(part[: len(part) - reach] for part in around))
        here = after


def _filled(values: Tensor, count: int, side: int) -> Tensor:
    """The ``count`` values nearest to a window that lies after (-1) or before (1) them, the outermost repeated."""
    missing = max(0, count - len(values))
    if side < 0:
        return torch.cat([values[:1].expand(missing, -1), values[-count:]])
    return torch.cat([values[:count], values[-1:].expand(missing, -1)])
