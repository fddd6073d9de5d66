"""The clip that is dubbed: probed and counted once, used for any number of runs."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from imtalker.dubbing.remarks import clip_remarks
from imtalker.media.remark import Remark
from imtalker.media.video import VideoInfo, count_frames, native_rate, probe_video
from imtalker.pipeline.inputs import SILENT, describe_file


@dataclass(frozen=True, eq=False)
class DubClip:
    """A video before its face is followed. Holds nothing of a device."""

    path: Path
    info: VideoInfo
    fps: Fraction  # its own rate, which the result keeps
    num_frames: int  # at that rate
    recipe: dict[str, Any] = field(repr=False)
    remarks: tuple[Remark, ...] = ()  # what people should know about it

    @classmethod
    def read(cls, path: str | Path) -> "DubClip":
        """Probe a clip.

        Raises:
            InputError: missing, damaged, no pictures in it, or longer than an hour.
        """
        info, fps = probe_video(path), native_rate(path)
        remarks = clip_remarks(info, fps) + (SILENT,) * info.has_unusable_audio
        return cls(Path(path), info, fps, count_frames(path, float(fps)), describe_file(path), remarks)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of its pictures, upright."""
        return self.info.height, self.info.width
