"""Six clips that are hard on the motion transfer: far turns, a cut head, long hair, busy backgrounds.

Each begins straight, with the picture that is animated, and ends in the extreme: a pair of source and target with
every step between them. No sound; ground truth as for the driving clips.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imtalker.config import FRAME_RATE
from imtalker.media.video_writer import VideoWriter
from tools.synthetic_people.clips import POSE_NAMES, UNITS
from tools.synthetic_people.expression import face_units
from tools.synthetic_people.identity import TraitOverrides
from tools.synthetic_people.person import Stage
from tools.synthetic_people.renderer import PersonRenderer, Pose
from tools.synthetic_people.sample_portraits import AFRICAN, ASIAN, EUROPEAN, friendly, portrait_set

logger = logging.getLogger(__name__)
STRESS_FRAMES = 36
_TURN_FRAMES = 28  # of them; the last ones stay in the extreme


@dataclass(frozen=True)
class StressScript:
    """One person from looking straight to ``extreme``, degrees and controls of the puppet."""

    name: str
    seed: int
    overrides: TraitOverrides
    stage: Stage
    extreme: Mapping[str, float] = field(default_factory=dict)

    def controls(self) -> dict[str, np.ndarray]:
        """Every control, ``(STRESS_FRAMES,)`` each."""
        share = np.clip(np.arange(STRESS_FRAMES) / _TURN_FRAMES, 0, 1)
        share = share * share * (3 - 2 * share)
        names = {*POSE_NAMES, *self.extreme}
        return {name: self.extreme.get(name, 0.0) * share for name in sorted(names)}


def write_stress(studio: PersonRenderer, script: StressScript, folder: Path) -> Path:
    """Write ``name.mp4`` and ``name.json`` (ground truth per frame); returns the video's path."""
    person = studio.person(script.seed, script.overrides, script.stage)
    controls = script.controls()
    path = folder / f"{script.name}.mp4"
    with VideoWriter(path, (studio.height, studio.width)) as writer:
        for i in range(STRESS_FRAMES):
            now = {name: float(track[i]) for name, track in controls.items()}
            pose = Pose(*(now[name] for name in POSE_NAMES))
            writer.write(studio.render(person, face_units(now), pose).image)
    truth = {
        "fps": FRAME_RATE,
        "frames": STRESS_FRAMES,
        "seed": script.seed,
        "units": {name: UNITS[name] for name in POSE_NAMES},
        **{name: np.round(controls[name], 2).tolist() for name in POSE_NAMES},
    }
    path.with_suffix(".json").write_text(json.dumps(truth), encoding="utf-8")
    logger.info("%s: %.1f s", path, STRESS_FRAMES / FRAME_RATE)
    return path


_CUT = Stage(background="studio", soft_light=True, margin=1.45, shift=(0.0, -0.45), seed=106)
STRESS_SCRIPTS: tuple[StressScript, ...] = (
    StressScript(
        "stress_yaw_right",
        2003,
        friendly("male", EUROPEAN, 0.15, hair="slick", hair_colour="brown", beard=0.3, eye_colour="blue"),
        portrait_set(106),
        {"yaw": 25.0, "gx": -8.0},
    ),
    StressScript(
        "stress_yaw_left",
        2001,
        friendly("male", AFRICAN, 0.2, hair="crop", hair_colour="black", beard=0.3, eye_colour="brown"),
        portrait_set(110),
        {"yaw": -25.0, "jaw": 0.4},
    ),
    StressScript(
        "stress_cut_head",
        2002,
        friendly("male", ASIAN, 0.2, hair="crop", hair_colour="black", eye_colour="dark"),
        _CUT,
        {"pitch": -16.0, "yaw": 10.0},
    ),
    StressScript(
        "stress_long_hair",
        2003,
        friendly("female", EUROPEAN, 0.05, hair="longwavy", hair_colour="brown", eye_colour="green"),
        portrait_set(128),
        {"yaw": 22.0, "roll": 12.0, "jaw": 0.3},
    ),
    StressScript(
        "stress_busy",
        2002,
        friendly("female", AFRICAN, 0.1, hair="bun", hair_colour="black", eye_colour="brown"),
        portrait_set(64, "window"),
        {"yaw": -20.0, "roll": -15.0, "pitch": 8.0},
    ),
    StressScript(
        "stress_all",
        2005,
        friendly("female", (0.15, 0.35, 0.5), 0.12, hair="longwavy", hair_colour="darkbrown", eye_colour="brown"),
        Stage(background="room", margin=1.5, shift=(0.0, -0.4), seed=158),
        {"yaw": 25.0, "pitch": -10.0, "jaw": 0.35},
    ),
)
