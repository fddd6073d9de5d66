"""What may be asked of the app about dubbing; see ``requests``."""

from dataclasses import dataclass
from typing import ClassVar

from imtalker.config import Limits
from imtalker.demo.runs.common_options import (
    GUIDANCE_OPTION,
    LABEL,
    SEED,
    SOLVER,
    SPEECH,
    SPEED_OPTION,
    STEPS_OPTION,
    TEXT,
    VOICE,
    one_of_speech_and_text,
)
from imtalker.demo.runs.options import NAMED_MOUTH, Option, Request
from imtalker.dubbing.options import ADAPT_SECONDS, ARTICULATION_RANGE
from imtalker.speech.text import DEFAULT_VOICE

OFFERED_ADAPT = ADAPT_SECONDS.narrowed(most=120)  # others wait meanwhile

DUBBED = Option(
    "clip whose person gets new lips; its pictures, size and frame rate are kept.",
    "clip",
    "Clip to dub",
    flag="--video",
    needs=NAMED_MOUTH,
    missing="there is no clip to dub; add one or choose a sample",
)
LENGTH = Option(
    "audio: as long as the speech, the clip running back and forth where it is shorter. video: as long as the clip.",
    "text",
    "Length",
    choices=("audio", "video"),
    flag="--length",
)
ARTICULATION = Option(
    "how far the mouth opens, {:g} to {:g}; empty: as the person in the clip does.".format(*ARTICULATION_RANGE),
    label="Articulation",
    info="How far the mouth opens",
    limits=Limits(*ARTICULATION_RANGE),
    step=0.05,
    flag="--articulation",
)
BACKGROUND = Option(
    "per cent, 0 to 100: level of the clip's own sound under the speech.",
    label="The clip's own sound, %",
    info="Under the new speech; 0 leaves it out",
    limits=Limits(0, 100),
    step=5,
    flag="--background-sound",
    percent=True,
)
KEEP_PAUSES = Option(
    "keep the old mouth where the speech is silent for over 0.6 s.",
    "switch",
    "Keep the mouth in pauses",
    "Where the speech is silent for over 0.6 s",
    flag="--keep-pauses",
)
ADAPT = Option(
    f"seconds, 0 to {OFFERED_ADAPT.most:g}, about, spent on getting to know this video first; 0: none.",
    label="Adapt to the clip, s",
    info="Rest frames in more poses, the person's own way of speaking; 60 is worth it, 0 starts at once",
    limits=OFFERED_ADAPT,
    step=5,
    flag="--adapt",
)
WHO = Option(
    "whose lips, 0 the largest face; needed where several people of similar size are seen.",
    label="Whose lips",
    limits=Limits(0, 100, whole=True),
    flag="--face",
)
REFERENCE = Option(
    "a moment of the clip, seconds, that shows the lips at rest; empty: found.",
    label="Lips at rest, s",
    limits=Limits(0, 3600),
    flag="--reference",
)


@dataclass(frozen=True)
class DubRequest(Request):
    """Give a person in a video new lips for new speech. Returns the video (MP4), the lips' motion and a report."""

    endpoint: ClassVar[str] = "dub_video"
    command: ClassVar[str] = "dub"
    heard: ClassVar[str] = "speech"

    video: str = DUBBED.field()
    speech: str | None = SPEECH.field(None)
    text: str | None = TEXT.field(None)
    voice: str = VOICE.field(DEFAULT_VOICE)
    speed: float = SPEED_OPTION.field(1.0)
    length: str = LENGTH.field("audio")
    articulation: float | None = ARTICULATION.field(None)
    background: float = BACKGROUND.field(0.0)
    keep_pauses: bool = KEEP_PAUSES.field(False)
    face: int | None = WHO.field(None)
    reference: float | None = REFERENCE.field(None)
    steps: int | None = STEPS_OPTION.field(None)
    guidance: float | None = GUIDANCE_OPTION.field(None)
    seed: int | None = SEED.field(None)
    solver: str | None = SOLVER.field(None)
    label: bool = LABEL.field(False)
    adapt: float = ADAPT.field(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of_speech_and_text(self.speech, self.text)
