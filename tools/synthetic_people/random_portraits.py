"""Portraits of random synthetic people, one per seed: training pictures without a single photograph."""

from pathlib import Path

import numpy as np
from PIL import Image

from tools.synthetic_people.person import Stage
from tools.synthetic_people.renderer import PersonRenderer, Pose
from tools.synthetic_people.sample_portraits import smile

MAX_YAW = 9.0  # degrees
SMILING = 0.3  # share of the people


def write_random(folder: Path, first_seed: int, count: int, size: int) -> list[Path]:
    """``SEED.png`` for ``count`` seeds: roughly frontal, eyes open on the camera, mouth closed, some smile a little."""
    folder.mkdir(parents=True, exist_ok=True)
    studio = PersonRenderer(size)
    paths: list[Path] = []
    for seed in range(first_seed, first_seed + count):
        rng = np.random.default_rng([seed, 3])
        yaw, pitch, roll = np.clip(rng.normal(0, (4.0, 2.5, 1.5)), -MAX_YAW, MAX_YAW)
        amount = rng.uniform(0.15, 0.45)
        happy = rng.random() < SMILING
        shift = tuple(rng.normal(0, 0.035, 2))
        stage = Stage(margin=rng.uniform(1.6, 1.9), shift=(shift[0], shift[1]))
        person = studio.person(seed, stage=stage)
        pose = Pose(yaw, pitch, roll, -0.9 * yaw, -0.9 * pitch)
        frame = studio.render(person, smile(amount) if happy else None, pose)
        path = folder / f"{seed}.png"
        Image.fromarray(frame.image).save(path)
        paths.append(path)
    return paths
