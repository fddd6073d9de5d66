"""Make mouth patches: ``python -m imtalker.train.completion.prepare --puppets ASSETS --clips VIDEOS --out MOUTHS``."""

import argparse
import hashlib
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from imtalker.dubbing.completion.config import CompletionConfig
from imtalker.errors import ImTalkerError, InputError
from imtalker.train.completion.clip_mouths import OTHER, clip_mouths
from imtalker.train.completion.mouths import Mouths
from imtalker.train.completion.puppet_mouths import puppet_mouths
from imtalker.train.options import configure_logging
from imtalker.train.puppet.asset import PuppetAsset
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.puppet.sampler import list_assets
from imtalker.train.video_clips import VIDEO_SUFFIXES

logger = logging.getLogger(__name__)


def make_all(files: Iterable[Path], out: Path, make: Callable[[Path], Mouths]) -> int:
    """One file of patches for every input; what is there already is kept. Returns how many are there.

    An input that cannot be used is named in the log and left out.
    """
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for file in files:
        target = out / f"{file.stem}.npz"
        if not target.is_file():
            try:
                make(file).save(target)
            except ImTalkerError as error:
                logger.warning("skipped %s: %s", file.name, error)
                continue
            logger.info("%s", target)
        count += 1
    return count


def from_puppet(space: MotionSpace, side: int, path: Path) -> Mouths:
    """Of a puppet's file; its name is the seed."""
    seed = int(hashlib.sha256(path.stem.encode()).hexdigest()[:8], 16)
    return puppet_mouths(PuppetAsset.load(path), space, np.random.default_rng(seed), side)


def list_clips(folder: Path, left_out: Iterable[str]) -> list[Path]:
    """Videos of a folder without counterfactuals and without those named."""
    names = set(left_out)
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    return [path for path in found if path.stem not in names and not path.stem.endswith(OTHER)]


def main(argv: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--puppets", type=Path, nargs="*", default=[], help="folders of puppet assets")
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="folders of videos")
    parser.add_argument("--leave-out", nargs="*", default=[], help="names of videos kept for validation")
    parser.add_argument("--max-seconds", type=float, default=60.0, help="of a video")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    arguments = parser.parse_args(argv)
    configure_logging()
    side = CompletionConfig().patch_size
    count = 0
    if arguments.puppets:
        files = list_assets(arguments.puppets, "all")
        count += make_all(files, arguments.out, partial(from_puppet, MotionSpace.load(), side))
    if arguments.clips:
        files = [clip for folder in arguments.clips for clip in list_clips(folder, arguments.leave_out)]
        count += make_all(files, arguments.out, lambda clip: clip_mouths(clip, side, arguments.max_seconds))
    if not count:
        raise InputError("nothing was made; give --puppets or --clips with something usable")
    logger.info("%d people in %s", count, arguments.out)


if __name__ == "__main__":
    main()
