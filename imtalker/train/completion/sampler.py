"""Training samples: a frame whose mouth is hidden, another mouth in exactly that frame, and references.

Only the pose of the head is common to source and target in a puppet's group, so nothing that the network sees of the
frame tells the mouth it has to draw; what it is told are motion, and references of other moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.completion.alignment import INNER_LIPS, alignments, looked_up
from imtalker.dubbing.completion.conditions import motion_numbers
from imtalker.dubbing.completion.mouth_patch import PATCH_CM, hidden_part, opening_map, taken_over
from imtalker.errors import InputError
from imtalker.train.completion.mouths import Mouths
from imtalker.train.puppet.augment import sample_colouring, sample_degradation
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.puppet.sampler import is_validation

OUTER_LIPS = slice(24, 44)  # of ``MouthSpace.landmarks``
LIP_MARGIN_CM = 0.4  # of the part that counts as lips
AT_REST = 0.3  # cm more open than the most closed frame
POSE_NOISE = 4.0  # degrees: references are not always the nearest there are
OPEN = 7.0  # degrees that a centimetre of opening makes up for in the choice of the open reference
JITTER_CM = 0.03  # of every landmark, and as much again of all of them together
OFFSET_NOISE = 0.02  # cm, of the motion tokens
TONE_NOISE = (0.04, 0.015)  # log gain of the references: all channels together, each


@dataclass(frozen=True, eq=False)
class CompletionSample:
    """One mouth to complete; pictures uint8."""

    source: np.ndarray  # (S, S, 3) the frame
    target: np.ndarray  # (S, S, 3) the same frame with another mouth
    references: np.ndarray  # (2, S, S, 3) at rest and open, aligned with the target
    hidden: np.ndarray  # (S, S) bool
    taken: np.ndarray  # (S, S) float32, see ``taken_over``
    opening: np.ndarray  # (S, S) float32, see ``opening_map``
    lips: np.ndarray  # (S, S) bool
    offsets: np.ndarray  # (49, 3) float32, see ``motion_numbers``
    pose: np.ndarray  # (3,) float32


def list_mouths(folders: Sequence[str | Path], split: Literal["train", "validation"]) -> list[Path]:
    """Files of a split, by the hash of their names. Raises InputError when there are none."""
    files = [path for folder in folders for path in sorted(Path(folder).glob("[!.]*.npz"))]
    chosen = [path for path in files if is_validation(path.stem) == (split == "validation")]
    if not chosen:
        places = ", ".join(map(str, folders))
        raise InputError(
            f"no {split} mouths (*.npz) in {places}; make some with python -m imtalker.train.completion.prepare"
        )
    return chosen


@lru_cache(maxsize=2048)
def _load(path: Path) -> Mouths:
    return Mouths.load(path)


class CompletionSampler:
    """Samples of random people: a person counts by the root of the number of moments there are of them."""

    def __init__(self, folders: Sequence[str | Path], split: Literal["train", "validation"] = "train") -> None:
        self.files = list_mouths(folders, split)
        self.space = MotionSpace.load()
        weight = np.sqrt([len(np.unique(_load(path).group)) for path in self.files])
        self._share = weight / weight.sum()

    def batch(self, rng: np.random.Generator, count: int) -> list[CompletionSample]:
        """``count`` samples: a pure function of the generator's state."""
        return [self._sample(rng, _load(self.files[i])) for i in rng.choice(len(self.files), count, p=self._share)]

    def _sample(self, rng: np.random.Generator, mouths: Mouths) -> CompletionSample:
        side = mouths.patches.shape[1]
        target = int(rng.integers(len(mouths)))
        twins = np.flatnonzero((mouths.group == mouths.group[target]) & (np.arange(len(mouths)) != target))
        source = int(rng.choice(twins)) if len(twins) else target
        wanted = _jittered(rng, mouths.landmarks[target], side)
        references = [
            looked_up(mouths.patches[i], alignments(wanted, _jittered(rng, mouths.landmarks[i], side)[None], side)[0])
            for i in choose_pair(rng, mouths, target)
        ]
        colour, degrade = sample_colouring(rng), sample_degradation(rng, 0.4, 1.5)
        gain = np.exp(rng.normal(0, TONE_NOISE[0], (2, 1)) + rng.normal(0, TONE_NOISE[1], (2, 3)))
        pictures = [degrade(colour(mouths.patches[i])) for i in (source, target)]
        shown = [_toned(degrade(colour(patch)), g) for patch, g in zip(references, gain, strict=True)]
        hidden = hidden_part(mouths.turn[target], side)
        opening = opening_map(wanted[INNER_LIPS], side)
        motion, pose, lips = mouths.motion[target], mouths.pose[target], lip_region(wanted, side)
        if rng.random() < 0.5:
            pictures, shown = ([p[:, ::-1] for p in row] for row in (pictures, shown))
            hidden, opening, lips = hidden[:, ::-1], opening[:, ::-1], lips[:, ::-1]
            motion, pose = self.space.mirror(motion), pose * [-1, 1]
        offsets, numbers = motion_numbers(torch.from_numpy(motion[None]), pose[None, 0], pose[None, 1])
        offsets = offsets[0].numpy() + rng.normal(0, OFFSET_NOISE, offsets.shape[1:])
        return CompletionSample(
            source=pictures[0], target=pictures[1], references=np.stack(shown), hidden=hidden,
            taken=taken_over(hidden), opening=opening, lips=lips, offsets=offsets.astype(np.float32),
            pose=numbers[0].numpy(),
        )  # fmt: skip


def choose_pair(rng: np.random.Generator, mouths: Mouths, target: int) -> tuple[int, int]:
    """Frames of other moments: one at rest and one open, in about the target's pose."""
    moment = mouths.group.astype(int)
    other = np.flatnonzero(np.abs(moment - moment[target]) > mouths.apart)
    if not len(other):
        other = np.arange(len(mouths))
    turned = np.hypot(*(mouths.pose[other] - mouths.pose[target]).T) + rng.exponential(POSE_NOISE, len(other))
    opening = mouths.opening[other]
    rest = np.where(opening <= opening.min() + AT_REST, turned, np.inf)
    return int(other[rest.argmin()]), int(other[(turned - OPEN * np.minimum(opening, 1.5)).argmin()])


def lip_region(landmarks: np.ndarray, side: int) -> np.ndarray:
    """``(S, S)`` bool: lips with a margin."""
    area = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(area, cv2.convexHull(np.rint(landmarks[OUTER_LIPS]).astype(np.int32)), [1])
    reach = 2 * round(LIP_MARGIN_CM * side / PATCH_CM) + 1
    return cv2.dilate(area, np.ones((reach, reach), np.uint8)) > 0


def collate(samples: Sequence[CompletionSample]) -> dict[str, Tensor]:
    """Samples -> tensors with a leading axis."""
    names = CompletionSample.__dataclass_fields__
    return {name: torch.from_numpy(np.stack([getattr(s, name) for s in samples])) for name in names}


def _jittered(rng: np.random.Generator, landmarks: np.ndarray, side: int) -> np.ndarray:
    noise = rng.normal(0, JITTER_CM, landmarks.shape) + rng.normal(0, JITTER_CM, 2)
    return landmarks + noise * side / PATCH_CM


def _toned(patch: np.ndarray, gain: np.ndarray) -> np.ndarray:
    return np.clip(patch * gain + 0.5, 0, 255).astype(np.uint8)
