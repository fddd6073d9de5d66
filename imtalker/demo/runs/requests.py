"""What may be asked of the app: one frozen dataclass per kind of run. A new option is added here, and nowhere else
but in the widget that sets it and the place that uses it."""

from dataclasses import dataclass
from typing import ClassVar, get_args

from imtalker.config import SAMPLING_LIMITS, Limits, Solver
from imtalker.demo.runs.options import NAMED_HEAD, STYLES, Option, Request
from imtalker.demo.settings import MAX_COMPARE_SECONDS, MAX_GAZE
from imtalker.errors import InputError
from imtalker.generator.controls import LIMITS, REACH
from imtalker.generator.motion_style import LIMITS as STYLE_LIMITS
from imtalker.generator.motion_style import TYPICAL_BLINKS
from imtalker.speech.text import DEFAULT_VOICE, MAX_CHARACTERS, SPEED, VOICES

# The page and its endpoints allow less than the core, so that one visitor cannot keep all others waiting.
STEPS = SAMPLING_LIMITS["num_steps"].narrowed(most=50)
GUIDANCE = SAMPLING_LIMITS["guidance_scale"].narrowed(most=10)
SEEDS = SAMPLING_LIMITS["seed"].narrowed(most=2**31 - 1)
KINDS = ("steps", "guidance", "pose", "portraits")


def _angle(name: str, label: str, words: str, offered: float) -> Option:
    return Option(
        words,
        label=f"{label}, °",
        limits=Limits(-LIMITS[name], LIMITS[name]),
        offered=Limits(-offered, offered),
        flag=f"--{name.replace('_', '-')}",
    )


PORTRAIT = Option(
    "picture of one face.",
    "picture",
    "Portrait",
    flag="--portrait",
    missing="there is no portrait; add a picture or choose a sample",
)
SPEECH = Option(
    "audio or video file with speech; empty where text is given.",
    "sound",
    "Speech",
    flag="--audio",
    missing="there is no speech; add a recording, write a text or choose a sample",
)
TEXT = Option(
    f"what a synthetic voice says instead of speech: English, up to {MAX_CHARACTERS} characters.",
    "text",
    "Text",
    "English; numbers are read out",
    flag="--text",
)
VOICE = Option(
    f"who says the text: {', '.join(VOICES)}.",
    "text",
    "Voice",
    f"{DEFAULT_VOICE} works offline, others are fetched once",
    choices=VOICES,
    flag="--voice",
)
SPEED_OPTION = Option(
    f"of the voice, {SPEED.least:g} to {SPEED.most:g}; 1 is its own pace.",
    label="Speed of the voice",
    limits=SPEED,
    step=0.05,
    flag="--speed",
)
STEPS_OPTION = Option(
    f"network evaluations per window of motion, 1 to {STEPS.most:g}; even for midpoint and heun. Empty: as the preset "
    "was tuned, see the defaults of /info; so for guidance, seed and solver.",
    label="Steps",
    info="Network evaluations per two seconds; more is slower",
    limits=STEPS,
    flag="--steps",
)
GUIDANCE_OPTION = Option(
    f"how closely the lips follow the speech, 0 to {GUIDANCE.most:g}; 1 is off.",
    label="Guidance",
    info="How closely the lips follow; 1 is off",
    limits=GUIDANCE,
    offered=GUIDANCE.narrowed(1, 5),
    step=0.1,
    flag="--guidance",
)
SEED = Option("same seed, same video.", label="Seed", info="Same seed, same video", limits=SEEDS, flag="--seed")
SOLVER = Option(
    "euler, midpoint or heun.",
    "text",
    "Solver",
    "Midpoint and Heun need even steps",
    choices=get_args(Solver),
    flag="--solver",
)
YAW = _angle(
    "yaw",
    "Yaw: nose to the right",
    "degrees the nose turns to the right of the picture; empty leaves the head free.",
    REACH["yaw"],
)
PITCH = _angle("pitch", "Pitch: nose up", "degrees the nose goes up.", REACH["pitch"])
ROLL = _angle("roll", "Roll: counter-clockwise", "degrees the head tilts counter-clockwise.", REACH["roll"])
GAZE_X = _angle(
    "gaze_x",
    "Gaze to the right",
    "degrees the eyes turn to the right of the picture; empty leaves them free.",
    MAX_GAZE,
)
GAZE_Y = _angle("gaze_y", "Gaze up", "degrees the eyes turn up.", MAX_GAZE)


def _amount(name: str, label: str, info: str, words: str) -> Option:
    low, high = (100 * limit for limit in STYLE_LIMITS[name])
    return Option(
        f"per cent, {low:g} to {high:g}: {words}.",
        label=f"{label}, %",
        info=info,
        limits=Limits(low, high),
        step=5,
        flag=f"--{name}",
        percent=True,
        needs=STYLES,
    )


EXPRESSIVENESS = _amount(
    "expressiveness", "Expressiveness", "Whole face and head; 0 keeps the head still", "of the whole face and the head"
)
HEAD = _amount("head", "Head", "How much the head moves", "how much the head moves")
MOUTH = _amount("mouth", "Mouth", "How far it opens", "how far the mouth opens")
BROWS = _amount("brows", "Brows", "How lively they are", "how lively the brows are")
SMILE = _amount("smile", "Smile", "Kept during speech", "smile kept during speech; empty keeps half of the portrait's")
BLINKS = Option(
    "blinks a minute, {:g} to {:g}.".format(*STYLE_LIMITS["blinks"]),
    label="Blinks a minute",
    limits=Limits(*STYLE_LIMITS["blinks"]),
    flag="--blinks",
    needs=STYLES,
)
STYLE_CLIP = Option(
    "video of somebody in whose manner is spoken; amounts that are set go before it.",
    "clip",
    "Clip in whose manner is spoken",
    flag="--style-from",
    needs=STYLES,
)
STYLE = {
    "expressiveness": EXPRESSIVENESS,
    "head": HEAD,
    "mouth": MOUTH,
    "brows": BROWS,
    "smile": SMILE,
    "blinks": BLINKS,
}
HEAD_CLIP = Option(
    "video whose head motion and gaze are taken.",
    "clip",
    "Clip whose head motion and gaze are taken",
    flag="--head-from",
    needs=NAMED_HEAD,
)
CONTROLS = Option(
    "CSV or NPZ file with a row a frame (25 a second) and any of the columns yaw, pitch, roll, gaze_x, gaze_y.",
    "file",
    "Controls over time (CSV or NPZ)",
    flag="--controls",
)
CROP = Option("auto, none (whole picture), or left,top,side in pixels.", "text", "Crop", flag="--crop")
FACE = Option("which face, 0 the largest.", label="Face", limits=Limits(0, 100, whole=True), flag="--face")
PASTE_BACK = Option(
    "give the whole picture instead of the square.",
    "switch",
    "Whole picture",
    "Put the moving face back into the full photo",
    flag="--paste-back",
)
LABEL = Option(
    'write "AI-generated" into the corner.',
    "switch",
    "Visible label",
    "“AI-generated” in the corner",
    flag="--label",
)


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
        if self.text is None and self.speech is None:
            raise InputError(SPEECH.missing)
        if self.text is not None and self.speech is not None:
            raise InputError("there are speech and a text; give one of them")


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


REQUESTS: tuple[type[Request], ...] = (SpeechRequest, ClipRequest, MotionRequest, CompareRequest)
