"""Teach the network that tells a person from the background (``imtalker.faces.person``) from pictures with mattes.

    python -m imtalker.train.person_matte DATA --validation HELD_OUT --out runs/person

A folder of data holds ``pictures/NAME.png`` and ``mattes/NAME.png``: heads and shoulders as ``imtalker`` crops them, or
nearly, and how surely each pixel shows the person, 0 to 255. Who made the mattes does not matter: a larger segmentation
network (distillation, Hinton et al. 2015), a renderer, or a hand. Half of the people are put before other backgrounds.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.errors import InputError
from imtalker.faces.fill import push_pull
from imtalker.faces.person_network import PersonConfig, PersonNetwork
from imtalker.train.loop import LoopConfig, Objective, TrainingLoop, run_stage
from imtalker.train.options import configure_logging
from imtalker.train.renderer_objective import channels_last
from imtalker.weights.file import save_weights

WEIGHTS_NAME = "person.safetensors"
Pair = tuple[np.ndarray, np.ndarray]  # uint8 RGB (S,S,3), matte uint8 (S,S)


@dataclass(frozen=True)
class PersonTrainingConfig:
    """Everything a run depends on."""

    data: str  # a folder with pictures/ and mattes/
    validation: str | None = None  # the same, of people kept out
    model: PersonConfig = field(default_factory=PersonConfig)
    batch: int = 32
    other_background: float = 0.5  # share of pictures whose person is put before another background
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=2000, learning_rate=4e-3, weight_decay=1e-4, ema_decay=0.99, validate_every=100, save_every=100
        )
    )


def read_pairs(folder: str | Path) -> list[Pair]:
    """Every picture of a folder with its matte, in the order of their names.

    Raises:
        InputError: there is none, or a matte is missing or of another size.
    """
    pairs = []
    for path in sorted((Path(folder) / "pictures").glob("*.png")):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        matte = cv2.imread(str(Path(folder) / "mattes" / path.name), cv2.IMREAD_GRAYSCALE)
        if picture is None or matte is None or picture.shape[:2] != matte.shape:
            raise InputError(f"{path}: no matte of its size; put one of the same name into {folder}/mattes")
        pairs.append((picture, matte))
    if not pairs:
        raise InputError(f"{folder}: no pictures; give a folder that holds pictures/*.png and mattes/*.png")
    return pairs


def augmented(pairs: list[Pair], side: int, other_background: float, rng: np.random.Generator) -> Pair:
    """One picture of ``side`` pixels with its matte: moved, mirrored, in another place, light and quality."""
    picture, matte = _moved(*pairs[rng.integers(len(pairs))], side, rng)
    picture = picture.astype(np.float32)
    if rng.random() < other_background:
        share = (matte.astype(np.float32) / 255)[..., None]
        picture = share * picture + (1 - share) * _background(pairs, side, rng)
    return _developed(picture, rng), matte


def _moved(picture: np.ndarray, matte: np.ndarray, side: int, rng: np.random.Generator) -> Pair:
    scale = side / len(picture) * np.exp(rng.uniform(-0.15, 0.25))
    turn = np.radians(rng.normal(0, 6))
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    middle = (side - 1) / 2 + rng.uniform(-0.1, 0.1, 2) * side
    matrix = np.column_stack([linear, middle - linear @ np.full(2, (len(picture) - 1) / 2)])
    warped = [
        cv2.warpAffine(x, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        for x in (picture, matte)
    ]
    return warped[0], warped[1]


def _background(pairs: list[Pair], side: int, rng: np.random.Generator) -> np.ndarray:
    """(S,S,3) float32 0..255: that of another picture, without its person, or a slope of two colours."""
    if rng.random() < 0.25:
        ends = rng.uniform(0, 255, (2, 3))
        slope = np.linspace(0, 1, side)[:, None] * rng.normal(0, 1) + np.linspace(0, 1, side) * rng.normal(0, 1)
        slope = (slope - slope.min()) / max(float(np.ptp(slope)), 1e-6)
        return (ends[0] + slope[..., None] * (ends[1] - ends[0])).astype(np.float32)
    picture, matte = _moved(*pairs[rng.integers(len(pairs))], side, rng)
    free = cv2.erode((matte < 25).astype(np.float32), np.ones((5, 5)))
    return picture.astype(np.float32) if free.max() == 0 else push_pull(picture.astype(np.float32), free)


def _developed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S,S,3) uint8: another exposure, contrast and colour, then blur, noise and compression."""
    x = np.clip(picture / 255, 0, 1) ** np.exp(rng.normal(0, 0.3))
    x = x * np.exp(rng.normal(0, 0.12, 3) + rng.normal(0, 0.15))
    grey = x.mean(-1, keepdims=True)
    x = grey + (x - grey) * (0 if rng.random() < 0.05 else rng.uniform(0.5, 1.4))
    x = (x - x.mean()) * rng.uniform(0.6, 1.3) + x.mean()
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 2))
    if rng.random() < 0.3:
        x = x + rng.normal(0, rng.uniform(0, 0.06), x.shape)
    developed = np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, packed = cv2.imencode(".jpg", developed, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))])
        developed = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return developed


