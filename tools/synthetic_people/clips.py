"""Driving clips of synthetic people with exact ground truth: H.264 and AAC, and a JSON file beside each."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.media.video_writer import VideoWriter
from imtalker.train.motion.control_tracks import clip_controls, loudness
from imtalker.train.motion.head_and_eyes import Style
from imtalker.train.speech.phonemes import Segment
from imtalker.train.speech.visemes import mouth_track
from tools.synthetic_people.expression import face_units
from tools.synthetic_people.geometry import Array
from tools.synthetic_people.identity import TraitOverrides
from tools.synthetic_people.person import Stage
from tools.synthetic_people.renderer import PersonRenderer, Pose
from tools.synthetic_people.sample_portraits import AFRICAN, ASIAN, EUROPEAN, friendly, portrait_set
from tools.synthetic_people.speech import finished_speech

logger = logging.getLogger(__name__)
Motion = Literal["talk", "turn", "look"]
CLIP_SIZE = 256  # pixels
SILENCE = 0.3  # seconds before and after the speech
POSE_NAMES = ("yaw", "pitch", "roll", "gx", "gy")
UNITS = {
    "yaw": "degrees, head, nose to image right",
    "pitch": "degrees, head, up",
    "roll": "degrees, head, anticlockwise",
    "gx": "degrees, eyes in the head, to image right",
    "gy": "degrees, eyes in the head, up",
    "blink": "0 open .. 1 shut, control",
    "jaw": "0..1, control",
    "mouth_gap": "mm between the inner lips at the middle; below 0 is pressed",
    "eye_aperture": "mm between the lids, mean of both eyes",
}


@dataclass(frozen=True)
class ClipScript:
    """Who says what, and how the head moves."""

    name: str
    seed: int
    voice: str  # "engine:name" of imtalker.train.speech.voices
    text: str
    motion: Motion = "talk"
    overrides: TraitOverrides = field(default_factory=TraitOverrides)
    stage: Stage = field(default_factory=Stage)
    head: float = 1.0  # amplitude of the head's motion
    smile: float = 0.15
    speed: float = 1.0
    other_text: str = ""  # what the counterfactual says: the same clip with the mouth and the sound of this sentence


@dataclass(frozen=True)
class Performance:
    """Sound (N,) at 16 kHz, phonemes, and controls, each (T,), at 25 fps."""

    waveform: Array
    segments: list[Segment]
    controls: dict[str, Array]

    @property
    def num_frames(self) -> int:
        return len(self.controls["yaw"])


def perform(script: ClipScript) -> Performance:
    """Let the script be spoken and acted; the same script gives the same performance."""
    waveform, segments = finished_speech(script.text, script.voice, script.speed, SILENCE)
    style = _style(script)
    controls = clip_controls(_acting(script), segments, loudness(waveform), style)
    if script.motion != "talk":
        _choreograph(script.motion, controls)
    return Performance(waveform, segments, controls)


def perform_other(script: ClipScript, play: Performance) -> Performance:
    """The counterfactual of a performance: the same head, eyes and blinks, frame by frame, and another sentence.

    What a perfect dubbing of the performance with the other sentence would show.
    """
    waveform, segments = finished_speech(script.other_text, script.voice, script.speed, SILENCE)
    length = len(play.waveform)
    waveform = np.pad(waveform[:length], (0, max(0, length - len(waveform))))
    mouth = mouth_track(segments, play.num_frames, _style(script).mouth)
    mouth["wide"] = mouth["wide"] * (1 - 0.5 * script.smile)
    return Performance(waveform, segments, play.controls | mouth)


def _acting(script: ClipScript) -> np.random.Generator:
    """The source of chance after the style has been drawn from it."""
    rng = np.random.default_rng([script.seed, 2])
    rng.normal(0, (3.0, 1.5, 1.0))
    return rng


def _style(script: ClipScript) -> Style:
    rng = np.random.default_rng([script.seed, 2])
    yaw, pitch, roll = rng.normal(0, (3.0, 1.5, 1.0))
    return Style(
        pose=(yaw, pitch, roll),
        offset=(0.0, 0.0),
        scale=1.0,
        gaze=(0.0, 0.0),
        head=script.head,
        mouth=1.0,
        smile=script.smile,
        brows=0.7,
        wandering=1.0,
        blinks=20.0,
    )


def _choreograph(motion: Motion, controls: dict[str, Array]) -> None:
    """Wide, slow, known movement over the small natural one: the head turns all ways, or only the eyes do."""
    phase = np.linspace(0, 1, len(controls["yaw"]))
    ease = np.clip(np.minimum(phase, 1 - phase) / 0.08, 0, 1)
    if motion == "turn":
        controls["yaw"] = controls["yaw"] * 0.4 + 20 * ease * np.sin(2 * np.pi * phase)
        controls["pitch"] = controls["pitch"] * 0.4 + 9 * ease * np.sin(4 * np.pi * phase + 0.6)
        controls["roll"] = controls["roll"] * 0.4 + 8 * ease * np.sin(2 * np.pi * phase - 1.2)
        controls["gx"], controls["gy"] = -0.5 * controls["yaw"], -0.5 * controls["pitch"]
    else:
        for name in ("yaw", "pitch", "roll"):
            controls[name] = controls[name] * 0.3
        controls["gx"] = 16 * ease * np.sin(4 * np.pi * phase)
        controls["gy"] = 9 * ease * np.sin(6 * np.pi * phase + 0.8)


def render_clip(studio: PersonRenderer, script: ClipScript, folder: Path) -> Path:
    """Write ``name.mp4`` and ``name.json`` (ground truth per frame), and the counterfactual ``name-other.*`` if the
    script has one; returns the first video's path.
    """
    play = perform(script)
    path = folder / f"{script.name}.mp4"
    _render_performance(studio, script, play, script.text, path)
    if script.other_text:
        other = folder / f"{script.name}-other.mp4"
        _render_performance(studio, script, perform_other(script, play), script.other_text, other)
    return path


def _render_performance(studio: PersonRenderer, script: ClipScript, play: Performance, text: str, path: Path) -> None:
    person = studio.person(script.seed, script.overrides, script.stage)
    controls, gaps, lids = play.controls, [], []
    with VideoWriter(path, (studio.height, studio.width), audio=(SAMPLE_RATE, play.waveform)) as writer:
        for i in range(play.num_frames):
            now = {name: float(track[i]) for name, track in controls.items()}
            pose = Pose(now["yaw"], now["pitch"], now["roll"], now["gx"], now["gy"])
            frame = studio.render(person, face_units(now), pose)
            writer.write(frame.image)
            gaps.append(frame.mouth_gap)
            lids.append(frame.eye_aperture)
    tracks = {name: controls[name] for name in (*POSE_NAMES, "jaw")}
    tracks |= {"blink": controls["blinkL"], "mouth_gap": np.array(gaps), "eye_aperture": np.array(lids)}
    truth = {
        "fps": FRAME_RATE,
        "frames": play.num_frames,
        "seed": script.seed,
        "voice": script.voice,
        "text": text,
        "units": UNITS,
        "phonemes": [[s.phoneme, round(s.start, 3), round(s.end, 3)] for s in play.segments],
        **{name: np.round(track, 2).tolist() for name, track in tracks.items()},
    }
    path.with_suffix(".json").write_text(json.dumps(truth), encoding="utf-8")
    logger.info("%s: %.1f s", path, play.num_frames / FRAME_RATE)


MARGIN = 1.9
CLIP_SCRIPTS: tuple[ClipScript, ...] = (
    ClipScript(
        "talk_woman",
        2001,
        "flite:slt",
        "When the sun comes up, I open the window and listen to the birds.",
        overrides=friendly("female", EUROPEAN, 0.1, hair="bun", hair_colour="brown", eye_colour="green"),
        stage=portrait_set(107, margin=MARGIN),
    ),
    ClipScript(
        "talk_man",
        2001,
        "flite:rms",
        "My brother bought a wooden boat, and we painted it blue and white.",
        overrides=friendly("male", AFRICAN, 0.2, hair="crop", hair_colour="black", beard=0.3, eye_colour="brown"),
        stage=portrait_set(110, margin=MARGIN),
    ),
    ClipScript(
        "turn_head",
        2003,
        "flite:awb",
        "First look to the left, then to the right, and then back to me.",
        motion="turn",
        overrides=friendly("male", EUROPEAN, 0.15, hair="slick", hair_colour="brown", beard=0.3, eye_colour="blue"),
        stage=portrait_set(106, margin=MARGIN),
    ),
)
EVALUATION_SCRIPTS: tuple[ClipScript, ...] = (
    ClipScript(
        "look_around",
        2002,
        "flite:slt",
        "Keep your head still and follow the light with your eyes only.",
        motion="look",
        overrides=friendly("female", AFRICAN, 0.1, hair="bun", hair_colour="black", eye_colour="brown"),
        stage=portrait_set(64, margin=MARGIN),
    ),
    ClipScript(
        "lively",
        2002,
        "flite:rms",
        "What a wonderful surprise! Please come in, everybody is here.",
        overrides=friendly("male", ASIAN, 0.2, hair="crop", hair_colour="black", beard=0.1, eye_colour="dark"),
        stage=portrait_set(120, margin=MARGIN),
        head=2.0,
        smile=0.35,
    ),
)
COUNTERFACTUAL_SCRIPTS: tuple[ClipScript, ...] = (
    ClipScript(
        "dub_woman",
        2101,
        "flite:slt",
        "The children played outside until the evening bell was heard.",
        overrides=friendly("female", EUROPEAN, 0.1, hair="bun", hair_colour="brown", eye_colour="green"),
        stage=portrait_set(107, margin=MARGIN),
        other_text="Maybe Bob will bring my umbrella back before Monday.",
    ),
    ClipScript(
        "dub_man",
        2102,
        "flite:rms",
        "Every morning a train leaves for the city by the lake.",
        overrides=friendly("male", AFRICAN, 0.2, hair="crop", hair_colour="black", eye_colour="brown"),
        stage=portrait_set(110, margin=MARGIN),
        other_text="Please put the purple box above the big window.",
    ),
    ClipScript(
        "dub_beard",
        2103,
        "flite:awb",
        "He walked along the river and looked at the old houses.",
        overrides=friendly("male", EUROPEAN, 0.15, hair="slick", hair_colour="brown", beard=0.6, eye_colour="blue"),
        stage=portrait_set(106, margin=MARGIN),
        other_text="Some people prefer warm bread with plum jam for breakfast.",
    ),
    ClipScript(
        "dub_turning",
        2104,
        "flite:slt",
        "First look to the left, then to the right, and then back again.",
        motion="turn",
        overrides=friendly("female", ASIAN, 0.1, hair="bun", hair_colour="black", eye_colour="dark"),
        stage=portrait_set(64, margin=MARGIN),
        other_text="My sister bought a pair of blue boots for her baby.",
    ),
    ClipScript(
        "dub_lively",
        2105,
        "flite:rms",
        "What a wonderful surprise! Please come in, everybody is here.",
        overrides=friendly("male", ASIAN, 0.2, hair="crop", hair_colour="black", beard=0.1, eye_colour="dark"),
        stage=portrait_set(120, margin=MARGIN),
        head=2.0,
        smile=0.35,
        other_text="I am afraid that we have to move the meeting to Monday.",
    ),
    ClipScript(
        "dub_calm",
        2106,
        "flite:slt",
        "Keep your head still and follow the light with your eyes only.",
        overrides=friendly("female", AFRICAN, 0.1, hair="bun", hair_colour="black", eye_colour="brown"),
        stage=portrait_set(64, margin=MARGIN),
        head=0.4,
        other_text="A warm summer breeze moved above the empty beach.",
    ),
)
