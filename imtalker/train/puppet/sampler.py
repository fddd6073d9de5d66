"""Endless deterministic streams of training samples, rendered on the fly from a folder of puppets."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from imtalker.errors import InputError
from imtalker.faces.mesh import EYES, LIP_OUTER_LOWER, LIP_OUTER_UPPER, NUM_FACE
from imtalker.train.puppet.asset import PuppetAsset
from imtalker.train.puppet.augment import (
    cover,
    draw_background,
    sample_colouring,
    sample_degradation,
    vary_background,
)
from imtalker.train.puppet.controls import (
    DEFAULTS,
    EXPRESSION_NAMES,
    sample_controls,
    sample_nearby,
    sample_view,
)
from imtalker.train.puppet.correspondence import correspondence
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.puppet.render import express_asset, render

Split = Literal["train", "validation", "all"]
VALIDATION_SHARE = 0.118  # about 48 of 406 people
COORDS_SIZE = 128
REGIONS_SIZE = 128
MOTION_REGIONS_SIZE = 64
FLIPPED_PLACEMENT = np.array([[1, -1, -1], [-1, 1, 1]], np.float32)  # both the screen and the plate are flipped
NEARBY_SHARE = 0.5  # targets in about the source's pose: lips and lids are all that differs
_MAX_LOADED = 512  # assets kept in memory, about 2 MB each
_BOX_VERTICES = (
    (sorted(set(LIP_OUTER_UPPER + LIP_OUTER_LOWER)), 0.25),
    (sorted(set(EYES[0][0] + EYES[0][1])), 0.35),
    (sorted(set(EYES[1][0] + EYES[1][1])), 0.35),
    (list(range(NUM_FACE)), 0.05),
)


@dataclass(frozen=True, eq=False)
class RendererSample:
    """One source and K targets of the same person before the same background."""

    source: np.ndarray  # (S,S,3) uint8
    source_motion: np.ndarray  # (32,) float32
    targets: np.ndarray  # (K,S,S,3) uint8
    target_motions: np.ndarray  # (K,32) float32
    coords: np.ndarray  # (K,128,128,2) float16: where target pixels lie in the source, see ``correspondence``
    valid: np.ndarray  # (K,128,128) bool
    regions: np.ndarray  # (K,4,128,128) uint8: share of mouth opening, eye opening, iris, teeth in the target
    teeth: np.ndarray  # (K,2,2,3) float32: where the rows of teeth lie in the target, see ``teeth_placement``
    boxes: np.ndarray  # (K,4,4) int16 px x0 y0 x1 y1 of mouth, right eye, left eye, face in the target


def is_validation(name: str) -> bool:
    """Fixed split by the hash of an asset's file stem."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 < VALIDATION_SHARE


def list_assets(folders: str | Path | Sequence[str | Path], split: Split) -> list[Path]:
    """The files of all assets of a split. Raises InputError when there are none."""
    if isinstance(folders, str | Path):
        folders = [folders]
    files = [path for folder in folders for path in sorted(Path(folder).glob("[!.]*.npz"))]
    wanted = {"train": (False,), "validation": (True,), "all": (False, True)}[split]
    chosen = [path for path in files if is_validation(path.stem) in wanted]
    if not chosen:
        raise InputError(f"no {split} assets (*.npz) in {', '.join(map(str, folders))}; build some with build_asset")
    return chosen


def feature_boxes(vertices: np.ndarray, size: int) -> np.ndarray:
    """(4,4) int16 px boxes of mouth, right eye, left eye and face from vertices (756,2) px; never empty."""
    boxes = np.empty((4, 4), np.int16)
    for k, (indices, margin) in enumerate(_BOX_VERTICES):
        low, high = vertices[indices].min(0), vertices[indices].max(0)
        grow = margin * max(high - low)
        x0, y0 = np.clip(np.floor(low - grow), 0, size - 2)
        x1, y1 = np.clip(np.ceil(high + grow), [x0 + 2, y0 + 2], size)
        boxes[k] = x0, y0, x1, y1
    return boxes


