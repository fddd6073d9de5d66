"""Conditions of the motion generator: each is projected per frame, a missing one is zero after projection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import GeneratorConfig

CONDITION_NAMES = ("audio", "pose", "camera", "gaze", "statistics")


@dataclass(frozen=True)
class Conditions:
    """Projected conditions ``(B, T, condition_dim)`` each; None is the null condition (zeros)."""

    audio: Tensor
    pose: Tensor | None = None
    camera: Tensor | None = None
    gaze: Tensor | None = None
    statistics: Tensor | None = None

    def total(self) -> Tensor:
        """Sum of all conditions ``(B, T, condition_dim)``: all that the network sees of them."""
        total = self.audio
        for name in CONDITION_NAMES[1:]:
            value = getattr(self, name)
            total = total if value is None else total + value
        return total

    def without(self, *names: str, start: int = 0) -> "Conditions":
        """The same with the named conditions null from frame ``start`` on."""
        changes = {}
        for name in names:
            value = getattr(self, name)
            if value is not None:
                frame = torch.arange(value.shape[1], device=value.device)
                changes[name] = value * (frame < start).to(value.dtype)[:, None]
        return replace(self, **changes)

    def last(self, num_frames: int) -> "Conditions":
        """The last ``num_frames`` frames of every condition."""
        return self._map(lambda _, value: value[:, -num_frames:])

    def padded(self, num_frames: int) -> "Conditions":
        """At least ``num_frames`` frames: the last projected frame is repeated."""
        missing = num_frames - self.audio.shape[1]
        if missing <= 0:
            return self
        return self._map(lambda _, value: torch.cat([value, value[:, -1:].expand(-1, missing, -1)], dim=1))

    def after(self, context: "Conditions | None", num_frames: int) -> "Conditions":
        """These conditions behind those of the ``num_frames`` frames before; no context is null."""

        def joined(name: str, value: Tensor) -> Tensor:
            before = None if context is None else getattr(context, name)
            if before is None:
                before = value.new_zeros(value.shape[0], num_frames, value.shape[2])
            return torch.cat([before, value], dim=1)

        return self._map(joined)

    def _map(self, function: Callable[[str, Tensor], Tensor]) -> "Conditions":
        given = {name: getattr(self, name) for name in CONDITION_NAMES[1:]}
        others = {name: function(name, value) for name, value in given.items() if value is not None}
        return Conditions(function("audio", self.audio), **others)


class ConditionProjection(nn.Module):
    """Linear, layer norm, SiLU: ``(B, T, in) -> (B, T, out)``."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim)
        self.norm = nn.LayerNorm(out_dim)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.norm(self.linear(x)))


class AmountLinear(nn.Linear):
    """A linear layer of an amount, which training may give a rate of its own."""


class AmountProjection(nn.Module):
    """Two linear layers without normalisation, ``(B, T, in) -> (B, T, out)``: how much is asked is kept."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.hidden = AmountLinear(in_dim, out_dim)
        self.output = AmountLinear(out_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(F.silu(self.hidden(x)))


class ConditionProjections(nn.Module):
    """Raw conditions in the preset's units -> ``Conditions``."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.audio = ConditionProjection(config.audio_dim, config.condition_dim)
        self.pose = ConditionProjection(config.pose_dim, config.condition_dim)
        self.camera = ConditionProjection(config.camera_dim, config.condition_dim)
        self.gaze = ConditionProjection(config.gaze_dim, config.condition_dim)
        if config.statistics_dim:
            self.statistics = AmountProjection(config.statistics_dim, config.condition_dim)

    def forward(
        self,
        audio: Tensor,
        pose: Tensor | None = None,
        camera: Tensor | None = None,
        gaze: Tensor | None = None,
        statistics: Tensor | None = None,
        keep: Mapping[str, Tensor] | None = None,
    ) -> Conditions:
        """Project what is given; None is the null condition.

        Args:
            audio: ``(B, T, audio_dim)``.
            pose: ``(B, T, 3)``.
            camera: ``(B, T, 3)``.
            gaze: ``(B, T, 2)``.
            statistics: ``(B, statistics_dim)`` for all frames or ``(B, T, statistics_dim)``.
            keep: per condition name a mask ``(B,)`` or ``(B, T)``; False replaces it by null (zeros after the
                projection) for that sample or frame. Training drops conditions this way.
        """
        given = {"audio": audio, "pose": pose, "camera": camera, "gaze": gaze, "statistics": statistics}
        projected: dict[str, Tensor] = {}
        for name, value in given.items():
            if value is None:
                continue
            if name == "statistics" and value.ndim == 2:
                value = value[:, None].expand(-1, audio.shape[1], -1)
            projected[name] = getattr(self, name)(value)
            if keep is not None and name in keep:
                mask = keep[name].to(projected[name].dtype)
                projected[name] = projected[name] * mask.reshape(*mask.shape, *[1] * (3 - mask.ndim))
        return Conditions(**projected)
