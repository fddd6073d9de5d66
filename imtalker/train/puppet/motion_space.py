"""The motion latent of the ``tiny`` preset, defined exactly: 32 numbers a frame from the puppet's controls.

=======  =========================================================================================
[0:3]    yaw, pitch, roll / 10 degrees; 0 faces the camera
[3:5]    head translation x (right), y (up) in cm / 0.5; 0 is the mean portrait's place
[5]      log(scale) / 0.06; 0 is the mean portrait's size
[6:8]    gaze x, y / 10 degrees in the head frame; 0 looks straight ahead of the head
[8:31]   23 expression components
[31]     tongue (0..1) times 2
=======  =========================================================================================

The expression components are principal components of the displacement field that the controls cause on the mean
neutral face (468 x 3, lips and lids weighted), over the training distribution of controls. Component k is divided by
``sqrt(std_k * std_0)`` ("half whitened"): large motions stay larger than small ones, but less so. The neutral face is
exactly 0. The components come from mirror-symmetric data: each is even or odd under a horizontal flip.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from imtalker.config import MOTION_DIM
from imtalker.errors import InputError
from imtalker.faces.mesh import (
    EYE_L_LOWER,
    EYE_L_UPPER,
    EYE_R_LOWER,
    EYE_R_UPPER,
    EYES,
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    LIP_OUTER_LOWER,
    LIP_OUTER_UPPER,
    NUM_FACE,
)
from imtalker.faces.motion_reading import ANGLE_UNIT, LOG_SCALE_UNIT, TRANSLATION_UNIT, MotionBasis
from imtalker.faces.smooth import smoothstep
from imtalker.train.puppet.asset import PuppetAsset
from imtalker.train.puppet.controls import DEFAULTS, MOUTH_NAMES, VISEME_TARGETS, sample_expression
from imtalker.train.puppet.expression import express
from imtalker.train.puppet.topology import BROW_HANDLES, LIP_HANDLES, MEAN_NEUTRAL, MIRROR, NEUTRAL_MODEL

log = logging.getLogger(__name__)

NUM_COMPONENTS = 23
TONGUE_UNIT = 0.5
POSE, TRANSLATION, SCALE, GAZE, EXPRESSION, TONGUE = slice(0, 3), slice(3, 5), 5, slice(6, 8), slice(8, 31), 31
MEAN_INCISAL_EDGE = -0.39  # cm, upper teeth's edge below the lip line of the mean face
DEPTH_WEIGHT, REGULARISATION = 0.1, 0.005  # of the reading from landmarks
MASK_BOTTOM, MASK_TOP = -3.5, -1.0  # cm, heights between which the lower face fades into the upper
_DEFAULT_PATH = Path(__file__).with_suffix(".npz")
_CHUNK = 256  # frames displaced at once


def vertex_weights() -> np.ndarray:
    """(468,) weight of every vertex: lips and lids 3, brows 2, the rest 1; inner lips a little more."""
    weight = np.ones(NUM_FACE)
    weight[list(BROW_HANDLES)] = 2.0
    weight[list(LIP_HANDLES)] = 3.0
    weight[sorted(set(EYE_R_UPPER + EYE_R_LOWER + EYE_L_UPPER + EYE_L_LOWER))] = 3.0
    weight[list(LIP_INNER_UPPER + LIP_INNER_LOWER)] = 4.0
    return weight


def displacement(controls: Mapping[str, np.ndarray | float]) -> np.ndarray:
    """Displacement (T,468,3) in cm that expression controls, arrays (T,) or numbers, cause on the mean face."""
    arrays = _broadcast(controls)
    edge = float(MEAN_NEUTRAL[[13, 14], 1].mean()) + MEAN_INCISAL_EDGE
    return express(MEAN_NEUTRAL, arrays, edge) - MEAN_NEUTRAL


def mirror_displacement(field: np.ndarray) -> np.ndarray:
    """Displacement (...,468,3) of the horizontally flipped face."""
    return field[..., MIRROR, :] * [-1, 1, 1]


def _broadcast(controls: Mapping[str, np.ndarray | float]) -> dict[str, np.ndarray]:
    unknown = set(controls) - set(DEFAULTS)
    if unknown:
        raise InputError(f"unknown controls {sorted(unknown)}; known are {', '.join(DEFAULTS)}")
    names = list(DEFAULTS)
    values = np.broadcast_arrays(*[np.atleast_1d(np.asarray(controls.get(n, DEFAULTS[n]), float)) for n in names])
    if values[0].ndim != 1:
        raise InputError(f"controls must be numbers or arrays (T,), not shape {values[0].shape}")
    return dict(zip(names, values, strict=True))


def lip_gap(field: np.ndarray) -> np.ndarray:
    """Mean opening (...,) in cm between the middle inner lips of displacements (...,468,3)."""
    return (field[..., list(LIP_INNER_UPPER[3:8]), 1] - field[..., list(LIP_INNER_LOWER[3:8]), 1]).mean(-1)


def lid_gap(field: np.ndarray) -> np.ndarray:
    """Change (...,2) in cm of the lid opening, right eye first."""
    sides = [(field[..., list(u[3:6]), 1] - field[..., list(lo[3:6]), 1]).mean(-1) for u, lo in EYES]
    return np.stack(sides, -1)


@dataclass(frozen=True, eq=False)
class MotionSpace:
    """Linear map between displacement fields and the 23 expression components, with linear read-outs."""

    encoder: np.ndarray  # (1404,23) float32, displacement -> components
    decoder: np.ndarray  # (23,1404) float32, components -> displacement
    parity: np.ndarray  # (23,) +1 even, -1 odd under a flip
    deviation: np.ndarray  # (23,) standard deviation of every component over the training distribution
    gap_readout: np.ndarray  # (23,) -> lip gap, cm
    aperture_readout: np.ndarray  # (23,2) -> change of lid opening, cm, right eye first

    @classmethod
    def load(cls, path: str | Path = _DEFAULT_PATH) -> "MotionSpace":
        """The space the bundled models were trained in, unless another file is given."""
        with np.load(path, allow_pickle=False) as data:
            return cls(**{f.name: data[f.name] for f in fields(cls)})

    def save(self, path: str | Path = _DEFAULT_PATH) -> None:
        np.savez_compressed(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    def project(self, field: np.ndarray) -> np.ndarray:
        """Displacement (T,468,3) cm -> components (T,23)."""
        return field.reshape(len(field), -1) @ self.encoder

    def displacement(self, motion: np.ndarray) -> np.ndarray:
        """Displacement (T,468,3) cm of the mean face that a motion (T,32) stands for."""
        return (motion[:, EXPRESSION] @ self.decoder).reshape(len(motion), NUM_FACE, 3)

    def encode(self, controls: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """Controls, arrays (T,) or numbers, missing ones at rest -> motion (T,32) float32.

        ``photo`` is not a control of the mean face: see :meth:`encode_frames`. Raises InputError on unknown names.
        """
        c = _broadcast(controls)
        num_frames = len(c["yaw"])
        motion = np.empty((num_frames, MOTION_DIM), np.float32)
        motion[:, POSE] = np.stack([c["yaw"], c["pitch"], c["roll"]], -1) / ANGLE_UNIT
        motion[:, TRANSLATION] = np.stack([c["tx"], c["ty"]], -1) / TRANSLATION_UNIT
        motion[:, SCALE] = np.log(c["scale"]) / LOG_SCALE_UNIT
        motion[:, GAZE] = np.stack([c["gx"], c["gy"]], -1) / ANGLE_UNIT
        motion[:, TONGUE] = c["tongue"] / TONGUE_UNIT
        for start in range(0, num_frames, _CHUNK):
            part = slice(start, start + _CHUNK)
            motion[part, EXPRESSION] = self.project(displacement({k: v[part] for k, v in c.items()}))
        return motion

    def encode_frames(self, asset: PuppetAsset, frames: Sequence[Mapping[str, float]]) -> np.ndarray:
        """Motion (T,32) of frames rendered from ``asset``: the share ``photo`` of its own expression is added."""
        names = set().union(*frames)
        motion = self.encode({n: np.array([c.get(n, DEFAULTS[n]) for c in frames]) for n in names})
        own = (asset.photo[:NUM_FACE] - asset.neutral)[None]
        share = np.array([[c.get("photo", 0.0)] for c in frames])
        motion[:, EXPRESSION] += (share * self.project(own)).astype(np.float32)
        return motion

    def encode_asset_photo(self, asset: PuppetAsset) -> np.ndarray:
        """Motion (32,) of the photo itself."""
        return self.encode_frames(asset, [{**asset.photo_pose(), "photo": 1.0}])[0]

    def decode_pose(self, motion: np.ndarray) -> tuple[np.ndarray, ...]:
        """Motion (...,32) -> yaw, pitch, roll, gaze_x, gaze_y (...,) in degrees; gaze in the head frame."""
        degrees = np.moveaxis(motion * ANGLE_UNIT, -1, 0)
        return (*degrees[POSE], *degrees[GAZE])

    def mouth_gap(self, motion: np.ndarray) -> np.ndarray:
        """Lip opening (...,) in cm; about 0 when closed, may be slightly negative."""
        return motion[..., EXPRESSION] @ self.gap_readout

    def eye_aperture(self, motion: np.ndarray) -> np.ndarray:
        """Lid opening (...,2), right eye first, relative to the neutral eye: 1 open as at rest, 0 closed."""
        at_rest = lid_gap(MEAN_NEUTRAL)
        return 1 + motion[..., EXPRESSION] @ self.aperture_readout / at_rest

    def mirror(self, motion: np.ndarray) -> np.ndarray:
        """Motion (...,32) of the horizontally flipped picture."""
        sign = np.ones(MOTION_DIM, np.float32)
        sign[[0, 2, 3, 6]] = -1  # yaw, roll, tx, gaze x
        sign[EXPRESSION] = self.parity
        return motion * sign


def lower_face_matrix(space: MotionSpace) -> np.ndarray:
    """(23,23): ``expression @ matrix`` is what of an expression moves below the nose, faded out up to the lower lids.

    A projection: what was taken out once is taken out. The eigenvalues of cutting the displacements are nearly 0 and 1
    already, and are rounded.
    """
    mask = 1 - smoothstep(MASK_BOTTOM, MASK_TOP, MEAN_NEUTRAL[:, 1])
    values, vectors = np.linalg.eig((space.decoder * np.repeat(mask, 3)) @ space.encoder)
    return np.real((vectors * np.round(np.real(values))) @ np.linalg.inv(vectors))


def reading_basis(space: MotionSpace) -> MotionBasis:
    """What reading a motion from landmarks needs: the mean face, and least squares from displacements to components.

    Weighted as the components are, depth by a tenth since landmarks hardly know it; components that the training
    distribution hardly moves are held back.
    """
    weight = (vertex_weights()[:, None] * [1.0, 1.0, DEPTH_WEIGHT]).ravel()
    weighted = space.decoder.astype(np.float64) * weight
    penalty = REGULARISATION * np.diag(1 / space.deviation.astype(np.float64) ** 2)
    solver = (np.linalg.solve(weighted @ weighted.T + penalty, weighted) * weight).T
    model = NEUTRAL_MODEL
    arrays = (model.face, model.smile, model.jaw_weight, model.lip_operator, solver, space.decoder)
    return MotionBasis(*(array.astype(np.float32) for array in arrays))


def sample_fields(count: int, seed: int) -> np.ndarray:
    """Displacements (count,468,3) over the training distribution of controls."""
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        c = sample_expression(rng)
        c["gy"] = float(np.clip(rng.normal(0, 4.5), -11, 10))
        samples.append(c)
    controls = {name: np.array([c.get(name, value) for c in samples]) for name, value in DEFAULTS.items()}
    parts = [displacement({k: v[i : i + _CHUNK] for k, v in controls.items()}) for i in range(0, count, _CHUNK)]
    return np.concatenate(parts)


def _components(data: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Leading principal directions (count,D) and standard deviations of centred data (N,D)."""
    centred = data - data.mean(0)
    _, s, vt = np.linalg.svd(np.linalg.qr(centred, mode="r"))
    return vt[:count], s[:count] / np.sqrt(len(data))


