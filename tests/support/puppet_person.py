"""A puppet of a drawn person: the mean face's own landmarks, coloured smoothly. No picture of anybody."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from imtalker.faces.mesh import (
    EYE_CORNERS,
    EYES,
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    LIP_OUTER_LOWER,
    LIP_OUTER_UPPER,
    closed_loop,
)
from imtalker.faces.motion_reading import MEAN_PIVOT, MEAN_SCALE, PIVOT
from imtalker.faces.rigid import rotation_matrix
from imtalker.train.puppet import PuppetAsset, build_asset
from imtalker.train.puppet.geometry import Camera
from imtalker.train.puppet.sampler import is_validation
from imtalker.train.puppet.topology import MEAN_NEUTRAL

SIZE = 512


def mean_landmarks(yaw: float = 0.0) -> np.ndarray:
    """(478,3) px landmarks of the mean face, irises straight ahead."""
    irises = []
    for left, right in EYE_CORNERS:
        centre = (MEAN_NEUTRAL[left] + MEAN_NEUTRAL[right]) / 2 + [0, 0.166, 0]
        irises += [centre, *(centre + 0.59 * np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]))]
    points = np.concatenate([MEAN_NEUTRAL, irises])
    turn = rotation_matrix(yaw, 0, 0)
    shift = np.append(MEAN_PIVOT, 0) - [*(turn @ PIVOT)[:2], 0]
    camera = Camera(MEAN_SCALE, turn, shift)
    seen = camera.to_camera(points)
    return np.column_stack([camera.project(seen), -seen[:, 2] * MEAN_SCALE])


def draw_person(landmarks: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Picture (512,512,3) uint8 and exact mask (512,512) of a head and shoulders with these landmarks."""
    rng = np.random.default_rng(seed)

    def clouds(base: tuple[int, int, int], contrast: float) -> np.ndarray:
        field = rng.normal(size=(16, 16, 3)) * contrast + base
        return cv2.resize(field.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)

    def fill(indices: list[int], value: np.ndarray | tuple[int, int, int]) -> None:
        inside = np.zeros((SIZE, SIZE), np.uint8)
        cv2.fillPoly(inside, [np.round(landmarks[indices, :2]).astype(np.int32)], [1])
        picture[inside > 0] = value[inside > 0] if isinstance(value, np.ndarray) else value

    mask = np.zeros((SIZE, SIZE), np.uint8)
    hull = cv2.convexHull(landmarks[:468, :2].astype(np.int32))
    cv2.fillConvexPoly(mask, hull, [1])
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (41, 41)))
    cv2.ellipse(mask, (256, 560), (230, 130), 0, 0, 360, [1], -1)
    cv2.rectangle(mask, (200, 400), (312, 511), [1], -1)
    picture = np.where(mask[..., None] > 0, clouds((200, 150, 120), 18), clouds((60, 90, 140), 18))
    fill(closed_loop(LIP_OUTER_UPPER, LIP_OUTER_LOWER), clouds((170, 70, 70), 8))
    fill(closed_loop(LIP_INNER_UPPER, LIP_INNER_LOWER), (90, 30, 30))
    for (upper, lower), iris in zip(EYES, (468, 473), strict=True):
        fill(closed_loop(upper, lower), (235, 235, 230))
        cv2.circle(picture, tuple(int(v) for v in landmarks[iris, :2]), 10, (60, 45, 30), -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5)
    return picture.clip(0, 255).astype(np.uint8), soft


@lru_cache(maxsize=4)
def drawn_asset(seed: int = 0, yaw: float = 0.0) -> PuppetAsset:
    landmarks = mean_landmarks(yaw)
    picture, mask = draw_person(landmarks, seed)
    return build_asset(picture, landmarks, mask, exact_mask=True, seed=seed)


def save_drawn_people(folder: Path) -> None:
    """Two people for training and two for validation, as puppet files."""
    for seed in range(2):
        for split in (True, False):
            name = next(n for n in (f"p{i}" for i in range(seed * 1000, 9999)) if is_validation(n) is split)
            drawn_asset(seed).save(folder / f"{name}.npz")
