"""How faithful renderer weights are on people never trained on: the table of the model card.

Against the puppet's own pictures (exact ground truth, motion given as controls): PSNR over face and mouth,
sharpness, identity. With a face mesh on the result: how well asked pose, lips, lids and gaze are followed.
"""

import argparse
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from imtalker.config import RendererConfig
from imtalker.faces.identity import identity_embedding
from imtalker.faces.landmarks import FaceLandmarks, find_faces
from imtalker.faces.readings import FaceReading, read_face
from imtalker.renderer import Renderer, to_frames
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.puppet.sampler import PuppetSampler
from imtalker.train.renderer_objective import as_images
from imtalker.train.renderer_validation import FACE, MOUTH, box_psnr, gradient_energy
from imtalker.weights.file import load_module

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fidelity:
    """Means over all pairs; correlations between asked and re-measured values."""

    pairs: int
    face_psnr: float  # dB
    mouth_psnr: float  # dB
    resampled_face_psnr: float  # dB, of the source pixels alone
    copy_face_psnr: float  # dB, of the source returned unchanged
    blurred_copy_face_psnr: float  # dB
    sharpness: float  # gradient energy of the face against the truth's
    identity: float  # SFace cosine between source and result
    identity_of_truth: float  # the same between source and the true picture
    yaw: float
    pitch: float
    roll: float
    mouth_opening: float
    eye_opening: float
    gaze_x: float
    faces_lost: int  # results in which the face mesh found no face


def _face(pixels: np.ndarray) -> FaceLandmarks | None:
    found = find_faces(pixels)
    return found[0] if found else None


def _correlation(asked: np.ndarray, read: np.ndarray) -> float:
    """Over the results in which the quantity could be read (a closed eye has no gaze)."""
    known = np.isfinite(read)
    return float(np.corrcoef(asked[known], read[known])[0, 1])


@torch.no_grad()
def measure_fidelity(renderer: Renderer, assets: list[str], pairs: int = 192, read_source: bool = False) -> Fidelity:
    """Measure on the validation split of ``assets``.

    ``read_source``: let the motion encoder read the source's motion, as at run time, instead of giving it.
    """
    sampler = PuppetSampler(assets, "validation", targets_per_source=2)
    space = MotionSpace.load()
    rows: dict[str, list[float]] = {}
    asked: list[np.ndarray] = []
    read: list[FaceReading] = []
    lost = 0

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    for sample in sampler.batch(np.random.default_rng(17), pairs // 2):
        source, target = as_images(torch.from_numpy(sample.source)[None]), as_images(torch.from_numpy(sample.targets))
        given = None if read_source else torch.from_numpy(sample.source_motion)[None]
        state = renderer.encode_source(source, given)
        drawn, _ = renderer.synthesize(torch.from_numpy(sample.target_motions), state)
        frames = to_frames(drawn.frame)
        resampled = drawn.frame if drawn.resampled is None else drawn.resampled
        blurred = torch.from_numpy(cv2.GaussianBlur(sample.source, (0, 0), 5)).permute(2, 0, 1) / 255
        own_face = _face(sample.source)
        own = None if own_face is None else identity_embedding(sample.source, own_face)
        for k in range(len(target)):
            box, mouth = torch.from_numpy(sample.boxes[k, FACE]), torch.from_numpy(sample.boxes[k, MOUTH])
            note("face_psnr", box_psnr(drawn.frame[k], target[k], box))
            note("mouth_psnr", box_psnr(drawn.frame[k], target[k], mouth))
            note("resampled_face_psnr", box_psnr(resampled[k], target[k], box))
            note("copy_face_psnr", box_psnr(source[0], target[k], box))
            note("blurred_copy_face_psnr", box_psnr(blurred, target[k], box))
            note("sharpness", gradient_energy(drawn.frame[k], box) / gradient_energy(target[k], box))
            pixels = frames[k]
            face, true_face = _face(pixels), _face(sample.targets[k])
            if face is None:
                lost += 1
                continue
            if own is not None:
                note("identity", float(own @ identity_embedding(pixels, face)))
                if true_face is not None:
                    note("identity_of_truth", float(own @ identity_embedding(sample.targets[k], true_face)))
            asked.append(sample.target_motions[k])
            read.append(read_face(face))
    motion = np.stack(asked)
    yaw, pitch, roll, gaze_x, _ = space.decode_pose(motion)
    wanted = {
        "yaw": (yaw, [r.yaw for r in read]),
        "pitch": (pitch, [r.pitch for r in read]),
        "roll": (roll, [r.roll for r in read]),
        "mouth_opening": (space.mouth_gap(motion), [r.mouth_opening for r in read]),
        "eye_opening": (space.eye_aperture(motion).mean(-1), [(r.eye_left + r.eye_right) / 2 for r in read]),
        "gaze_x": (gaze_x, [r.gaze_x for r in read]),
    }
    followed = {name: _correlation(np.asarray(a), np.asarray(b)) for name, (a, b) in wanted.items()}
    means = {name: float(np.mean(values)) for name, values in rows.items()}
    return Fidelity(pairs=len(rows["face_psnr"]), faces_lost=lost, **means, **followed)


def main(argv: list[str] | None = None) -> int:
    """``python -m imtalker.train.fidelity``."""
    parser = argparse.ArgumentParser(prog="python -m imtalker.train.fidelity", description=__doc__)
    parser.add_argument("--renderer", type=Path, required=True, help="renderer.safetensors")
    parser.add_argument("--assets", nargs="+", required=True, help="folders of puppet assets")
    parser.add_argument("--pairs", type=int, default=192)
    parser.add_argument(
        "--read-source", action="store_true", help="the motion encoder reads the source, as at run time"
    )
    a = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    renderer, _, _ = load_module(a.renderer, RendererConfig, Renderer)
    found = measure_fidelity(renderer, a.assets, a.pairs, a.read_source)
    logger.info(json.dumps(asdict(found), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