def build_motion_space(count: int = 12_000, seed: int = 0) -> MotionSpace:
    """Compute the space from the training distribution of controls (deterministic)."""
    field = sample_fields(count, seed)
    weight = np.repeat(vertex_weights(), 3)
    flipped = mirror_displacement(field)
    directions, deviations, parities = [], [], []
    for parity in (1, -1):
        part = ((field + parity * flipped) / 2).reshape(count, -1) * weight
        basis, std = _components(part, NUM_COMPONENTS)
        directions.append(basis)
        deviations.append(std)
        parities.append(np.full(len(std), parity))
    order = np.argsort(-np.concatenate(deviations), kind="stable")[:NUM_COMPONENTS]
    basis = np.concatenate(directions)[order]
    std = np.concatenate(deviations)[order]
    unit = np.sqrt(std * std[0])
    encoder = (basis * weight / unit[:, None]).T
    decoder = basis * unit[:, None] / weight
    code = field.reshape(count, -1) @ encoder
    gap = np.linalg.lstsq(code, lip_gap(field), rcond=None)[0]
    aperture = np.linalg.lstsq(code, lid_gap(field), rcond=None)[0]
    return MotionSpace(
        encoder.astype(np.float32), decoder.astype(np.float32), np.concatenate(parities)[order].astype(np.float32),
        code.std(0).astype(np.float32), gap.astype(np.float32), aperture.astype(np.float32),
    )  # fmt: skip


