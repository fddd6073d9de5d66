"""Make the dubbing's file of the mouth from the motion space: ``python -m imtalker.train.puppet.mouth_space``."""

import argparse
from pathlib import Path

import numpy as np

from imtalker.dubbing import mouth_space as runtime
from imtalker.dubbing.mouth_space import MouthSpace
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.puppet.topology import MEAN_NEUTRAL

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


def build_mouth_space(space: MotionSpace) -> MouthSpace:
    """The mouth of a motion space."""
    chosen = list(LOWER_FACE)
    moved = space.decoder.reshape(len(space.decoder), -1, 3)[:, chosen]
    return MouthSpace(
        space.parity.astype(np.float32),
        space.deviation.astype(np.float32),
        space.gap_readout.astype(np.float32),
        np.array(chosen, np.int16),
        MEAN_NEUTRAL[chosen].astype(np.float32),
        moved.reshape(len(moved), -1).astype(np.float32),
    )


def main() -> None:
    """Build and save the file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path(runtime.__file__).with_suffix(".npz"))
    arguments = parser.parse_args()
    np.savez_compressed(arguments.output, **vars(build_mouth_space(MotionSpace.load())))


if __name__ == "__main__":
    main()
