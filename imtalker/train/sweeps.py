"""How well a renderer follows one control at a time, on people it was never trained on.

Every control is swept over its range from the photo's own pose, and read back from the pictures by the face mesh. The
correlation is within people: each person's mean is taken out, since a wide-eyed face stays wide-eyed. The puppet's own
pictures, read in the same way, show what the face mesh can tell at best.
"""

import argparse
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

from imtalker.config import RendererConfig
from imtalker.faces.landmarks import find_faces
from imtalker.faces.readings import FaceReading, read_face
from imtalker.renderer import Renderer, to_frames
from imtalker.train.puppet.asset import PuppetAsset
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.puppet.render import render
from imtalker.train.puppet.sampler import list_assets
from imtalker.train.renderer_objective import as_images
from imtalker.weights.file import load_module

logger = logging.getLogger(__name__)

FRAME_SIZE = 256
# name: the values asked for, the controls that show one, how it is read back
SWEEPS: Mapping[str, tuple[np.ndarray, Callable[[float], dict[str, float]], Callable[[FaceReading], float]]] = {
    "yaw": (np.linspace(-16, 16, 7), lambda v: {"yaw": v}, lambda r: r.yaw),
    "pitch": (np.linspace(-9, 9, 7), lambda v: {"pitch": v}, lambda r: r.pitch),
    "roll": (np.linspace(-9, 9, 7), lambda v: {"roll": v}, lambda r: r.roll),
    "mouth_opening": (np.linspace(0, 0.5, 7), lambda v: {"jaw": v}, lambda r: r.mouth_opening),
    "eye_opening": (
        np.linspace(0, 1, 7),
        lambda v: {"blinkL": 1 - v, "blinkR": 1 - v},
        lambda r: (r.eye_left + r.eye_right) / 2,
    ),
    "gaze_x": (np.linspace(-15, 15, 7), lambda v: {"gx": v}, lambda r: r.gaze_x),
}


def sweep_pictures(
    renderer: Renderer, asset: PuppetAsset, swept: list[dict[str, float]], space: MotionSpace
) -> tuple[np.ndarray, np.ndarray]:
    """Results and the puppet's own pictures, each (n, 256, 256, 3) uint8, of n settings of some controls."""
    own = asset.photo_pose()
    photo = {**own, "photo": 1.0}
    source = render(asset, photo, FRAME_SIZE).image
    frames = [{**own, **controls} for controls in swept]
    truth = np.stack([render(asset, controls, FRAME_SIZE).image for controls in frames])
    with torch.inference_mode():
        motion = torch.from_numpy(space.encode_frames(asset, frames))
        state = renderer.encode_source(
            as_images(torch.from_numpy(source)[None]), torch.from_numpy(space.encode_frames(asset, [photo]))
        )
        drawn = renderer.render(motion, state)
    return to_frames(drawn), truth


def read_back(pictures: np.ndarray, quantity: Callable[[FaceReading], float]) -> np.ndarray:
    """The quantity (n,) in pictures (n, H, W, 3); NaN where there is no face or it cannot be read."""
    found = [find_faces(picture) for picture in pictures]
    return np.array([quantity(read_face(faces[0])) if faces else np.nan for faces in found])


def within_person_correlation(asked: np.ndarray, read: np.ndarray) -> float:
    """Correlation (-1..1) of ``asked (n,)`` and ``read (people, n)`` after taking out every person's mean."""
    known = np.isfinite(read)
    asked = np.where(known, asked, np.nan)
    a = asked - np.nanmean(asked, 1, keepdims=True)
    b = read - np.nanmean(read, 1, keepdims=True)
    return float((a * b)[known].sum() / np.sqrt((a[known] ** 2).sum() * (b[known] ** 2).sum()))


def measure_sweeps(
    renderer: Renderer, assets: list[str], people: int
) -> tuple[dict[str, dict[str, float]], np.ndarray]:
    """Correlations per control, of the results and of the puppet's own pictures; and a contact sheet (RGB)."""
    space = MotionSpace.load()
    files = list_assets(assets, "validation")
    chosen = [PuppetAsset.load(path) for path in files[:: max(1, len(files) // people)][:people]]
    table: dict[str, dict[str, float]] = {}
    rows = []
    for name, (values, controls, quantity) in SWEEPS.items():
        swept = [controls(float(v)) for v in values]
        drawn, true = zip(*(sweep_pictures(renderer, a, swept, space) for a in chosen), strict=True)
        table[name] = {
            kind: within_person_correlation(values, np.stack([read_back(p, quantity) for p in pictures]))
            for kind, pictures in (("result", drawn), ("truth", true))
        }
        rows += [np.hstack(list(pictures)) for pictures in drawn[:2]]
    return table, np.vstack(rows)


def main(argv: list[str] | None = None) -> int:
    """``python -m imtalker.train.sweeps``."""
    parser = argparse.ArgumentParser(prog="python -m imtalker.train.sweeps", description=__doc__)
    parser.add_argument("--renderer", type=Path, required=True, help="renderer.safetensors")
    parser.add_argument("--assets", nargs="+", required=True, help="folders of puppet assets")
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--sheet", type=Path, help="contact sheet (PNG): every sweep of two people")
    a = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    renderer, _, _ = load_module(a.renderer, RendererConfig, Renderer)
    table, sheet = measure_sweeps(renderer, a.assets, a.people)
    if a.sheet is not None:
        cv2.imwrite(str(a.sheet), sheet[:, :, ::-1])
    logger.info(json.dumps(table, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
