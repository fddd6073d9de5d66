"""The head of an explicit motion: what the network is told about it, and bringing it exactly to what is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from imtalker.generator.motion_layout import (
    CAMERA_CHANNELS,
    GAZE_CHANNELS,
    HEAD_CHANNELS,
    POSE_CHANNELS,
    head_statistics,
)

EYE_LIMIT = 2.0  # of the gaze in the head's frame, units of 10 degrees: how far eyes follow a target sideways


def head_targets(tracks: Mapping[str, Tensor], portrait: Tensor, length: int) -> Tensor:
    """Where the head shall be in each frame ``(1, length, 6)``: the controls where given, else as in the portrait."""
    motion = portrait[:, None].repeat(1, length, 1)
    if "pose" in tracks:
        motion[..., POSE_CHANNELS] = tracks["pose"]
    if "camera" in tracks:
        motion[..., CAMERA_CHANNELS] = tracks["camera"]
    return motion[..., HEAD_CHANNELS]


@dataclass(frozen=True)
class ExplicitHead:
    """Head controls of one clip.

    The projections of the official conditions normalise their input, so a network follows the direction of a
    pose more than its amount. Where the motion names the head this need not be left to the network: an angle
    that changes from frame to frame is a condition and then put in place exactly; a constant one moves the
    natural motion, sampled about the portrait's pose, to the angle asked for, so that the head stays alive.
    """

    portrait: Tensor  # (1, 32) motion
    varying: Tensor  # (6,) bool: head channels that have a value per frame
    statistics: Tensor  # (1, 12) mean and deviation to ask of a network with statistics
    expressiveness: float

    @classmethod
    def plan(
        cls, tracks: Mapping[str, Tensor], length: int, portrait: Tensor, typical: Tensor | None, expressiveness: float
    ) -> "ExplicitHead":
        """From the whole controls ``tracks`` of ``length`` frames; ``typical (6,)`` is the usual deviation."""
        mean, deviation = head_statistics(head_targets(tracks, portrait, length)).chunk(2, dim=-1)
        varying = deviation[0] > 1e-6
        if typical is not None:
            deviation = torch.where(varying, deviation, typical.to(deviation))
        mean = torch.where(varying, mean, portrait[:, HEAD_CHANNELS])
        return cls(portrait, varying, torch.cat([mean, deviation], dim=-1), expressiveness)

    def conditions(self, tracks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The window's controls as the network shall see them: constants of the head are not its business."""
        seen = {name: value for name, value in tracks.items() if name == "gaze"}
        for name, channels in (("pose", POSE_CHANNELS), ("camera", CAMERA_CHANNELS)):
            varying = self.varying[channels]
            if varying.any():
                seen[name] = torch.where(varying, tracks[name], self.portrait[:, None, channels])
        return seen

    def settle(self, motion: Tensor, tracks: Mapping[str, Tensor]) -> Tensor:
        """The window's motion ``(1, n, 32)`` with the head as asked; the eyes keep their target.

        The head's excursions about its rest are scaled by the expressiveness.
        """
        targets = head_targets(tracks, self.portrait, motion.shape[1])
        natural = motion[..., HEAD_CHANNELS]
        rest = self.portrait[:, None, HEAD_CHANNELS]
        head = torch.where(self.varying, targets, targets + self.expressiveness * (natural - rest))
        gaze = motion[..., GAZE_CHANNELS]
        limit = gaze.abs().clamp(min=EYE_LIMIT)
        gaze = (gaze - (head - natural)[..., :2]).clamp(-limit, limit)
        return torch.cat([head, gaze, motion[..., GAZE_CHANNELS.stop :]], dim=-1)