def _tensors(pairs: list[Pair]) -> dict[str, Tensor]:
    pictures = torch.from_numpy(np.stack([picture for picture, _ in pairs])).permute(0, 3, 1, 2)
    return {"picture": pictures, "matte": torch.from_numpy(np.stack([matte for _, matte in pairs]))[:, None]}


def overlap(found: Tensor, true: Tensor) -> Tensor:
    """Intersection over union ``(B,)`` of where two mattes ``(B, 1, S, S)`` in [0, 1] are above a half."""
    a, b = found > 0.5, true > 0.5
    return (a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3)).clamp(min=1)


def matte_loss(logits: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Cross-entropy and Dice (Milletari et al. 2016) of mattes ``(B, 1, S, S)``."""
    cross = F.binary_cross_entropy_with_logits(logits, true)
    found = logits.sigmoid()
    both, either = (found * true).sum((1, 2, 3)), (found + true).sum((1, 2, 3))
    dice = (1 - (2 * both + 1) / (either + 1)).mean()
    return {"loss": cross + dice, "cross_entropy": cross, "dice": dice}


def build_loop(config: PersonTrainingConfig, out: Path, cpu: bool = False) -> TrainingLoop:
    """The training loop of this stage; ``loop.raw["person"]`` is the network."""
    torch.manual_seed(config.loop.seed)
    side = config.model.side
    pairs = read_pairs(config.data)
    held_out = [] if config.validation is None else read_pairs(config.validation)
    held_out = [
        (cv2.resize(a, (side, side), interpolation=cv2.INTER_AREA), cv2.resize(b, (side, side))) for a, b in held_out
    ]

    def make_batch(index: int, rng: np.random.Generator) -> dict[str, Tensor]:
        return _tensors([augmented(pairs, side, config.other_background, rng) for _ in range(config.batch)])

    def loss(modules: Mapping[str, nn.Module], batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        logits = modules["person"](batch["picture"].float() / 255).float()
        return matte_loss(logits, batch["matte"].float() / 255)

    def validate(modules: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        network, held = modules["person"], _tensors(held_out)
        device = next(network.parameters()).device
        found = torch.cat(
            [network(part.to(device).float() / 255).cpu().sigmoid() for part in held["picture"].split(32)]
        )
        true = held["matte"].float() / 255
        return {"iou": float(overlap(found, true).mean()), "l1": float((found - true).abs().mean())}

    return TrainingLoop(
        config.loop,
        out,
        {"person": channels_last(PersonNetwork(config.model))},
        [Objective("person", ("person",), loss)],
        make_batch,
        validate if held_out else None,
        cpu=cpu,
    )


def train_person_matte(
    config: PersonTrainingConfig, out: Path, resume: bool = False, cpu: bool = False
) -> dict[str, float]:
    """Train, and write ``person.safetensors`` (half precision) into ``out``.

    Raises:
        InputError: no training data, or nothing to resume.
    """
    loop = build_loop(config, out, cpu)

    def export() -> None:
        save_weights(loop.ema["person"], config.model, out / WEIGHTS_NAME, dtype=torch.float16)

    return run_stage(loop, resume, export)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m imtalker.train.person_matte", description=__doc__)
    parser.add_argument("data", help="folder with pictures/ and mattes/")
    parser.add_argument("--validation", help="the same, of people kept out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    configure_logging()
    config = PersonTrainingConfig(options.data, options.validation)
    config = replace(config, loop=replace(config.loop, steps=options.steps))
    train_person_matte(config, options.out, options.resume)


if __name__ == "__main__":
    main()
