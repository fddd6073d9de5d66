"""Clips to learn mouths from: random people in random poses, each pose with two mouths, ``NAME.mp4`` and
``NAME-other.mp4``, frame by frame the same but for the mouth. Two frames a second: nothing moves from one to the next.
"""

from pathlib import Path

import numpy as np

from imtalker.media.video_writer import VideoWriter
from imtalker.train.puppet.controls import DEFAULTS, EXPRESSION_NAMES, sample_controls, sample_mouth, sample_upper_face
from tools.synthetic_people.expression import face_units
from tools.synthetic_people.person import Person, Stage
from tools.synthetic_people.renderer import PersonRenderer, Pose

FPS = 2
POSES = 20


def write_mouth_clips(folder: Path, first_seed: int, count: int, size: int) -> None:
    """Clips of ``count`` people; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    studio = PersonRenderer(size)
    for seed in range(first_seed, first_seed + count):
        paths = [folder / f"mouths_{seed}{ending}.mp4" for ending in ("-other", "")]
        if paths[-1].is_file():
            continue
        rng = np.random.default_rng([seed, 4])
        stage = Stage(margin=rng.uniform(1.6, 2.2), shift=(rng.normal(0, 0.04), rng.normal(0, 0.04)))
        person = studio.person(seed, stage=stage)
        heads = [_head(rng) for _ in range(POSES)]
        mouths = [[_mouth(rng, kind) for _ in heads] for kind in range(2)]
        for path, row in zip(paths, mouths, strict=True):
            _write(studio, person, path, [head | mouth for head, mouth in zip(heads, row, strict=True)])


def _head(rng: np.random.Generator) -> dict[str, float]:
    return sample_controls(rng) | {name: DEFAULTS[name] for name in EXPRESSION_NAMES} | sample_upper_face(rng)


def _mouth(rng: np.random.Generator, kind: int) -> dict[str, float]:
    """Mouths of speech; every third of one clip is at rest, of the other wide open, as references have to be."""
    if rng.random() < 2 / 3:
        return sample_mouth(rng)
    if kind == 0:
        return {"jaw": 0.04 * rng.random()}
    return {"jaw": rng.uniform(0.25, 0.55), "ulr": rng.uniform(0, 0.3), "lld": rng.uniform(0, 0.4)}


def _write(studio: PersonRenderer, person: Person, path: Path, frames: list[dict[str, float]]) -> None:
    with VideoWriter(path, (studio.height, studio.width), FPS) as writer:
        for now in frames:
            pose = Pose(now["yaw"], now["pitch"], now["roll"], now["gx"], now["gy"])
            writer.write(studio.render(person, face_units(now), pose).image)
