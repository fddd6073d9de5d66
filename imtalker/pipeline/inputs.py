"""What a run is made from, read and checked once: the portrait, the speech, the driving clip.

These values hold nothing of a device, so that they can be made before a GPU is asked for and handed to its process.
Each carries its part of the recipe (see ``recipe``): the file's name without folders, its SHA-256, what was chosen.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.faces.remarks import clip_remarks
from imtalker.generator.speech_encoder import num_video_frames
from imtalker.media.audio import MAX_SECONDS, Audio, load_clip_sound, load_waveform
from imtalker.media.clip_framing import ClipFraming
from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.media.folders import expanded
from imtalker.media.framing import Crop, Framing
from imtalker.media.image import WHITE, load_portrait
from imtalker.media.remark import Remark
from imtalker.media.sound_blocks import AudioTrack
from imtalker.media.video import VideoInfo, count_frames, probe_video, read_frames
from imtalker.renderer import SourceFeatures
from imtalker.weights.file import file_sha256

SILENT = Remark("silent_clip", "the clip's sound cannot be decoded and is left out; convert it to AAC")

Picture = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True, eq=False)
class SourceImage:
    """A portrait before it is encoded: the picture and the square that is animated."""

    image: np.ndarray = field(repr=False)  # the whole picture, uint8 RGB (H, W, 3)
    box: CropBox
    recipe: dict[str, Any] = field(repr=False)

    @classmethod
    def read(
        cls,
        portrait: Picture,
        framing: Framing,
        face: int | None = None,
        crop: Crop = "auto",
        background: tuple[int, int, int] = WHITE,
    ) -> "SourceImage":
        """Find the face and place the square. Arguments and errors as ``TalkingHeadPipeline.encode_source``."""
        image = load_portrait(portrait, background)
        what = f"picture {portrait}" if isinstance(portrait, str | Path) else "the picture"
        box = framing.of_picture(image, crop, face, what)
        chosen = {"crop": asdict(box), "face": face, "background": "#{:02x}{:02x}{:02x}".format(*background)}
        return cls(image, box, describe_file(portrait) | chosen)


@dataclass(frozen=True, eq=False)
class Portrait(SourceImage):
    """An encoded portrait. Encode once, reuse for any number of runs."""

    features: SourceFeatures = field(repr=False)
    size: int  # side of the frames it is animated in, pixels


@dataclass(frozen=True, eq=False)
class Speech:
    """Speech at the rate of the networks, and the sound as it came for the finished video."""

    waveform: np.ndarray = field(repr=False)  # (N,) float32 mono at 16 kHz
    track: AudioTrack = field(repr=False)  # at its own quality: a path, or (rate, samples)
    recipe: dict[str, Any]

    @classmethod
    def read(cls, audio: Audio, max_seconds: float = MAX_SECONDS) -> "Speech":
        """Raises InputError for unusable speech, see ``load_waveform``."""
        waveform = load_waveform(audio, max_seconds)
        return cls(waveform, as_track(audio), describe_file(audio))

    @property
    def num_frames(self) -> int:
        """Video frames it lasts."""
        return num_video_frames(len(self.waveform))


@dataclass(frozen=True, eq=False)
class DrivingClip:
    """A driving video: opened, probed, tracked and cropped once, then used for any number of runs."""

    path: Path
    info: VideoInfo
    num_frames: int  # at 25 frames per second
    framing: ClipFraming = field(repr=False)  # the square in each frame
    recipe: dict[str, Any] = field(repr=False)
    remarks: tuple[Remark, ...] = ()  # what people should know about it

    @classmethod
    def read(
        cls,
        path: str | Path,
        framing: Framing,
        face: int | None = None,
        crop: Crop | ClipFraming = "auto",
        max_seconds: float = MAX_SECONDS,
    ) -> "DrivingClip":
        """Probe a clip and follow its face. Arguments and errors as ``TalkingHeadPipeline.encode_driver``."""
        info, num_frames = probe_video(path), count_frames(path, max_seconds=max_seconds)
        if num_frames > max_seconds * FRAME_RATE:
            seconds = num_frames / FRAME_RATE
            raise InputError(f"clip {path} is {seconds:.1f} s long; the limit is {max_seconds:g} s, cut it first")
        found = crop if isinstance(crop, ClipFraming) else framing.clip(path, crop, face, info)
        asked = asdict(crop) if isinstance(crop, CropBox) else "none" if crop is None else "auto"
        remarks = found.remarks + clip_remarks(found) + (SILENT,) * info.has_unusable_audio
        return cls(Path(path), info, num_frames, found, describe_file(path) | {"crop": asked, "face": face}, remarks)

    @property
    def box(self) -> CropBox:
        """The square of the first picture with a face, where one for the whole clip is needed."""
        return self.framing.box

    @property
    def track(self) -> Path | None:
        """Its sound for the finished video; None where it has none."""
        return self.path if self.info.has_audio else None

    def waveform(self) -> np.ndarray | None:
        """Its sound, ``(N,)`` at 16 kHz from the first picture on; None where there is nothing to hear."""
        return load_clip_sound(self.path, self.info.audio_offset) if self.info.has_audio else None

    def squares(self, size: int) -> Iterator[np.ndarray]:
        """Its frames at 25 per second, cropped: uint8 RGB ``(size, size, 3)``."""
        frames = enumerate(read_frames(self.path))
        return (crop_and_resize(frame, self.framing.at(index), size) for index, frame in frames)


def as_track(audio: Audio | AudioTrack) -> AudioTrack:
    """The sound of a finished video for audio as a caller gives it."""
    return (SAMPLE_RATE, audio) if isinstance(audio, np.ndarray) else audio


def describe_file(source: object) -> dict[str, Any]:
    """Name (folders may say who somebody is) and SHA-256 of a file; None for what is no file."""
    if not isinstance(source, str | Path):
        return {"file": None, "sha256": None}
    path = expanded(source)
    return {"file": path.name, "sha256": file_sha256(path)}
