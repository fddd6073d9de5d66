"""Registered mouth patches of one person, with everything that a training sample is made of."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from imtalker.errors import InputError
from imtalker.media.atomic import atomic_file


@dataclass(frozen=True, eq=False)
class Mouths:
    """N frames of one person.

    Frames of one ``group`` show the same moment, head, eyes and light with different mouths: that is what no real
    video has. Real video has one frame a group.
    """

    patches: np.ndarray  # (N, S, S, 3) uint8
    landmarks: np.ndarray  # (N, K, 2) float32, lower face, pixel indices of the patch
    motion: np.ndarray  # (N, 32) float32
    turn: np.ndarray  # (N, 3, 3) float32
    pose: np.ndarray  # (N, 2) float32 yaw and pitch, degrees
    opening: np.ndarray  # (N,) float32 cm between the inner lips
    group: np.ndarray  # (N,) int32
    apart: np.ndarray  # () int32: groups that are this near are too much alike to be each other's reference

    def __len__(self) -> int:
        return len(self.patches)

    def save(self, path: Path) -> None:
        """Write a plain ``.npz``, whole or not at all."""
        with atomic_file(path, (".npz",)) as temporary:
            np.savez(temporary, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Mouths":
        """Raises InputError when the file is none of these."""
        try:
            with np.load(path, allow_pickle=False) as data:
                return cls(**{field.name: data[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} holds no mouth patches ({error}); delete it and make it again") from error
