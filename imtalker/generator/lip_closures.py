"""Lips that meet where m, b, p are heard, and only there, where the motion names the lips.

The flow is sampled: where the sound leaves a doubt whether an m was an m or an n, lips meet in one noise and not in
the next, and as often where no m was. So the lips start from less noise than the rest of the face, since they follow
the sound and not chance, and what the audio encoder hears of them decides about closures. It moves
the lips after sampling, as ``blinks`` moves the lids, along the one direction that changes their opening and no other
reading; in frames without a decision the motion stays as it was sampled.
"""

import torch
from torch import Tensor

from imtalker.generator.motion_parts import split
from imtalker.generator.motion_statistics import READOUT_NAMES

LIP_NOISE = 0.4  # deviation of the noise that lips start from; at 1 their correlation with the sound is 0.03 lower
DOUBT, SURE = 0.06, 0.15  # probability of m, b, p from which lips close, and at which they meet
RAMP = 0.4  # of a closure in the frame before and after it: lips take some 80 ms each way
PARTED = 0.3  # cm, least opening in speech where certainly neither m, b, p nor a pause is
CERTAIN = 0.2  # probability of both together below which lips begin to be held apart


def calm_lips(noise: Tensor) -> Tensor:
    """Standard normal noise ``(1, W, 32)`` with less of it in the lips; head, eyes and brows keep theirs."""
    return noise - (1 - LIP_NOISE) * split(noise)["lips"]


class LipClosures:
    """Edits windows of motion in order; one for each clip.

    Args:
        readout: ``(32, 4)``, see ``MotionGenerator``. The opening of the lips is changed along its pseudo-inverse,
            which leaves lids, brows and smile as they are.
    """

    def __init__(self, readout: Tensor):
        gap = READOUT_NAMES.index("gap")
        self._reading = readout[:, gap].float()
        self._direction = torch.linalg.pinv(readout.float().T)[:, gap]
        self._last = torch.zeros(1)  # how far the last frame of the window before was closed

    def apply(self, motion: Tensor, heard: Tensor) -> Tensor:
        """The next window ``(1, n, 32)`` with its lips as ``heard (1, n, 2)`` says, log-odds of closure and silence."""
        opening = motion[0].float() @ self._reading.to(motion.device)
        closure, silence = heard[0].float().sigmoid().to(motion.device).unbind(-1)
        parted = (1 - (closure + silence) / CERTAIN).clamp(min=0)
        wanted = opening + parted * (PARTED - opening).clamp(min=0)
        wanted = wanted - wanted.clamp(min=0) * self._closing(closure)
        return (motion.float() + (wanted - opening)[:, None] * self._direction.to(motion.device)).to(motion)

    def _closing(self, probability: Tensor) -> Tensor:
        """How far lips are closed in each frame ``(n,)``, 0..1; the frame after the window is not known yet."""
        own = ((probability - DOUBT) / (SURE - DOUBT)).clamp(0, 1)
        before = torch.cat([self._last.to(own), own[:-1]])
        after = torch.cat([own[1:], own.new_zeros(1)])
        self._last = own[-1:].cpu()
        return torch.maximum(own, RAMP * torch.maximum(before, after))
