"""Options that several kinds of runs have; see ``requests``."""

from typing import get_args

from imtalker.config import SAMPLING_LIMITS, Limits, Solver
from imtalker.demo.runs.options import NAMED_HEAD, STYLES, Option
from imtalker.demo.settings import MAX_GAZE
from imtalker.errors import InputError
from imtalker.generator.controls import LIMITS, REACH
from imtalker.generator.motion_style import LIMITS as STYLE_LIMITS
from imtalker.speech.text import DEFAULT_VOICE, MAX_CHARACTERS, SPEED, VOICES

# The page and its endpoints allow less than the core, so that one visitor cannot keep all others waiting.
STEPS = SAMPLING_LIMITS["num_steps"].narrowed(most=50)
GUIDANCE = SAMPLING_LIMITS["guidance_scale"].narrowed(most=10)
SEEDS = SAMPLING_LIMITS["seed"].narrowed(most=2**31 - 1)


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
SMILE = _amount("smile", "Smile", "Kept during speech", "smile kept during speech; empty keeps the portrait's")
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


def one_of_speech_and_text(speech: str | None, text: str | None) -> None:
    """Raise InputError unless exactly one of them is given."""
    if speech is None and text is None:
        raise InputError(SPEECH.missing)
    if speech is not None and text is not None:
        raise InputError("there are speech and a text; give one of them")