def flip_boxes(boxes: np.ndarray, size: int) -> np.ndarray:
    """Boxes (...,4,4) of the flipped picture; the eyes change places."""
    flipped = boxes[..., [0, 2, 1, 3], :].copy()
    flipped[..., 0], flipped[..., 2] = size - flipped[..., 2], size - flipped[..., 0].copy()
    return flipped


def flip_coords(coords: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correspondence (...,H,W,2), (...,H,W) between the two flipped pictures."""
    return coords[..., ::-1, :] * np.array([-1, 1], coords.dtype), valid[..., ::-1]


@lru_cache(maxsize=_MAX_LOADED)
def _load(path: Path) -> PuppetAsset:
    return PuppetAsset.load(path)


class _People:
    """Endless shuffled order of assets, and a pool of backgrounds."""

    def __init__(self, assets: list[Path], rng: np.random.Generator) -> None:
        self._assets, self._rng = assets, rng
        self._queue: list[int] = []
        self._plates: deque[np.ndarray] = deque(maxlen=64)

    def draw(self) -> PuppetAsset:
        if not self._queue:
            self._queue = self._rng.permutation(len(self._assets)).tolist()
        asset = _load(self._assets[self._queue.pop()])
        self._plates.append(asset.plate)
        return asset

    def background(self, chance: float) -> np.ndarray | None:
        """None (the asset's own plate) or a replacement (512,512,3) uint8."""
        if self._rng.random() >= chance:
            return None
        if self._rng.random() < 0.5:
            return vary_background(self._rng, self._plates[self._rng.integers(len(self._plates))])
        return draw_background(self._rng)


class PuppetSampler:
    """Samples for the renderer. Every ``iter()`` starts the same stream again.

    asset_dir: folder(s) of ``.npz`` assets. split: "train", "validation" or "all". size: px of the frames.
    """

    def __init__(
        self,
        asset_dir: str | Path | Sequence[str | Path],
        split: Split = "train",
        seed: int = 0,
        targets_per_source: int = 3,
        size: int = 256,
    ) -> None:
        self.assets = list_assets(asset_dir, split)
        self.seed, self.targets_per_source, self.size = seed, targets_per_source, size
        self.space = MotionSpace.load()

    def __iter__(self) -> Iterator[RendererSample]:
        rng = np.random.default_rng(self.seed)
        people = _People(self.assets, rng)
        while True:
            yield self._sample(rng, people.draw(), people.background(0.4))

    def batch(self, rng: np.random.Generator, count: int) -> list[RendererSample]:
        """``count`` samples of different people: a pure function of the generator's state."""
        people = _People(self.assets, rng)
        drawn = [people.draw() for _ in range(count)]
        return [self._sample(rng, asset, people.background(0.4)) for asset in drawn]

    def _draw_controls(self, rng: np.random.Generator, asset: PuppetAsset) -> list[dict[str, float]]:
        """Source first."""
        own = asset.photo_pose(**sample_view(rng))
        photo = {**own, "photo": 1.0}
        drawn = [photo if rng.random() < 0.35 else sample_controls(rng, own)]
        for _ in range(self.targets_per_source):
            kind = rng.random()
            if kind < NEARBY_SHARE:
                drawn.append(sample_nearby(rng, drawn[0]))
                continue
            c = sample_controls(rng, own)
            if kind < NEARBY_SHARE + 0.1:  # the photo's own expression in another pose
                c.update({name: DEFAULTS[name] for name in EXPRESSION_NAMES}, photo=1.0)
            drawn.append(c)
        return drawn

    def _sample(self, rng: np.random.Generator, asset: PuppetAsset, background: np.ndarray | None) -> RendererSample:
        controls = self._draw_controls(rng, asset)
        faces = express_asset(asset, controls)
        frames = [render(asset, c, self.size, 2, background, face) for c, face in zip(controls, faces, strict=True)]
        matches = [correspondence(asset, frames[0], target, COORDS_SIZE) for target in frames[1:]]
        motions = self.space.encode_frames(asset, controls)
        boxes = np.stack([feature_boxes(frame.vertices, self.size) for frame in frames])
        colour, degrade = sample_colouring(rng), sample_degradation(rng)
        images = np.stack([degrade(colour(frame.image)) for frame in frames])
        coords = np.stack([match[0] for match in matches]).astype(np.float16)
        valid = np.stack([match[1] for match in matches])
        regions = np.stack([frame.regions(REGIONS_SIZE) for frame in frames[1:]])
        teeth = np.stack([frame.teeth_placement() for frame in frames[1:]]).astype(np.float32)
        if rng.random() < 0.5:
            images = np.ascontiguousarray(images[:, :, ::-1])
            teeth = teeth * FLIPPED_PLACEMENT
            regions = np.ascontiguousarray(regions[..., ::-1])
            coords, valid = (np.ascontiguousarray(a) for a in flip_coords(coords, valid))
            boxes, motions = flip_boxes(boxes, self.size), self.space.mirror(motions)
        return RendererSample(
            source=images[0], source_motion=motions[0], targets=images[1:], target_motions=motions[1:],
            coords=coords, valid=valid, regions=regions, teeth=teeth, boxes=boxes[1:],
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class MotionSample:
    """One strongly augmented picture for the motion encoder."""

    image: np.ndarray  # (size,size,3) uint8
    motion: np.ndarray  # (32,) float32
    regions: np.ndarray  # (4,64,64) uint8: share of mouth opening, eye opening, iris, teeth


class MotionSampler:
    """Endless :class:`MotionSample`."""

    def __init__(
        self,
        asset_dir: str | Path | Sequence[str | Path],
        split: Split = "train",
        seed: int = 0,
        size: int = 128,
        frames_per_person: int = 4,
    ) -> None:
        self.assets = list_assets(asset_dir, split)
        self.seed, self.size, self.frames_per_person = seed, size, frames_per_person
        self.space = MotionSpace.load()

    def __iter__(self) -> Iterator[MotionSample]:
        rng = np.random.default_rng(self.seed)
        people = _People(self.assets, rng)
        while True:
            asset = people.draw()
            for _ in range(self.frames_per_person):
                yield self._sample(rng, asset, people.background(0.5))

    def batch(self, rng: np.random.Generator, count: int) -> list[MotionSample]:
        """``count`` samples, ``frames_per_person`` of each person: a pure function of the generator's state."""
        people = _People(self.assets, rng)
        drawn = [people.draw() for _ in range(-(-count // self.frames_per_person))]
        repeated = [asset for asset in drawn for _ in range(self.frames_per_person)][:count]
        return [self._sample(rng, asset, people.background(0.5)) for asset in repeated]

    def _sample(self, rng: np.random.Generator, asset: PuppetAsset, background: np.ndarray | None) -> MotionSample:
        own = asset.photo_pose(**sample_view(rng))
        controls = {**own, "photo": 1.0} if rng.random() < 0.15 else sample_controls(rng, own)
        frame = render(asset, controls, self.size, background=background)
        image, regions = frame.image, frame.regions(MOTION_REGIONS_SIZE)
        motion = self.space.encode_frames(asset, [controls])[0]
        if rng.random() < 0.2:
            cover(rng, image)
        image = sample_degradation(rng, 0.5, 2.0)(sample_colouring(rng, 1.8)(image))
        if rng.random() < 0.3:
            noise = rng.normal(0, rng.uniform(1, 9), image.shape)
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
        if rng.random() < 0.5:
            image, motion = np.ascontiguousarray(image[:, ::-1]), self.space.mirror(motion)
            regions = np.ascontiguousarray(regions[..., ::-1])
        return MotionSample(image, motion, regions)
