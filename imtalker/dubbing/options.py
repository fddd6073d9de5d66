"""What may be chosen about a dubbed video."""

from dataclasses import dataclass
from typing import Literal

from imtalker.config import Limits
from imtalker.errors import InputError

Length = Literal["audio", "video"]
ARTICULATION_RANGE = (0.6, 1.4)
COMPLETION, RENDERER = "completion", "renderer"
ADAPT_SECONDS = Limits(0, 600)
ENGINES = (COMPLETION, RENDERER)  # what draws mouths


@dataclass(frozen=True)
class DubOptions:
    """Options of ``dub``.

    Raises:
        InputError: a value out of range.
    """

    face: int | None = None  # 0 the largest of the first frame that shows one; None: the only one
    length: Length = "audio"  # as long as the speech (clip runs back and forth), or as the video (its rest untouched)
    keep_pauses: bool = False  # leave the old mouth where the speech is silent for over 0.6 s
    articulation: Literal["own"] | float = "own"  # amplitude of the mouth: as in the clip, or a factor 0.6..1.4
    reference: float | None = None  # seconds of the clip's neutral frame; None: found
    background_sound: float = 0.0  # level of the clip's own sound under the speech, 0..1
    adapt: float = 0.0  # seconds of two cores, about, spent on adapting to this video, 0..600; see ``adaptation``
    label: bool = False  # write "AI-generated" into a corner

    def __post_init__(self) -> None:
        if self.length not in ("audio", "video"):
            raise InputError(f"length is {self.length!r}; choose audio or video")
        low, high = ARTICULATION_RANGE
        given = self.articulation
        if given != "own" and not (isinstance(given, int | float) and low <= given <= high):
            raise InputError(f"articulation is {given!r}; give 'own' or a number from {low} to {high}")
        if not 0 <= self.background_sound <= 1:
            raise InputError(f"background sound is {self.background_sound!r}; give a level from 0 to 1")
        ADAPT_SECONDS.check("adapt", self.adapt, "seconds; 0 is off")
        if self.face is not None and self.face < 0:
            raise InputError(f"face is {self.face}; count from 0, the largest")
        if self.reference is not None and not 0 <= self.reference < float("inf"):
            raise InputError(f"the reference time is {self.reference!r}; give seconds from the clip's start")
