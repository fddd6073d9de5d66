"""What is computed another way on the CPU, or in bfloat16, equals the plain way."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from imtalker.pipeline import load_pipeline
from imtalker.renderer import Renderer
from imtalker.renderer.compose import move_pixels
from imtalker.renderer.fuse import RoundedConv, fuse, precision_of, round_inside
from imtalker.renderer.motion_transfer import ImplicitMotionTransfer, resample_coordinates, resize_coordinates
from imtalker.renderer.source import SourceFeatures
from imtalker.renderer.synthesis import unshuffle
from imtalker.weights.presets import TINY_RENDERER
from tests.support.small_configs import TINY_SMALL

PORTRAIT = Path(__file__).parents[2] / "assets" / "portraits" / "mei.jpg"


def field(n: int, reach: float = 1.3, batch: int = 2) -> Tensor:
    """Coordinates that also lead beyond every border and exactly onto it."""
    line = torch.linspace(-reach, reach, n)
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).repeat(batch, 1, 1, 1)
    grid[1:] += 0.3 * torch.randn(grid[1:].shape, generator=torch.Generator().manual_seed(0))
    grid[0, 0, 0], grid[0, -1, -1] = -1, 1
    return grid


@pytest.mark.parametrize(("channels", "height", "width"), [(5, 16, 16), (24, 9, 30), (3, 2, 2)])
def test_features_are_looked_up_as_grid_sample_does(channels: int, height: int, width: int) -> None:
    features, at = torch.randn(1, channels, height, width), field(13)
    expected = resample_coordinates(features, at)  # with gradients: grid_sample
    for layout in (torch.contiguous_format, torch.channels_last):
        with torch.no_grad():
            found = resample_coordinates(features.contiguous(memory_format=layout), at)
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [7, 24, 48])
def test_coordinates_are_resized_as_interpolate_does(size: int) -> None:
    coordinates = field(24)
    expected = resize_coordinates(coordinates, size)
    with torch.no_grad():
        torch.testing.assert_close(resize_coordinates(coordinates, size), expected, rtol=0, atol=1e-5)


def test_pixels_are_moved_as_grid_sample_does() -> None:
    picture = F.interpolate(torch.rand(1, 3, 12, 12), (80, 80), mode="bicubic").clamp(0, 1)
    none = torch.zeros(1, 0)
    source = SourceFeatures(none, none, (), (), (), picture, reach=1.25)
    at = field(20)
    expected = move_pixels(source, at)
    with torch.no_grad():
        torch.testing.assert_close(move_pixels(source, at), expected, rtol=0, atol=1e-4)


def test_pixels_become_channels_as_pixel_unshuffle_does() -> None:
    pixels = torch.rand(2, 3, 8, 12)
    with torch.no_grad():
        cells = unshuffle(pixels)
    assert torch.equal(cells, F.pixel_unshuffle(pixels, 2)) and cells.is_contiguous(memory_format=torch.channels_last)


def test_a_guide_is_the_mean_position_round_the_peak() -> None:
    transfer = ImplicitMotionTransfer(TINY_SMALL)
    transfer.repairs_guide = False
    side = TINY_SMALL.level_size(TINY_SMALL.num_coarse_levels - 1)
    weights = (3 * torch.randn(2, side**2, side**2)).softmax(-1)
    coordinates = transfer.guide(weights).coordinates
    assert coordinates is not None
    near = transfer.neighbours[weights.argmax(-1)]
    local = weights.gather(2, near) * transfer.inside[weights.argmax(-1)]
    expected = (local[..., None] * transfer.centres[near]).sum(2) / local.sum(-1, keepdim=True)
    torch.testing.assert_close(coordinates.flatten(1, 2), expected, rtol=0, atol=1e-5)


def test_rounded_convolutions_do_not_show() -> None:
    pipeline = load_pipeline("tiny", "cpu", "float32")
    features = pipeline.encode_source(PORTRAIT).features
    exact = pipeline.models.renderer
    mixed = round_inside(copy.deepcopy(exact))
    motion = features.motion.repeat(2, 1)
    motion[1, :2] += torch.tensor([1.0, -0.5])  # turned
    motion[:, 9:12] += 0.5
    with torch.inference_mode():
        difference = (mixed.render(motion, features, 512) - exact.render(motion, features, 512)).abs()
    assert 0 < difference.max() <= 1 / 255
    assert precision_of(exact) == "float32" and precision_of(mixed) == "mixed"


def test_only_convolutions_inside_blocks_are_rounded() -> None:
    with torch.device("meta"):
        renderer = round_inside(fuse(Renderer(TINY_RENDERER)))
    rounded = {name for name, module in renderer.named_modules() if isinstance(module, RoundedConv)}
    wide = {f"synthesis.fuse.{level}.{conv}" for level in (0, 1) for conv in ("conv1", "conv2")}
    assert rounded == wide | {f"synthesis.fuse.{level}.residuals.0.conv1" for level in range(4)}
    low = {name for name, p in renderer.named_parameters() if p.dtype == torch.bfloat16}
    assert {name.rsplit(".conv.", 1)[0] for name in low} == rounded
