"""Stage 1 on drawn puppets: the loss falls, resumed equals uninterrupted, weights come out in the preset format."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imtalker.cli import run_command
from imtalker.config import RendererConfig
from imtalker.errors import InputError
from imtalker.faces.motion_reading import MotionBasis
from imtalker.renderer import Renderer
from imtalker.renderer.teeth import TEXTURE_CM, TeethLayer
from imtalker.train import renderer_losses as losses
from imtalker.train.assemble import assemble
from imtalker.train.loop import LoopConfig
from imtalker.train.renderer import (
    RendererTrainingConfig,
    build_loop,
    load_grown,
    paint_teeth,
    train_renderer,
)
from imtalker.train.renderer_objective import as_images
from imtalker.weights.file import load_module, save_weights
from imtalker.weights.load import MOTION_BASIS
from tests.evaluate.test_metrics import save_random_alexnet
from tests.support.resuming import assert_resumed_equals_uninterrupted
from tests.support.small_configs import TINY_SMALL

SIZE = TINY_SMALL.input_size


class DrawnSampler:
    """A bright square that moves: the simplest person there is. Motion is its place; correspondence is exact."""

    def batch(self, rng: np.random.Generator, count: int) -> list:
        return [self.sample(rng) for _ in range(count)]

    def sample(self, rng: np.random.Generator) -> "DrawnSample":
        places = rng.uniform(-0.4, 0.4, (3, 2)).astype(np.float32)
        colour = rng.integers(90, 255, 3)
        return DrawnSample(places, np.stack([self.draw(place, colour) for place in places]))

    @staticmethod
    def draw(place: np.ndarray, colour: np.ndarray) -> np.ndarray:
        image = np.full((SIZE, SIZE, 3), 40, np.uint8)
        x, y = ((place + 1) * SIZE / 2).astype(int)
        image[y - 16 : y + 16, x - 16 : x + 16] = colour
        return image


class DrawnSample:
    def __init__(self, places: np.ndarray, images: np.ndarray) -> None:
        motion = np.zeros((3, 32), np.float32)
        motion[:, :2] = places * 2
        centres = (np.arange(128) + 0.5) / 64 - 1
        grid = np.stack(np.meshgrid(centres, centres), -1).astype(np.float32)
        inside = np.abs(grid - places[1:, None, None]).max(-1) < 32 / SIZE
        shift = (places[0] - places[1:])[:, None, None]
        box = np.array([SIZE // 4, SIZE // 4, 3 * SIZE // 4, 3 * SIZE // 4], np.int16)
        self.source, self.targets = images[0], images[1:]
        self.source_motion, self.target_motions = motion[0], motion[1:]
        self.coords = np.where(inside[..., None], grid + shift, grid).astype(np.float16)
        self.valid = np.ones((2, 128, 128), bool)
        self.regions = np.zeros((2, 4, 128, 128), np.uint8)
        self.teeth = np.tile(np.float32([[4, 0, 0], [0, 4, 0]]), (2, 2, 1, 1))
        self.boxes = np.broadcast_to(box, (2, 4, 4)).copy()


def config(steps: int, correspondence_steps: int = 0, adversarial_from: int = 10**9) -> RendererTrainingConfig:
    loop = LoopConfig(steps=steps, learning_rate=2e-3, warmup_steps=2, log_every=steps, save_every=10**6,
                      validate_every=10**6, ema_decay=0.9)  # fmt: skip
    return replace(
        RendererTrainingConfig(), assets=("drawn",), model=TINY_SMALL, portraits_per_batch=2, loop=loop,
        correspondence_steps=correspondence_steps, adversarial_from=adversarial_from,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imtalker.train.renderer.make_sampler", lambda *_: DrawnSampler())
    monkeypatch.setattr("imtalker.train.renderer.RendererValidation", lambda *_: None)


def test_crops_show_what_is_in_the_box() -> None:
    picture = torch.zeros(2, 3, 64, 64)
    picture[1, :, 10:20, 30:40] = 1
    boxes = torch.tensor([[30.0, 10, 40, 20], [0, 40, 10, 50]]).expand(2, 2, 4)
    crops = losses.crop_boxes(picture, boxes, 16)
    assert crops.shape == (4, 3, 16, 16)
    assert (crops[2, :, 2:-2, 2:-2] == 1).all() and (crops[[0, 1, 3]] == 0).all()


def test_loss_falls_and_weights_come_out(tmp_path: Path) -> None:
    first = build_loop(config(1), tmp_path / "first", cpu=True).run()["renderer/loss"]
    last = train_renderer(config(8), tmp_path / "run", cpu=True)
    assert last["renderer/loss"] < first
    assemble(tmp_path / "run" / "renderer.safetensors", None, tmp_path / "preset")
    assert MotionBasis.load(tmp_path / "preset" / MOTION_BASIS).solver.shape == (468 * 3, 23)
    renderer, found, _ = load_module(tmp_path / "preset" / "renderer.safetensors", RendererConfig, Renderer)
    assert found == TINY_SMALL
    assert renderer.render(torch.zeros(1, 32), renderer.encode_source(torch.rand(1, 3, SIZE, SIZE))).isfinite().all()


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    stages = config(4, correspondence_steps=2, adversarial_from=3)
    assert_resumed_equals_uninterrupted(
        lambda out: build_loop(stages, out, cpu=True), tmp_path / "a", tmp_path / "b", 2, "renderer"
    )


def test_last_level_only_leaves_the_rest_as_it_was(tmp_path: Path) -> None:
    loop = build_loop(replace(config(steps=3), last_level_only=True), tmp_path, cpu=True)
    before = {name: value.clone() for name, value in loop.raw["renderer"].state_dict().items()}
    loop.run()
    after = loop.raw["renderer"].state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    last = TINY_SMALL.num_levels - 2
    allowed = ("teeth", "synthesis.final", f"synthesis.fuse.{last}", f"synthesis.attention.{last}", "synthesis.offset.")
    assert changed and all(name.removeprefix("renderer.").startswith(allowed) for name in changed)
    assert not any("running" in name for name in changed)
    assert {"renderer.teeth.placement.weight", "renderer.synthesis.final.weight"} <= changed


def test_perceptual_term_where_alexnet_is_at_hand(tmp_path: Path) -> None:
    save_random_alexnet(tmp_path / "alexnet.pth")
    loop = build_loop(replace(config(steps=1), lpips=str(tmp_path / "alexnet.pth")), tmp_path, cpu=True)
    numbers = loop.run()
    assert numbers["renderer/perceptual"] > 0
    assert "perceptual" not in str(loop.raw["renderer"].state_dict().keys())


def test_command_takes_its_defaults_from_the_file_and_options_override_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[RendererTrainingConfig] = []
    monkeypatch.setattr("imtalker.train.renderer.train_renderer", lambda config, *_: given.append(config))
    path = tmp_path / "config.json"
    path.write_text('{"assets": ["a", "b"], "targets_per_portrait": 7, "loop": {"steps": 5, "clip_norm": 3}}')
    command = ["train-renderer", "--config", str(path), "--out", str(tmp_path), "--steps", "9", "--gate-weight", "0.5"]
    assert run_command(command) == 0
    assert given[0].assets == ("a", "b") and given[0].targets_per_portrait == 7
    assert given[0].loop.steps == 9 and given[0].loop.clip_norm == 3
    assert given[0].weights == replace(RendererTrainingConfig().weights, gate=0.5)
    assert given[0].loop.mixed_precision == RendererTrainingConfig().loop.mixed_precision
    monkeypatch.undo()
    for stage in ("train-renderer", "train-motion-encoder"):
        with pytest.raises(InputError, match="nothing to train on"):
            run_command([stage, "--out", str(tmp_path / "none")])
    path.write_text('{"loop": {"steps": "many"}}')
    with pytest.raises(InputError, match="steps"):
        run_command(["train-renderer", "--config", str(path), "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_attention_loss_is_least_at_the_true_cell() -> None:
    centres = (torch.arange(4) + 0.5) / 2 - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    true = torch.stack([x, y], -1)[None]
    ones = torch.ones(1, 4, 4)
    right = losses.attention_loss(torch.eye(16)[None], true, ones, ones)
    wrong = losses.attention_loss(torch.eye(16).roll(1, 1)[None], true, ones, ones)
    spread = losses.attention_loss(torch.full((1, 16, 16), 1 / 16), true, ones, ones)
    assert right.abs() < 1e-3
    assert spread.item() == pytest.approx(np.log(16), abs=1e-3)
    assert wrong > spread > right


def test_pooled_correspondence_ignores_invalid_cells() -> None:
    coords = torch.zeros(1, 4, 4, 2)
    coords[0, 0, 0] = 5
    valid = torch.ones(1, 4, 4, dtype=torch.bool)
    valid[0, 0, 0] = False
    mean, known = losses.pool_correspondence(coords, valid, 2)
    assert mean.abs().max() == 0 and known.min() == 1


def test_distance_consistency_is_zero_for_equal_distances() -> None:
    motion, step = torch.randn(3, 8), torch.randn(3, 8)
    assert losses.distance_consistency_loss(motion, motion + step, motion - step) < 1e-6
    assert losses.distance_consistency_loss(motion, motion + step, motion + 3 * step) > 0.1


def test_placement_loss_is_the_shift_in_centimetres() -> None:
    true = torch.tensor([[[4.0, 0, 0], [0, 8, 1]]]).expand(3, 2, 2, 3)
    mouth = torch.tensor([[20.0, 30, 40, 38]]).expand(3, 4)
    assert losses.placement_loss(true, true, mouth, 64) == 0
    shifted = true.clone()
    shifted[..., 0, 2] += 1  # half the texture's width
    torch.testing.assert_close(losses.placement_loss(shifted, true, mouth, 64), torch.tensor(TEXTURE_CM[1] / 2))


def test_interior_loss_sees_the_opening_alone() -> None:
    wanted, opening = torch.rand(1, 3, 64, 64), torch.zeros(1, 16, 16)
    opening[:, 6:9, 6:9] = 255
    elsewhere, inside = wanted.clone(), wanted.clone()
    elsewhere[..., :16, :] = 0
    inside[..., 28:32, 28:32] = 0
    assert losses.interior_loss(elsewhere, wanted, opening) == 0
    assert losses.interior_loss(inside, wanted, opening) > 0.1


def test_training_starts_from_a_smaller_network(tmp_path: Path) -> None:
    toothless = replace(TINY_SMALL, teeth_texture=False)
    old, path = Renderer(toothless), tmp_path / "renderer.safetensors"
    save_weights(old, toothless, path)
    grown = Renderer(TINY_SMALL)
    load_grown(grown, path)
    torch.testing.assert_close(grown.synthesis.final.weight[:16], old.synthesis.final.weight)
    torch.testing.assert_close(grown.identity_adapter.state_dict(), old.identity_adapter.state_dict())
    save_weights(grown, TINY_SMALL, path)
    with pytest.raises(InputError, match="does not fit"):
        load_grown(Renderer(toothless), path)


def test_teeth_begin_as_drawn_rows_that_mirror() -> None:
    layer = TeethLayer(TINY_SMALL)
    paint_teeth(layer)
    upper, lower = layer.texture.sigmoid()
    torch.testing.assert_close(upper, upper.flip(-1), atol=1e-3, rtol=0)
    middle = upper.shape[1] // 2
    # opaque above the incisal edge of the upper row and below that of the lower one, nothing on the other side
    assert upper[3, middle - 12 : middle - 4, 30:50].min() > 0.9 > 0.1 > upper[3, middle + 4 :].max()
    assert lower[3, middle + 4 : middle + 12, 30:50].min() > 0.9 > 0.1 > lower[3, : middle - 4].max()


def test_pictures_become_floats() -> None:
    assert as_images(torch.full((2, 3, 8, 8, 3), 255, dtype=torch.uint8)).shape == (6, 3, 8, 8)
