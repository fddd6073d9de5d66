"""Laws of the renderer on a small configuration with both of tiny's and the official kinds of parts."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.errors import InputError
from imtalker.renderer import Renderer
from imtalker.renderer.attention import join_windows, split_windows
from imtalker.renderer.motion_transfer import (
    ImplicitMotionTransfer,
    cell_centres,
    resample_blocks,
    resample_coordinates,
    window_cells,
)
from imtalker.renderer.teeth import TeethLayer
from tests.support.small_configs import OFFICIAL_SMALL, TINY_SMALL

CONFIGS = {"official": OFFICIAL_SMALL, "tiny": TINY_SMALL}


@pytest.fixture(params=CONFIGS)
def renderer(request: pytest.FixtureRequest) -> Renderer:
    torch.manual_seed(3)
    return Renderer(CONFIGS[request.param]).eval().requires_grad_(False)


def test_shapes_and_range(renderer: Renderer) -> None:
    size = renderer.config.input_size
    image = torch.rand(1, 3, size, size)
    source = renderer.encode_source(image)
    assert source.motion.shape == (1, 32)
    assert renderer.encode_motion(torch.rand(3, 3, size, size)).shape == (3, 32)
    frames = renderer.render(torch.randn(2, 32), source)
    assert frames.shape == (2, 3, renderer.config.output_size, renderer.config.output_size)
    assert 0 <= frames.min() and frames.max() <= 1


def test_frames_of_a_batch_are_independent(renderer: Renderer) -> None:
    size = renderer.config.input_size
    source = renderer.encode_source(torch.rand(1, 3, size, size))
    motion = torch.randn(3, 32)
    together = renderer.render(motion, source)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], renderer.render(motion[i : i + 1], source), atol=1e-4, rtol=0)


def test_motion_changes_the_frame_and_identity_changes_it_too(renderer: Renderer) -> None:
    size = renderer.config.input_size
    a, b = (renderer.encode_source(torch.rand(1, 3, size, size)) for _ in range(2))
    motion = torch.randn(2, 32)
    frames = renderer.render(motion, a)
    assert (frames[0] - frames[1]).abs().max() > 1e-6
    assert (frames - renderer.render(motion, b)).abs().max() > 1e-3


def test_known_source_motion_replaces_the_motion_encoder(renderer: Renderer) -> None:
    size = renderer.config.input_size
    image = torch.rand(1, 3, size, size)
    read = renderer.encode_source(image)
    given = renderer.encode_source(image, read.motion)
    torch.testing.assert_close(read.keys[0], given.keys[0])
    other = renderer.encode_source(image, read.motion + 1)
    assert (read.keys[0] - other.keys[0]).abs().max() > 1e-6


def test_source_moves_to_another_type(renderer: Renderer) -> None:
    size = renderer.config.input_size
    source = renderer.encode_source(torch.rand(1, 3, size, size)).to(dtype=torch.float64)
    assert source.identity.dtype == source.values[-1].dtype == torch.float64


def test_wrong_size_is_named(renderer: Renderer) -> None:
    with pytest.raises(InputError, match="64"):
        renderer.encode_source(torch.rand(1, 3, 64, 64))
    with pytest.raises(InputError, match="resize"):
        renderer.encode_motion(torch.rand(3, 128, 128))


def test_identity_guide_returns_the_source() -> None:
    """Attention on the own cell means: every feature stays where it is."""
    transfer = ImplicitMotionTransfer(TINY_SMALL)
    guide = transfer.guide(torch.eye(1024)[None])
    assert guide.coordinates is not None
    torch.testing.assert_close(guide.coordinates.view(-1, 2), cell_centres(32))
    features = torch.rand(1, 4, 32, 32)
    torch.testing.assert_close(resample_coordinates(features, guide.coordinates), features, atol=1e-5, rtol=0)


def test_soft_argmax_is_sub_cell_and_ignores_distant_peaks() -> None:
    transfer = ImplicitMotionTransfer(TINY_SMALL)
    weights = torch.full((1, 1024, 1024), 1e-9)
    cell, right, far = 10 * 32 + 10, 10 * 32 + 11, 30 * 32 + 30
    weights[:, :, cell], weights[:, :, right], weights[:, :, far] = 0.4, 0.3, 0.3
    coordinates = transfer.guide(weights).coordinates
    assert coordinates is not None
    column = (coordinates[0, 5, 5, 0] + 1) * 16 - 0.5
    row = (coordinates[0, 5, 5, 1] + 1) * 16 - 0.5
    assert column.item() == pytest.approx(10 + 3 / 7, abs=1e-3)
    assert row.item() == pytest.approx(10, abs=1e-3)


def test_window_cells_stay_inside_the_grid() -> None:
    index, inside = window_cells(8, 3)
    assert index.shape == inside.shape == (64, 9)
    assert index.min() == 0 and index.max() == 63
    assert inside[0].sum() == 4 and inside[9].sum() == 9


def test_block_resampler_equals_the_gather_of_every_pixel() -> None:
    """Averaging the r x r block of the chosen cell for every pixel, as published, without the shortcut."""
    torch.manual_seed(0)
    features, index, ratio = torch.rand(1, 2, 16, 16), torch.randint(0, 64, (1, 64)), 2
    pooled = torch.nn.functional.avg_pool2d(features, ratio)
    fast = resample_blocks(pooled, index, ratio)
    for y in range(16):
        for x in range(16):
            cell = int(index[0, (y // ratio) * 8 + x // ratio])
            row, column = cell // 8 * ratio, cell % 8 * ratio
            block = features[0, :, row : row + ratio, column : column + ratio].mean((1, 2))
            torch.testing.assert_close(fast[0, :, y, x], block)


def test_windows_round_trip() -> None:
    x = torch.rand(2, 16, 16, 3)
    torch.testing.assert_close(join_windows(split_windows(x, 8), 16, 16, 8), x)


def placements(count: int) -> Tensor:
    """Places of teeth as faces have them: some turned, some small, one half outside the picture."""
    turn = torch.linspace(-0.3, 0.3, count)
    size, shift = torch.linspace(3, 8, count), torch.linspace(-2.0, 2.5, count)
    rows = [size, turn * size, shift, -2 * turn * size, 2 * size, torch.linspace(-5, 1, count)]
    maps = torch.stack(rows, -1).view(count, 1, 2, 3)
    return torch.cat([maps, maps + torch.tensor([[0.0, 0, 0], [0, 0, -0.4]])], dim=1)


def test_teeth_in_their_box_equal_those_of_the_whole_picture() -> None:
    torch.manual_seed(2)
    layer = TeethLayer(TINY_SMALL)
    layer.texture.data.normal_()
    maps = placements(5)
    shown = layer(maps)
    colour = layer.texture.sigmoid()
    colour = torch.cat([colour[:, :3] * colour[:, 3:], colour[:, 3:]], dim=1)
    upper, lower = (
        F.grid_sample(
            colour[r].expand(5, -1, -1, -1),
            F.affine_grid(maps[:, r], [5, 4, layer.size, layer.size], align_corners=False),
            align_corners=False,
        )
        for r in range(2)
    )
    torch.testing.assert_close(shown, upper + (1 - upper[:, 3:]) * lower, atol=1e-4, rtol=0)
    assert shown.amax() > 0.5 and (shown == 0).float().mean() > 0.2


def test_a_collapsed_placement_of_teeth_is_drawn_all_the_same() -> None:
    layer = TeethLayer(TINY_SMALL)
    assert layer(torch.zeros(2, 2, 2, 3)).shape == (2, 4, 128, 128)


def test_teeth_are_seen_where_synthesis_lets_them() -> None:
    torch.manual_seed(1)
    renderer = Renderer(TINY_SMALL).eval()
    assert renderer.teeth is not None
    source, motion = renderer.encode_source(torch.rand(1, 3, 128, 128)), torch.randn(1, 32)
    final = renderer.synthesis.final
    assert final.bias is not None
    frames = []
    for gate, visible in ((-20.0, -20.0), (-20.0, 20.0), (20.0, 20.0)):
        final.bias.data[12:16], final.bias.data[16:20] = gate, visible
        frames.append(renderer.render(motion, source))
    opacity = renderer.teeth(renderer.teeth.place(renderer.identity_adapter(motion, source.identity)))[:, 3:]
    changed = (frames[1] - frames[0]).abs().amax(1, keepdim=True)
    assert opacity.amax() > 0.4 and changed.amax() > 0.01
    assert changed[opacity == 0].amax() < 1e-5  # nothing beside the rows
    torch.testing.assert_close(frames[2], renderer.synthesize(motion, source)[0].resampled, atol=1e-4, rtol=0)


def test_gate_starts_near_the_source_pixels() -> None:
    torch.manual_seed(1)
    renderer = Renderer(TINY_SMALL).eval()
    source = renderer.encode_source(torch.rand(1, 3, 128, 128))
    drawn, _ = renderer.synthesize(torch.randn(1, 32), source)
    assert drawn.gate is not None and drawn.gate.mean() > 0.75
