"""Real video as training data (the paper's setting): a folder of clips, cropped and tracked once, then sampled.

The source and the targets of a sample come from one clip; the other identity of the motion distance loss is the
next clip of the batch. There is no exact motion here: the motion encoder reads it from the targets.
"""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imtalker.config import FRAME_RATE, CropConfig
from imtalker.errors import ImTalkerError, InputError
from imtalker.faces.landmarks import track_face
from imtalker.media.crop import crop_and_resize
from imtalker.media.framing import Framing
from imtalker.media.video import read_frames
from imtalker.train.puppet.sampler import feature_boxes, is_validation

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".avi")
MIN_FRAMES = FRAME_RATE  # shorter clips have too little motion to learn from


@dataclass(frozen=True, eq=False)
class VideoSample:
    """One source and K targets of the same clip."""

    source: np.ndarray  # (S, S, 3) uint8
    targets: np.ndarray  # (K, S, S, 3) uint8
    boxes: np.ndarray  # (K, 4, 4) int16 px: mouth, right eye, left eye, face of the targets


def prepare_clip(video: Path, cache: Path, framing: Framing, size: int, max_seconds: float) -> Path:
    """Crop one clip to ``size`` px squares and track its face: ``cache/NAME.frames.npy`` and ``NAME.boxes.npy``.

    Raises InputError when the clip is shorter than a second or its face is lost; other media errors pass through.
    """
    box = framing.of_clip(video)
    squares = [crop_and_resize(frame, box, size) for frame in read_frames(video, max_seconds=max_seconds)]
    tracked = list(track_face(iter(squares)))
    kept = [(s, t) for s, t in zip(squares, tracked, strict=True) if t is not None]
    if len(kept) < MIN_FRAMES:
        raise InputError(f"{video}: a face in {len(kept)} frames; a clip needs {MIN_FRAMES}, choose a longer one")
    target = cache / f"{video.stem}.frames.npy"
    boxes = np.stack([feature_boxes(face.points[:, :2], size) for _, face in kept])
    np.save(cache / f"{video.stem}.boxes.npy", boxes)
    np.save(target, np.stack([square for square, _ in kept]))
    return target


def prepare_folder(videos: Path, cache: Path, crop: CropConfig, size: int, max_seconds: float = 60.0) -> int:
    """Prepare every video below ``videos`` that is not in the cache yet; returns how many are there at the end.

    A clip that cannot be used is named in the log and left out. Raises InputError when none can.
    """
    cache.mkdir(parents=True, exist_ok=True)
    framing = Framing(crop)
    files = sorted(p for p in videos.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    for video in files:
        if (cache / f"{video.stem}.frames.npy").is_file():
            continue
        try:
            prepare_clip(video, cache, framing, size, max_seconds)
        except ImTalkerError as error:
            logger.warning("left out: %s", error)
    ready = len(list(cache.glob("*.frames.npy")))
    if not ready:
        raise InputError(f"{videos}: no usable clip among {len(files)} videos; see the log for the reasons")
    return ready


class VideoSampler:
    """Samples from a cache of prepared clips; a pure function of the generator's state."""

    def __init__(self, cache: Path, split: str = "train", targets_per_source: int = 2) -> None:
        clips = sorted(cache.glob("*.frames.npy"))
        name = {"train": False, "validation": True}
        chosen = [
            c for c in clips if split == "all" or is_validation(c.name.removesuffix(".frames.npy")) == name[split]
        ]
        if len(chosen) < 2:
            raise InputError(f"{cache}: {len(chosen)} {split} clips; at least two are needed, prepare more")
        self.clips, self.targets_per_source = chosen, targets_per_source

    def batch(self, rng: np.random.Generator, count: int) -> list[VideoSample]:
        """``count`` samples, each of its own clip as far as there are enough."""
        order = np.concatenate([rng.permutation(len(self.clips)) for _ in range(-(-count // len(self.clips)))])
        return [self._sample(rng, self.clips[i]) for i in order[:count]]

    def _sample(self, rng: np.random.Generator, clip: Path) -> VideoSample:
        frames = np.load(clip, mmap_mode="r")
        boxes = np.load(str(clip).replace(".frames.npy", ".boxes.npy"))
        chosen = rng.choice(len(frames), self.targets_per_source + 1, replace=False)
        return VideoSample(np.array(frames[chosen[0]]), np.array(frames[chosen[1:]]), boxes[chosen[1:]])


def main(argv: list[str] | None = None) -> int:
    """``python -m imtalker.train.video_clips``: prepare a folder of videos."""
    parser = argparse.ArgumentParser(prog="python -m imtalker.train.video_clips", description=__doc__)
    parser.add_argument("videos", type=Path, help="folder with the clips")
    parser.add_argument("cache", type=Path, help="folder for the crops")
    parser.add_argument("--size", type=int, default=256, help="side of the crops, pixels")
    parser.add_argument("--crop-scale", type=float, default=CropConfig().scale)
    parser.add_argument("--max-seconds", type=float, default=60.0, help="of every clip")
    a = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ready = prepare_folder(a.videos, a.cache, CropConfig(a.crop_scale), a.size, a.max_seconds)
    logger.info("%d clips are ready in %s", ready, a.cache)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
