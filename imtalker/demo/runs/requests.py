"""What may be asked of the app: one frozen dataclass per kind of run. A new option is added here, and nowhere else
but in the widget that sets it and the place that uses it."""

from dataclasses import dataclass
from typing import ClassVar

from imtalker.config import Limits
from imtalker.demo.runs.common_options import (
    BLINKS,
    BROWS,
    CONTROLS,
    CROP,
    EXPRESSIVENESS,
    FACE,
    GAZE_X,
    GAZE_Y,
    GUIDANCE_OPTION,
    HEAD,
    HEAD_CLIP,
    LABEL,
    MOUTH,
    PASTE_BACK,
    PITCH,
    PORTRAIT,
    ROLL,
    SEED,
    SMILE,
    SOLVER,
    SPEECH,
    SPEED_OPTION,
    STEPS_OPTION,
    STYLE_CLIP,
    TEXT,
    VOICE,
    YAW,
    one_of_speech_and_text,
)
from imtalker.demo.runs.dub_request import DubRequest
from imtalker.demo.runs.options import Option, Request
from imtalker.demo.settings import MAX_COMPARE_SECONDS
from imtalker.generator.motion_style import TYPICAL_BLINKS
from imtalker.speech.text import DEFAULT_VOICE

KINDS = ("steps", "guidance", "pose", "portraits")


@dataclass(frozen=True)
class SpeechRequest(Request):
    """Make a portrait speak. Returns the finished video (MP4), its motion (.safetensors) and a report with timings."""

    endpoint: ClassVar[str] = "animate_audio"
    heard: ClassVar[str] = "speech"

    portrait: str = PORTRAIT.field()
    speech: str | None = SPEECH.field(None)
    steps: int | None = STEPS_OPTION.field(None)
    guidance: float | None = GUIDANCE_OPTION.field(None)
    seed: int | None = SEED.field(None)
    solver: str | None = SOLVER.field(None)
    yaw: float | None = YAW.field(None)
    pitch: float | None = PITCH.field(None)
    roll: float | None = ROLL.field(None)
    gaze_x: float | None = GAZE_X.field(None)
    gaze_y: float | None = GAZE_Y.field(None)
    expressiveness: float = EXPRESSIVENESS.field(100.0)
    head_clip: str | None = HEAD_CLIP.field(None)
    crop: str = CROP.field("auto")
    face: int | None = FACE.field(None)
    paste_back: bool = PASTE_BACK.field(False)
    label: bool = LABEL.field(False)
    controls: str | None = CONTROLS.field(None)
    head: float = HEAD.field(100.0)
    mouth: float = MOUTH.field(100.0)
    brows: float = BROWS.field(100.0)
    smile: float | None = SMILE.field(None)
    blinks: float = BLINKS.field(TYPICAL_BLINKS)
    style_clip: str | None = STYLE_CLIP.field(None)
    text: str | None = TEXT.field(None)
    voice: str = VOICE.field(DEFAULT_VOICE)
    speed: float = SPEED_OPTION.field(1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of_speech_and_text(self.speech, self.text)


DRIVING = Option(
    "video of one person.",
    "clip",
    "Driving clip",
    flag="--video",
    missing="there is no driving clip; add one or choose a sample",
)
RELATIVE = Option(
    "keep the portrait's own pose and add only the driver's changes.",
    "switch",
    "Keep the portrait's pose",
    "Add only the driver's changes to it",
    flag="--relative",
)
KEEP_SOUND = Option("keep the clip's sound.", "switch", "Keep the clip's sound")
DRIVING_CROP = Option(
    "of the clip: auto, none, or left,top,side in pixels.", "text", "Crop of the clip", flag="--video-crop"
)
DRIVING_FACE = Option(
    "which face of the clip, 0 the largest.",
    label="Face of the clip",
    limits=Limits(0, 100, whole=True),
    flag="--video-face",
)


@dataclass(frozen=True)
class ClipRequest(Request):
    """Move a portrait like the person in a clip. Returns the video (MP4), its motion (.safetensors) and a report."""

    endpoint: ClassVar[str] = "animate_video"
    heard: ClassVar[str] = "driving"

    portrait: str = PORTRAIT.field()
    driving: str = DRIVING.field()
    relative: bool = RELATIVE.field(False)
    keep_sound: bool = KEEP_SOUND.field(True)
    crop: str = CROP.field("auto")
    face: int | None = FACE.field(None)
    driving_crop: str = DRIVING_CROP.field("auto")
    paste_back: bool = PASTE_BACK.field(False)
    label: bool = LABEL.field(False)
    driving_face: int | None = DRIVING_FACE.field(None)


MOTION = Option(
    "motion file (.safetensors) from another run of the same preset.",
    "file",
    "Motion",
    flag="--motion",
    missing="there is no motion; make a video first or add a motion file (.safetensors)",
)
SOUND = Option("audio or video file whose sound is added.", "file", "Sound", flag="--audio")


@dataclass(frozen=True)
class MotionRequest(Request):
    """Move a portrait by motion made before. Returns the video (MP4), the motion and a report with timings."""

    endpoint: ClassVar[str] = "apply_motion"
    heard: ClassVar[str] = "sound"

    portrait: str = PORTRAIT.field()
    motion: str = MOTION.field()
    sound: str | None = SOUND.field(None)
    crop: str = CROP.field("auto")
    face: int | None = FACE.field(None)
    paste_back: bool = PASTE_BACK.field(False)
    label: bool = LABEL.field(False)


SHORT_SPEECH = Option(
    f"audio or video file with speech, up to {MAX_COMPARE_SECONDS:g} seconds.",
    "sound",
    f"Speech, up to {MAX_COMPARE_SECONDS:g} s",
    missing="there is no speech; add a recording or choose a sample",
)
KIND = Option(
    "steps (4, 10, 25), guidance (1, 2, 3), pose (free and held), or portraits (two, one motion).",
    "text",
    "What is compared",
    choices=KINDS,
)
SECOND_PORTRAIT = Option("for portraits.", "picture", "Second portrait")


@dataclass(frozen=True)
class CompareRequest(Request):
    """Show settings side by side on the same noise. Returns one labelled video and a table of timings."""

    endpoint: ClassVar[str] = "compare"
    heard: ClassVar[str] = "speech"

    portrait: str = PORTRAIT.field()
    speech: str = SHORT_SPEECH.field()
    kind: str = KIND.field("steps")
    second_portrait: str | None = SECOND_PORTRAIT.field(None)
    yaw: float | None = YAW.field(None)
    pitch: float | None = PITCH.field(None)
    roll: float | None = ROLL.field(None)
    steps: int | None = STEPS_OPTION.field(None)
    guidance: float | None = GUIDANCE_OPTION.field(None)
    seed: int | None = SEED.field(None)
    crop: str = CROP.field("auto")

    def of(self, portrait: str) -> SpeechRequest:
        """What all variants have in common, for one of the portraits."""
        crop = self.crop if portrait == self.portrait else "auto"
        return SpeechRequest(portrait, self.speech, steps=self.steps, guidance=self.guidance, seed=self.seed, crop=crop)


REQUESTS: tuple[type[Request], ...] = (SpeechRequest, ClipRequest, DubRequest, MotionRequest, CompareRequest)