def _features(field: np.ndarray) -> dict[str, np.ndarray]:
    """Readable quantities (N,) of displacements (N,468,3)."""
    upper, lower = field[:, LIP_OUTER_UPPER[5]], field[:, LIP_OUTER_LOWER[5]]
    lids = lid_gap(field)
    return {
        "lip gap": lip_gap(field),
        "lip width": field[:, 291, 0] - field[:, 61, 0],
        "lip corner height": field[:, [61, 291], 1].mean(-1),
        "lip protrusion": (upper[:, 2] + lower[:, 2]) / 2,
        "upper lip height": upper[:, 1],
        "lower lip height": lower[:, 1],
        "lower lip roll (z inner - outer)": field[:, 14, 2] - lower[:, 2],
        "jaw (chin height)": field[:, 152, 1],
        "right lid aperture": lids[:, 0],
        "left lid aperture": lids[:, 1],
        "inner brow height": field[:, [107, 336], 1].mean(-1),
        "outer brow height": field[:, [70, 300], 1].mean(-1),
    }


def explained(space: MotionSpace, count: int = 3000, seed: int = 1) -> dict[str, float]:
    """Share of variance (R²) the components hold of every readable quantity, on fresh samples."""
    field = sample_fields(count, seed)
    rebuilt = (space.project(field) @ space.decoder).reshape(field.shape)
    truth, seen = _features(field), _features(rebuilt)
    table = {name: float(1 - ((truth[name] - seen[name]) ** 2).mean() / truth[name].var()) for name in truth}
    code = space.project(field)
    for name, true, read in (
        ("lip gap (read-out)", truth["lip gap"], code @ space.gap_readout),
        ("right lid (read-out)", truth["right lid aperture"], (code @ space.aperture_readout)[:, 0]),
    ):
        table[name] = float(1 - ((true - read) ** 2).mean() / true.var())
    table["whole face"] = float(1 - ((field - rebuilt) ** 2).sum() / ((field - field.mean(0)) ** 2).sum())
    return table


def main() -> None:
    """Build and save the space; ``python -m imtalker.train.puppet.motion_space --output space.npz``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, default=_DEFAULT_PATH)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    space = build_motion_space()
    space.save(arguments.output)
    np.savez(arguments.output.with_name("motion_parts.npz"), lower_face=lower_face_matrix(space).astype(np.float32))
    reading_basis(space).save(arguments.output.with_name("motion_basis.npz"))
    log.info("deviation %s", np.round(space.deviation, 2))
    log.info("parity %s", space.parity.astype(int))
    for name, value in explained(space).items():
        log.info("%-34s R2 %.4f", name, value)
    rest = {name: np.zeros(1) for name in MOUTH_NAMES}
    log.info("%d visemes, neutral motion %s", len(VISEME_TARGETS), np.abs(space.encode(rest)).max())


if __name__ == "__main__":
    main()
