"""Make the runtime's file of motion parts from the motion space: ``python -m imtalker.train.puppet.motion_parts``."""

import argparse
from pathlib import Path

import numpy as np

from imtalker.generator import motion_parts as runtime
from imtalker.generator.motion_parts import MotionParts
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.puppet.topology import MEAN_NEUTRAL

# Weight of the mouth: 1 below the first height, 0 above the second, smooth between; cm on the mean face, the eyes at 0.
MOUTH_HEIGHTS = (-3.5, -1.0)
# fmt: off
LOWER_FACE = (
    # border of the face from cheek to cheek by way of the chin
    93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323,
    # foot of the nose
    98, 97, 2, 326, 327,
    # outer lips, then inner lips
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)
# fmt: on


def mouth_weight(height: np.ndarray) -> np.ndarray:
    """Share (...) of the mouth in what vertices at these heights do."""
    low, high = MOUTH_HEIGHTS
    x = np.clip((high - height) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def build_motion_parts(space: MotionSpace) -> MotionParts:
    """The parts of a motion space."""
    decoder, encoder = space.decoder.astype(np.float64), space.encoder.astype(np.float64)
    weight = np.repeat(mouth_weight(MEAN_NEUTRAL[:, 1]), 3)
    chosen = list(LOWER_FACE)
    moved = space.decoder.reshape(len(decoder), -1, 3)[:, chosen]
    return MotionParts(
        (decoder * weight @ encoder).astype(np.float32),
        space.parity.astype(np.float32),
        space.deviation.astype(np.float32),
        space.gap_readout.astype(np.float32),
        np.array(chosen, np.int16),
        MEAN_NEUTRAL[chosen].astype(np.float32),
        moved.reshape(len(decoder), -1).astype(np.float32),
    )


def main() -> None:
    """Build and save the file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path(runtime.__file__).with_suffix(".npz"))
    arguments = parser.parse_args()
    np.savez_compressed(arguments.output, **vars(build_motion_parts(MotionSpace.load())))


if __name__ == "__main__":
    main()
