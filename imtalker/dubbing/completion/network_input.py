"""What a completion network gets to see of some frames."""

from dataclasses import dataclass, fields, replace

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
    lips: Tensor  # (B, R, S, S) 0..1, share of each reference that is kept whatever the network says

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
        """A completion whose lips are those of the references."""
        return replace(found, keep=self.lips + found.keep * (1 - self.lips.sum(1, keepdim=True)))
