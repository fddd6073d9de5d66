"""Turn a folder of portrait photos into puppets: ``python -m imtalker.train.puppet.build photos/ assets/``."""

import argparse
import hashlib
import logging
from pathlib import Path

import cv2
import numpy as np

from imtalker.errors import InputError
from imtalker.train.puppet.asset import build_asset
from imtalker.train.puppet.landmarks import crop_face
from imtalker.train.puppet.matting import estimate_person_mask

log = logging.getLogger(__name__)

MIN_SIDE = 180  # px of the face crop
MAX_ANGLE = 12.0  # degrees: a photo that looks farther aside cannot turn back
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def build_file(photo: Path, output: Path) -> None:
    """Photo -> puppet file. Raises InputError (NoFaceError) when the photo is of no use."""
    image = cv2.imread(str(photo), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{photo} is no picture; give a JPEG, PNG or WebP file")
    crop = crop_face(np.ascontiguousarray(image[:, :, ::-1]))
    if crop.side < MIN_SIDE:
        raise InputError(f"the face in {photo} is too small ({crop.side:.0f} px crop); use {MIN_SIDE} px or more")
    mask = estimate_person_mask(crop.rgb, crop.landmarks)
    seed = int(hashlib.sha256(photo.stem.encode()).hexdigest()[:8], 16)
    asset = build_asset(crop.rgb, crop.landmarks, mask, seed=seed)
    pose = asset.photo_pose()
    if max(abs(pose["yaw"]), abs(pose["pitch"])) > MAX_ANGLE:
        raise InputError(f"{photo} looks aside (yaw {pose['yaw']:.0f}, pitch {pose['pitch']:.0f}); use a frontal photo")
    asset.save(output)


def main() -> None:
    """Build a puppet from every usable portrait of a folder; files that exist are kept."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("assets", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.assets.mkdir(parents=True, exist_ok=True)
    built, skipped = 0, 0
    for photo in sorted(p for p in arguments.photos.iterdir() if p.suffix.lower() in _SUFFIXES):
        output = arguments.assets / f"{photo.stem}.npz"
        if output.exists():
            continue
        try:
            build_file(photo, output)
            built += 1
        except InputError as error:
            skipped += 1
            log.warning("skipped %s: %s", photo.name, error)
    log.info("%d puppets built, %d photos skipped", built, skipped)


if __name__ == "__main__":
    main()
