"""Head pose and gaze inside motion latents with named channels: reading them, and moving them relatively."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imtalker.generator.controls import GAZE_NAMES, LIMITS, POSE_NAMES, TOLERANCE, MotionControls
from imtalker.generator.motion_layout import (
    ANGLE_UNIT,
    CAMERA_CHANNELS,
    HEAD_CHANNELS,
    POSE_CHANNELS,
    camera_gaze,
)
from imtalker.media.remark import Remark


def head_controls(motion: Tensor, total: int, overrides: MotionControls | None = None) -> MotionControls:
    """Head pose, camera and gaze of a clip as controls for ``total`` frames.

    Args:
        motion: ``(T, 32)`` with named channels, of the clip; if shorter than ``total`` it runs forwards and
            backwards in turn, so that there is no jump.
        overrides: whatever is set here takes precedence over the clip.
    """
    frames = motion.cpu().numpy()[back_and_forth(len(motion), total)]
    angles = np.concatenate([frames[:, POSE_CHANNELS], camera_gaze(frames)], axis=1) * ANGLE_UNIT
    names = (*POSE_NAMES, *GAZE_NAMES)
    values: dict[str, Any] = {name: angles[:, i].clip(-LIMITS[name], LIMITS[name]) for i, name in enumerate(names)}
    values["camera"] = frames[:, CAMERA_CHANNELS]
    given = {} if overrides is None else {f.name: getattr(overrides, f.name) for f in fields(overrides)}
    values |= {name: value for name, value in given.items() if value is not None}
    return MotionControls(**values)


TURNED = slice(0, 2)  # channels of yaw and pitch
TURNS = (24.0, 34.0), (15.0, 22.0)  # degrees of yaw and of pitch: followed up to the first, never beyond the second


def relative_motion(windows: Iterator[Tensor], source_motion: Tensor, layout: str) -> Iterator[Tensor]:
    """The portrait's own pose plus the driver's change since its first frame.

    Args:
        windows: motion ``(1, n, 32)`` of the driver, or with a body after it, which is relative already.
        source_motion: ``(1, 32)`` of the portrait.
        layout: "explicit": only head and camera are relative, gaze and expression stay the driver's;
            "learned": the whole latent is relative, since its parts have no names.
    """
    offset: Tensor | None = None
    for window in windows:
        if offset is None:
            own = source_motion[:, None].to(window)
            part = HEAD_CHANNELS if layout == "explicit" else slice(own.shape[-1])
            offset = torch.zeros_like(window[:, :1])
            offset[..., part] = own[..., part] - window[:, :1, part]
        yield window + offset


def within_reach(windows: Iterator[Tensor], source_motion: Tensor, remarks: list[Remark]) -> Iterator[Tensor]:
    """A driver's motion whose head turns no further from the portrait's than a single picture can be turned.

    Up to ``TURNS`` the head goes with the driver, beyond it ever less. Further a face comes apart.

    Args:
        windows: explicit motion ``(1, n, 32)``.
        source_motion: ``(1, 32)`` of the portrait.
        remarks: brought up to date with every window: one of code "turn_limited" once the head has turned further.
    """
    furthest = torch.zeros(2)
    begin, end = (torch.tensor(limits) / ANGLE_UNIT for limits in zip(*TURNS, strict=True))
    for window in windows:
        own = source_motion[:, None, TURNED].to(window)
        change = window[..., TURNED] - own
        start, room = begin.to(window), (end - begin).to(window)
        beyond = (change.abs() - start).clamp(min=0)
        furthest = torch.maximum(furthest, change.abs().flatten(0, -2).amax(0).float().cpu())
        remarks[:] = _turn_remarks((furthest * ANGLE_UNIT).tolist())
        limited = change.abs().minimum(start) + room * torch.tanh(beyond / room)
        window = window.clone()
        window[..., TURNED] = own + limited.copysign(change)
        yield window


def _turn_remarks(furthest: list[float]) -> list[Remark]:
    """furthest: degrees of yaw and of pitch from the portrait's pose."""
    beyond = [
        f"{turn:.0f} degrees {way} (followed to {limits[0]:.0f}, never beyond {limits[1]:.0f})"
        for turn, limits, way in zip(furthest, TURNS, ("to the side", "up or down"), strict=True)
        if turn > limits[0] + TOLERANCE
    ]
    if not beyond:
        return []
    words = (
        f"the head in the clip turns away from the portrait's pose by {' and '.join(beyond)}; use a portrait that "
        "looks the way the clip does, or a clip that turns less"
    )
    return [Remark("turn_limited", words)]


def back_and_forth(length: int, total: int) -> np.ndarray:
    """Indices ``(total,)`` that run through ``length`` frames forwards, backwards, forwards, ..."""
    period = max(1, 2 * (length - 1))
    position = np.arange(total) % period
    return np.minimum(position, period - position)
