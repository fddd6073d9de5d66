"""Laws of the guide's repair, of frames at both sizes, and of what lies beyond the source's border."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.errors import InputError
from imtalker.renderer import Painter, Renderer, to_frames
from imtalker.renderer.fuse import fuse
from imtalker.renderer.robust_guide import (
    cell_positions,
    extend_past_border,
    ghost_cells,
    local_median,
    reject_outliers,
    repair,
    to_coordinates,
    to_displacement,
)
from imtalker.renderer.source import SourceFeatures, widen
from tests.support.small_configs import TINY_SMALL

SIDE = 32
CELLS = cell_positions(SIDE)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    """Random weights, but visible teeth, and a gate that mixes both kinds of pixels."""
    torch.manual_seed(5)
    made = Renderer(TINY_SMALL).eval().requires_grad_(False)
    made.synthesis.final.weight.normal_(0, 0.1)
    assert made.synthesis.final.bias is not None
    made.synthesis.final.bias[12:20] = 0
    return made


def smooth_displacement() -> Tensor:
    """A head that turns, nods, grows and moves: ``(2, 2, SIDE, SIDE)`` cells."""
    x, y = (CELLS - (SIDE - 1) / 2) / SIDE
    turned = torch.stack([3 * torch.exp(-4 * (x * x + y * y)) + 0.15 * y * SIDE, 2 * torch.cos(2 * x) - 0.2 * x * SIDE])
    return torch.stack([turned, 0.2 * (CELLS - (SIDE - 1) / 2)])


def test_median_equals_sorting() -> None:
    torch.manual_seed(0)
    field = torch.randn(2, 2, 12, 12)
    padded = F.pad(field, (2, 2, 2, 2), mode="reflect")
    windows = padded.unfold(2, 5, 1).unfold(3, 5, 1).reshape(2, 2, 12, 12, 25)
    assert torch.equal(local_median(field), windows.median(-1).values)


def test_a_smooth_guide_stays_as_it_is() -> None:
    field = smooth_displacement()
    assert torch.equal(reject_outliers(field), field)
    still = torch.zeros(1, 2, SIDE, SIDE)
    assert torch.equal(extend_past_border(still, CELLS), still)
    inwards = -0.1 * (CELLS - (SIDE - 1) / 2)[None]  # nothing comes from beyond the border
    assert torch.equal(extend_past_border(inwards, CELLS), inwards)


@pytest.mark.parametrize("row, column", [(0, 0), (0, 17), (31, 31), (15, 16), (7, 30)])
def test_planted_outliers_are_removed(row: int, column: int) -> None:
    """One cell, and a cluster of three by three with the same wrong idea, anywhere and far off."""
    smooth = smooth_displacement()
    for reach in (0, 1):
        field = smooth.clone()
        rows, columns = (slice(max(0, at - reach), at + reach + 1) for at in (row, column))
        field[:, :, rows, columns] += torch.tensor([14.0, -9.0])[:, None, None]
        assert ghost_cells(to_coordinates(field, CELLS)).min() > 0
        repaired = reject_outliers(field)
        assert (repaired - smooth).abs().max() < 1.5
        assert ghost_cells(to_coordinates(repaired, CELLS)).max() == 0


def test_a_head_in_front_of_a_still_background_keeps_its_edge() -> None:
    """A straight border between moving and resting cells is no outlier, however fast the head moves; sharp corners,
    which heads do not have, become round."""
    field = torch.zeros(1, 2, SIDE, SIDE)
    field[:, :, 8:26, 9:23] = 6.0
    repaired = reject_outliers(field)
    corners = [(r, c) for r in (8, 25) for c in (9, 22)]
    different = (repaired != field).any(1)[0].nonzero().tolist()
    assert all(min(abs(r - y) + abs(c - x) for y, x in corners) <= 4 for r, c in different)
    assert torch.equal(repaired[..., 11:23, 12:20], field[..., 11:23, 12:20])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shift", [-3.0, -1.2, 1.2, 3.0])
def test_what_comes_from_beyond_the_border_is_carried_on(axis: int, shift: float) -> None:
    """Attention clamps positions to the outermost cells; afterwards the whole field moves alike again."""
    asked = torch.zeros(1, 2, SIDE, SIDE)
    asked[:, axis] = shift
    clamped = (asked + CELLS).clamp(0, SIDE - 1) - CELLS
    torch.testing.assert_close(extend_past_border(clamped, CELLS), asked)


def test_a_resting_border_beside_a_moving_head_rests() -> None:
    """The head goes down below a strip of background: nothing is pulled in from outside."""
    field = torch.zeros(1, 2, SIDE, SIDE)
    field[:, 1, 4:, 8:24] = -3.0
    assert torch.equal(extend_past_border(field, CELLS), field)


def test_a_repaired_guide_has_no_ghosts() -> None:
    """Whatever attention says: heads that jump, clusters of wrong cells, positions stuck to the border."""
    generator = torch.Generator().manual_seed(8)
    field = smooth_displacement().repeat(4, 1, 1, 1)
    for displacement in field:
        for _ in range(6):
            row, column, size = (int(n) for n in torch.randint(0, 29, (3,), generator=generator))
            size = 1 + size % 3
            jump = 20 * torch.randn(2, 1, 1, generator=generator)
            displacement[:, row : row + size, column : column + size] += jump
    field[1, :, 6:24, 8:22] += 7
    clamped = (field + CELLS).clamp(0, SIDE - 1) - CELLS
    assert ghost_cells(to_coordinates(clamped, CELLS)).min() > 0
    assert ghost_cells(to_coordinates(repair(clamped, CELLS), CELLS)).max() == 0
    smooth = smooth_displacement()
    torch.testing.assert_close(repair(smooth, CELLS)[..., 6:26, 6:26], smooth[..., 6:26, 6:26])


def test_coordinates_and_displacements_are_inverse() -> None:
    field = smooth_displacement()
    coordinates = to_coordinates(field, CELLS)
    torch.testing.assert_close(to_displacement(coordinates, CELLS), field, atol=1e-4, rtol=0)
    assert to_coordinates(torch.zeros(1, 2, SIDE, SIDE), CELLS)[0, 0, 0].tolist() == [-1 + 1 / SIDE] * 2


def test_gradients_flow_through_the_repair() -> None:
    field = smooth_displacement()
    field[0, :, 10, 10] += 8
    field.requires_grad_(True)
    repair(field, CELLS).sum().backward()
    assert field.grad is not None and field.grad.isfinite().all()
    assert field.grad.sum() == pytest.approx(field.numel())
    assert field.grad[0, 0, 10, 10] == 0  # what was not believed has no say


def sample(renderer: Renderer, seed: int = 0) -> tuple[SourceFeatures, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = F.interpolate(torch.rand(1, 3, 20, 20, generator=generator), (128, 128), mode="bicubic").clamp(0, 1)
    return renderer.encode_source(image), torch.randn(3, 32, generator=generator)


@pytest.mark.parametrize("size", TINY_SMALL.sizes)
def test_bytes_equal_tensors_at_both_sizes(renderer: Renderer, size: int) -> None:
    """The painter's frames are those of ``render``, and the fused renderer's those of the plain one."""
    source, motion = sample(renderer)
    expected = to_frames(renderer.render(motion, source, size)).astype(int)
    assert expected.shape == (3, size, size, 3) and expected.std() > 10
    assert np.abs(Painter(renderer, source, size)(motion) - expected).max() <= 1
    other = Renderer(TINY_SMALL)
    other.load_state_dict(renderer.state_dict())
    fused = fuse(other)
    fast = Painter(fused, fused.encode_source(sample_image()), size)(motion)
    slow = to_frames(renderer.render(motion, renderer.encode_source(sample_image()), size)).astype(int)
    assert np.abs(fast - slow).max() <= 1


def sample_image() -> Tensor:
    return F.interpolate(torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(3)), (128, 128))


def test_the_large_frame_made_small_is_the_small_frame(renderer: Renderer) -> None:
    source, motion = sample(renderer)
    small, large = (renderer.render(motion, source, size) for size in TINY_SMALL.sizes)
    assert (F.avg_pool2d(large, 2) - small).abs().mean() < 0.01
    assert (F.avg_pool2d(large, 2) - small.roll(3, -1)).abs().mean() > 0.02  # a law that can be broken


def test_frames_do_not_depend_on_their_batch(renderer: Renderer) -> None:
    source, motion = sample(renderer)
    motion[1] += 3  # its guide needs more passes than the others'
    painter = Painter(renderer, source, 256)
    single = np.concatenate([painter(m[None]) for m in motion])
    assert np.abs(painter(motion) - single.astype(int)).max() <= 1


def test_other_sizes_are_refused(renderer: Renderer) -> None:
    source, motion = sample(renderer)
    for call in (lambda: renderer.render(motion, source, 200), lambda: Painter(renderer, source, 64)):
        with pytest.raises(InputError, match="frames of 128 or 256 pixels"):
            call()


def test_the_margin_repeats_the_edge_unless_more_is_known(renderer: Renderer) -> None:
    image = torch.rand(1, 3, 128, 128)
    wide, reach = widen(image)
    assert wide.shape[-1] == round(reach * 128)
    margin = (wide.shape[-1] - 128) // 2
    assert torch.equal(wide[..., margin:-margin, margin:-margin], image)
    assert torch.equal(wide[..., 0, margin:-margin], image[..., 0, :])
    known = renderer.encode_source(image, wide=(wide, reach))
    for ours, theirs in ((known.picture, renderer.encode_source(image).picture), (known.reach, reach)):
        assert ours is not None and theirs is not None
        torch.testing.assert_close(ours, theirs)
