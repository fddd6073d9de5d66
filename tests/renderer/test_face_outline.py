"""Inside a face nothing comes from beyond its outline in the portrait; a still face stays as it is."""

import pytest
import torch

from imtalker.faces.motion_reading import read_portrait
from imtalker.renderer.face_outline import SIDE, STRIP, FaceOutline, depth
from imtalker.renderer.landmark_guide import FaceGeometry, follow_landmarks
from imtalker.weights.load import bundled_basis
from tests.support.puppet_person import mean_landmarks

N = 256
CELL = 2 / SIDE  # half sides, of the maps of depth


@pytest.fixture(scope="module")
def geometry() -> FaceGeometry:
    basis, points = bundled_basis(), mean_landmarks()
    return FaceGeometry.of(points, read_portrait(points, basis), basis)


def still(side: int) -> torch.Tensor:
    centres = (torch.arange(side) + 0.5) / side * 2 - 1
    return torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1)[None]


def depth_at(landmarks: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
    own = depth(landmarks[None], N)[:, None]
    return torch.nn.functional.grid_sample(own, coordinates, padding_mode="border", align_corners=False)[0, 0]


@pytest.mark.parametrize("side", [32, 256])
def test_a_still_face_stays(geometry: FaceGeometry, side: int):
    outline = FaceOutline.of(geometry.landmarks[None], geometry.outline)
    assert (outline.keep(still(side)) - still(side)).abs().max() < CELL


def test_a_face_that_turns_shows_no_ear(geometry: FaceGeometry):
    """Coordinates shifted by a tenth of the face, as a cheek's may be that comes into view, are brought inside."""
    shifted = still(N) - torch.tensor([0.12, 0.0])
    outline = FaceOutline.of(geometry.landmarks[None], geometry.outline)
    kept = outline.keep(shifted)
    inside = depth(geometry.landmarks[None], N)[0]
    before, after = (depth_at(geometry.landmarks, x)[inside > 2 * STRIP] for x in (shifted, kept))
    assert before.min() < -0.03 and after.min() > 0.8 * STRIP - CELL
    outside = inside < -2 * CELL
    assert torch.equal(kept[0][outside], shifted[0][outside])  # goes its own way
    deep = depth_at(geometry.landmarks, shifted) > STRIP + CELL
    assert torch.equal(kept[0][deep], shifted[0][deep])


def test_a_head_turned_back_keeps_order(geometry: FaceGeometry):
    """The strip is stretched, not folded: along a line from the outline inwards the source goes inwards too."""
    motion = geometry.motion[None].clone()
    motion[0, 0] += 2.5  # 25 degrees
    targets, weights = geometry.place(motion)
    followed = follow_landmarks(still(N), targets, weights, geometry.landmarks)
    kept = FaceOutline.of(targets, geometry.outline).keep(followed)
    inside = depth(targets, N)[0]
    for row in range(100, 180, 10):
        line = kept[0, row][inside[row] > 0]
        assert (line[1:, 0] - line[:-1, 0]).min() > -CELL


def test_each_frame_by_itself(geometry: FaceGeometry):
    targets = torch.stack([geometry.landmarks, geometry.landmarks + 0.1])
    both = FaceOutline.of(targets, geometry.outline).keep(still(64).repeat(2, 1, 1, 1))
    for i in range(2):
        alone = FaceOutline.of(targets[i : i + 1], geometry.outline).keep(still(64))
        torch.testing.assert_close(both[i : i + 1], alone)
