"""The readings of a clip, frame by frame -> its motion: neutral face, moments without a face, jitter.

Everything streams with a look-ahead of a second at the start and two frames afterwards; memory does not grow.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from imtalker.faces.motion_reading import (
    EXPRESSION,
    HEAD,
    MOTION_DIM,
    HeadReading,
    MotionBasis,
    motion_of,
    neutral_face,
)

NEUTRAL_FRAMES = 25  # within which the neutral face is looked for
OPEN_SHARE = 0.8  # of the usual opening of the lids, below which a face is taken for blinking
MEMORY = 25  # frames over which the usual expression is remembered
REST_FRAMES = 10  # after which a face that is not seen has come to its usual expression
EASE_FRAMES = 6  # after which a face that is seen again is followed fully
# Binomial weights, symmetric and thus without delay: the head is slow and its landmarks shiver, the lips are quick.
HEAD_WEIGHTS = np.array([1, 4, 6, 4, 1]) / 16
EXPRESSION_WEIGHTS = np.array([0, 1, 6, 1, 0]) / 8
_IS_HEAD = np.isin(np.arange(MOTION_DIM), np.arange(MOTION_DIM)[HEAD])
MOTION_WEIGHTS = np.where(_IS_HEAD, HEAD_WEIGHTS[:, None], EXPRESSION_WEIGHTS[:, None])  # (5, 32)


def motion_track(readings: Iterable[HeadReading | None], basis: MotionBasis) -> Iterator[np.ndarray]:
    """Motion (32,) of every frame of a clip; nothing when no frame shows a face.

    Args:
        readings: of each frame in order; None where no face is seen.
    """
    return smooth(bridge(_against_neutral(iter(readings), basis)))


def _against_neutral(readings: Iterator[HeadReading | None], basis: MotionBasis) -> Iterator[np.ndarray | None]:
    """Motions, None where there is no face, against the neutral face of the first second that shows the face."""
    first: list[HeadReading | None] = []
    for reading in readings:
        if reading is None and not first:
            yield None
            continue
        first.append(reading)
        if len(first) == NEUTRAL_FRAMES:
            break
    if not first:
        return
    neutral = neutral_face(choose_neutral([r for r in first if r is not None]), basis)
    for reading in chain(first, readings):
        yield None if reading is None else motion_of(reading, neutral, basis)


def choose_neutral(readings: list[HeadReading]) -> HeadReading:
    """The first reading whose lids are as open as usual: what is shut in the neutral face would never shut again."""
    apertures = np.array([reading.aperture for reading in readings])
    return readings[int(np.argmax(apertures >= OPEN_SHARE * np.percentile(apertures, 75)))]


def bridge(motions: Iterable[np.ndarray | None]) -> Iterator[np.ndarray]:
    """Fill moments without a face: the head stays, the expression eases to the usual one, and the return is eased.

    Before the face is seen for the first time its first motion stands. Nothing comes when it is never seen.
    """
    missing_before = 0
    shown: np.ndarray | None = None  # the last motion given out
    usual = np.zeros(0)
    lost, seen = 0, EASE_FRAMES
    for motion in motions:
        if motion is None and shown is None:
            missing_before += 1
            continue
        if shown is None:
            assert motion is not None
            shown, usual = motion, motion.copy()
            yield from [motion] * missing_before
        elif motion is None:
            lost, seen = lost + 1, 0
            shown = shown.copy()
            step = 1 / max(REST_FRAMES - lost + 1, 1)
            shown[EXPRESSION] += step * (usual[EXPRESSION] - shown[EXPRESSION])
        else:
            lost, seen = 0, min(seen + 1, EASE_FRAMES)
            shown = shown + (motion - shown) / (EASE_FRAMES - seen + 1)
            usual += (motion - usual) / MEMORY
        yield shown


def smooth(motions: Iterable[np.ndarray], weights: np.ndarray = MOTION_WEIGHTS) -> Iterator[np.ndarray]:
    """Symmetric smoothing over five frames, the border frames repeated: takes out the landmarks' shiver, no delay.

    ``weights``: (5,), or (5,n) for motions (n,).
    """
    weights = weights.reshape(len(weights), -1).astype(np.float32)
    reach = len(weights) // 2
    near: deque[np.ndarray] = deque(maxlen=len(weights))
    for motion in motions:
        if not near:
            near.extend([motion] * reach)
        near.append(motion)
        if len(near) == len(weights):
            yield (np.stack(near) * weights).sum(0)
    if near:
        waiting = min(reach, len(near) - reach)
        while len(near) < len(weights) - 1:  # a clip shorter than the reach
            near.append(near[-1])
        for _ in range(waiting):
            near.append(near[-1])
            yield (np.stack(near) * weights).sum(0)
