"""The manner of a speaker as motion statistics (IF-MDM, "motion statistics guidance"): what to ask, what is measured.

A style is nine amounts relative to those of a lively speaker. The network gets their logarithms without any
normalisation behind, so that the amount itself counts.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE
from imtalker.errors import InputError
from imtalker.generator.motion_layout import HEAD_CHANNELS, POSE_CHANNELS, camera_gaze
from imtalker.generator.motion_style import LIMITS, MAX_AMOUNT, MIN_AMOUNT, TYPICAL_BLINKS, MotionStyle

RESPONSE_GRID = (0.25, 0.5, 1.0, 2.0, 3.0)  # amounts given to the network when a response is measured
READOUT_NAMES = ("gap", "lids", "brows", "smile")  # linear readings of a motion, columns of ``readout``


def style_condition(amounts: Tensor) -> Tensor:
    """Amounts ``(..., 9)`` -> the condition of the network ``(..., 9)``: logarithms, the smile as it is."""
    logarithms = amounts[..., :-1].clamp(MIN_AMOUNT, MAX_AMOUNT).log()
    return torch.cat([logarithms, amounts[..., -1:]], dim=-1)


def amounts_to_ask(asked: Tensor, response: Tensor) -> tuple[Tensor, Tensor]:
    """The amounts to give a network so that what is ``asked (9,)`` comes out, and what it will answer, both ``(9,)``.

    ``response (9, 5)``: amounts measured when the network was given ``RESPONSE_GRID``. Between the grid's amounts the
    logarithms are interpolated, beyond its ends the end is given. The smile is given as it is.
    """
    given, expected = asked.clone(), asked.clone()
    grid = np.log(RESPONSE_GRID)
    for i, row in enumerate(response[:-1].cpu().numpy()):
        curve = np.log(np.maximum.accumulate(np.maximum(row, 1e-3)) * (1 + 1e-6 * np.arange(len(row))))
        wish = float(np.interp(math.log(max(float(asked[i]), 1e-3)), curve, grid))
        given[i], expected[i] = math.exp(wish), math.exp(float(np.interp(wish, grid, curve)))
    return given, expected


def count_blinks(aperture: Tensor) -> int:
    """Blinks in a track ``(T,)`` of the lid opening, 1 as at rest: falls below 0.5 that rise again above 0.7."""
    count, shut = 0, False
    for value in aperture.tolist():
        if not shut and value < 0.5:
            count, shut = count + 1, True
        elif shut and value > 0.7:
            shut = False
    return count


def motion_amounts(motion: Tensor, readout: Tensor, typical: Tensor) -> Tensor:
    """Measured amounts ``(9,)`` of a motion ``(T, 32)`` with named channels, as ``MotionStyle.amounts`` asks them.

    Args:
        motion: at 25 frames per second.
        readout: ``(32, 4)``, see ``READOUT_NAMES``: lip gap in cm, lid opening less 1, brow raise, smile.
        typical: ``(9,)`` of the preset: the deviations, the 90th percentile of the gap, 1, 1.
    """
    gap, lids, brows, smile = (motion @ readout).unbind(-1)
    head = motion[:, HEAD_CHANNELS].std(0, correction=0)
    gaze = camera_gaze(motion).std(0, correction=0).mean()
    place = head[POSE_CHANNELS.stop :].mean()
    opening = torch.quantile(gap, 0.9) - torch.quantile(gap, 0.1)
    blinks = count_blinks(1 + lids) * 60 * FRAME_RATE / len(motion) / TYPICAL_BLINKS
    values = [*head[POSE_CHANNELS], place, gaze, brows.std(correction=0), opening]
    measured = torch.stack(values) / typical[:7].clamp(min=1e-6)
    return torch.cat([measured, torch.tensor([blinks, float(smile.median())]).to(measured)])


def measured_style(motion: Tensor, readout: Tensor, typical: Tensor) -> MotionStyle:
    """The style of a clip's motion ``(T, 32)``, T of at least 50, brought into the range of ``LIMITS``.

    Raises:
        InputError: the clip is shorter than two seconds.
    """
    if len(motion) < 2 * FRAME_RATE:
        raise InputError(f"the clip for the style has {len(motion)} frames; give at least two seconds")
    yaw, pitch, roll, _, _, brows, mouth, blinks, smile = motion_amounts(motion, readout, typical).tolist()
    found = {
        "head": (yaw * pitch * roll) ** (1 / 3) if min(yaw, pitch, roll) > 0 else 0.0,
        "brows": brows, "mouth": mouth, "blinks": blinks * TYPICAL_BLINKS, "smile": smile,
    }  # fmt: skip
    return replace(MotionStyle(), **{k: min(max(v, LIMITS[k][0]), LIMITS[k][1]) for k, v in found.items()})
