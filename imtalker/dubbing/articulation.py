"""How a person articulates: what the lips of a clip do when they open, against what the generator does for its sound.

People part their lips further or less, and spread, round or push them out in their own way, at every sound. The mean
of the open mouths says how; closed lips are left as they are, so that m, b and p stay what they are.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imtalker.config import SAMPLE_RATE, SamplingOptions
from imtalker.dubbing.lips import speech_motion
from imtalker.dubbing.mouth_space import lip_gap, mouth_space, scale_mouth
from imtalker.dubbing.references import References
from imtalker.errors import InputError
from imtalker.faces.smooth import smoothstep
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS, combine
from imtalker.media.audio import load_waveform
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings

logger = logging.getLogger(__name__)

LISTEN_SECONDS = 12.0  # of the clip's own speech that tell how the person articulates
OPEN = 0.12  # cm between the lips, from which on a mouth is open
WHOLE = 0.3  # cm, from which on the person's own way is followed wholly
LEAST_MOTION = 0.05  # cm, deviation of the lip gap below which somebody does not speak
SURE = 8  # open frames that count as much as the belief that people articulate as the generator does
FURTHEST = 2.0  # usual sizes of a component, beyond which nothing is believed
LEAST_GAP = -0.1  # cm, how much less the lips may open


@dataclass(frozen=True, eq=False)
class Articulation:
    """What becomes of the mouth that the generator gives."""

    factor: float = 1.0  # amplitude about the neutral frame
    opened: np.ndarray = field(default_factory=lambda: np.zeros(23, np.float32))  # (23,) added to an open mouth

    def apply(self, windows: Iterator[Tensor], references: References) -> Iterator[Tensor]:
        """Motion windows ``(1, n, 32)`` as the person articulates them; closures stay closed."""
        about, opened = torch.from_numpy(references.motion), torch.from_numpy(self.opened)
        for window in windows:
            window = window.float().cpu()
            if self.factor != 1:
                window = scale_mouth(window, about, self.factor)
            if self.opened.any():
                changed = window.clone()
                share = smoothstep(0.0, WHOLE, lip_gap(window).numpy())
                changed[..., EXPRESSION_CHANNELS] += torch.from_numpy(share)[..., None] * opened
                window = combine(changed, window, "lips")
            yield window


def own_articulation(
    pipeline: TalkingHeadPipeline,
    video: str | Path,
    motion: np.ndarray,
    fps: float,
    references: References,
    sampling: SamplingOptions | None,
) -> Articulation:
    """How a person articulates in a clip; as generated where that is unknown.

    Args:
        motion: ``(T, 32)`` of the clip's frames.
        fps: of these.
    """
    try:
        waveform = load_waveform(video)
    except InputError as error:
        logger.info("articulation is left as generated (%s)", error)
        return Articulation()
    seconds = min(LISTEN_SECONDS, len(motion) / fps, len(waveform) / SAMPLE_RATE)
    waveform = waveform[: int(seconds * SAMPLE_RATE)]
    seen = torch.from_numpy(motion[: max(1, int(seconds * fps))])
    if seconds < 1.0 or lip_gap(seen).std() < LEAST_MOTION or np.abs(waveform).max() < 0.01:
        return Articulation()
    windows = speech_motion(pipeline, waveform, references, None, sampling, Timings())
    generated = torch.cat([window[0].float().cpu() for window in windows])
    return Articulation(opened=opened_difference(seen, generated))


def opened_difference(seen: Tensor, generated: Tensor) -> np.ndarray:
    """Expression (23,) by which open mouths of a person differ from generated ones on average, motions ``(T, 32)``."""
    own, theirs = (motion[lip_gap(motion) > OPEN][:, EXPRESSION_CHANNELS] for motion in (seen, generated))
    if not len(own) or not len(theirs):
        return np.zeros(len(mouth_space().deviation), np.float32)
    count = min(len(own), len(theirs))
    difference = (own.mean(0) - theirs.mean(0)).numpy() * count / (count + SURE)
    limit = FURTHEST * mouth_space().deviation
    difference = difference.clip(-limit, limit)
    gap = float(difference @ mouth_space().gap)
    return (difference * min(1.0, LEAST_GAP / gap) if gap < LEAST_GAP else difference).astype(np.float32)
