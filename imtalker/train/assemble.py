"""Join the separately trained renderer and motion encoder into the weight files of a preset."""

import argparse
from pathlib import Path

import torch

from imtalker.config import RendererConfig
from imtalker.renderer import Renderer
from imtalker.train.puppet.motion_space import MotionSpace, reading_basis
from imtalker.weights.file import load_module, load_weights, save_weights
from imtalker.weights.load import MOTION_BASIS

# two files, so that each stays below the 10 MB a repository takes without large-file storage
PARTS = {"motion_encoder.": "motion_encoder.safetensors"}


def assemble(renderer: Path, motion_encoder: Path | None, out: Path) -> None:
    """Write ``out/renderer.safetensors`` and its part, in half precision, and what reads motion from landmarks.

    ``renderer``: as ``train-renderer`` writes it; ``motion_encoder``: as ``train-motion-encoder`` writes it, or None to
    keep the one in ``renderer``. Raises WeightsError when they do not fit together.
    """
    network, config, _ = load_module(renderer, RendererConfig, Renderer)
    if motion_encoder is not None:
        load_weights(network.motion_encoder, motion_encoder)
    out.mkdir(parents=True, exist_ok=True)
    save_weights(network, config, out / "renderer.safetensors", dtype=torch.float16, parts=PARTS, preset="tiny")
    reading_basis(MotionSpace.load()).save(out / MOTION_BASIS)


def main(argv: list[str] | None = None) -> int:
    """``python -m imtalker.train.assemble``."""
    parser = argparse.ArgumentParser(prog="python -m imtalker.train.assemble", description=__doc__)
    parser.add_argument("--renderer", type=Path, required=True)
    parser.add_argument("--motion-encoder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args(argv)
    assemble(a.renderer, a.motion_encoder, a.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
