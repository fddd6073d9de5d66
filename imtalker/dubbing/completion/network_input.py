"""What a completion network gets to see of some frames."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from imtalker.dubbing.completion.network import Completion


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """Tensors of B frames, see ``CompletionNetwork.forward``."""

    source: Tensor  # (B, 3, S, S)
    hidden: Tensor  # (B, 1, S, S)
    opening: Tensor  # (B, 1, S, S)
    offsets: Tensor  # (B, 49, 3)
    pose: Tensor  # (B, 3)
    references: Tensor  # (B, R, 3, S, S)
    lips: Tensor  # (B, 1, S, S) 0..1, where the first reference is kept whatever the network says

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: Tensor) -> "NetworkInput":
        """Some of the frames."""
        return NetworkInput(*(getattr(self, field.name)[rows] for field in fields(self)))

    def on_cpu(self) -> "NetworkInput":
        """The same in single precision on the CPU."""
        return NetworkInput(*(getattr(self, field.name).float().cpu() for field in fields(self)))

    def network_arguments(self) -> tuple[Tensor, ...]:
        """Of ``CompletionNetwork.forward`` and ``body``."""
        return self.source, self.hidden, self.opening, self.offsets, self.pose, self.references

    def with_lips_kept(self, found: Completion) -> Completion:
        """A completion whose lips are those of the first reference."""
        first, others = found.keep[:, :1], found.keep[:, 1:] * (1 - self.lips)
        return replace(found, keep=torch.cat([torch.lerp(first, torch.ones_like(first), self.lips), others], 1))
