"""The head of an explicit motion: its condition for the network, and bringing it exactly to what is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from imtalker.generator.motion_layout import (
    CAMERA_CHANNELS,
    GAZE_CHANNELS,
    HEAD_CHANNELS,
    HEAD_DIM,
    POSE_CHANNELS,
)
from imtalker.generator.motion_statistics import style_condition

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
    statistics: Tensor | None  # (1, 15) rest of the head and the style, for a network with statistics
    scale: Tensor  # (6,) of the head's excursions after sampling: what a network answers less or more than asked

    @classmethod
    def plan(
        cls,
        tracks: Mapping[str, Tensor],
        length: int,
        portrait: Tensor,
        typical: Tensor | None,
        scale: Tensor | None = None,
        amounts: Tensor | None = None,
    ) -> "ExplicitHead":
        """From the whole controls ``tracks`` of ``length`` frames; ``amounts (9,)`` given with ``typical (9,)``.

        A head given frame by frame has the amounts of its own track.
        """
        targets = head_targets(tracks, portrait, length)
        mean, deviation = targets.mean(1), targets.std(1, correction=0)
        varying = deviation[0] > 1e-6
        statistics = None
        if typical is not None and amounts is not None:
            mean = torch.where(varying, mean, portrait[:, HEAD_CHANNELS])
            own = torch.cat([deviation[0, POSE_CHANNELS], deviation[0, POSE_CHANNELS.stop :].mean()[None]])
            given = torch.cat([varying[POSE_CHANNELS], varying[POSE_CHANNELS.stop :].any()[None]])
            asked = amounts.to(portrait).clone()
            asked[:4] = torch.where(given, own / typical[:4].to(portrait).clamp(min=1e-6), asked[:4])
            statistics = torch.cat([mean, style_condition(asked)[None]], dim=-1)
        scale = torch.ones(HEAD_DIM) if scale is None else scale
        return cls(portrait, varying, statistics, scale.to(portrait))

    def conditions(self, tracks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The window's controls as the network shall see them: constants of the head are not its business."""
        seen = {name: value for name, value in tracks.items() if name == "gaze"}
        for name, channels in (("pose", POSE_CHANNELS), ("camera", CAMERA_CHANNELS)):
            varying = self.varying[channels]
            if varying.any():
                seen[name] = torch.where(varying, tracks[name], self.portrait[:, None, channels])
        return seen

    def apply_head_targets(self, motion: Tensor, tracks: Mapping[str, Tensor]) -> Tensor:
        """The window's motion ``(1, n, 32)`` with the head as asked; the eyes keep their target.

        The head's excursions about its rest are scaled by ``scale``.
        """
        targets = head_targets(tracks, self.portrait, motion.shape[1])
        natural = motion[..., HEAD_CHANNELS]
        rest = self.portrait[:, None, HEAD_CHANNELS]
        head = torch.where(self.varying, targets, targets + self.scale * (natural - rest))
        gaze = motion[..., GAZE_CHANNELS]
        limit = gaze.abs().clamp(min=EYE_LIMIT)
        gaze = (gaze - (head - natural)[..., :2]).clamp(-limit, limit)
        return torch.cat([head, gaze, motion[..., GAZE_CHANNELS.stop :]], dim=-1)
