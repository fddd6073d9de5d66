"""What a renderer does without a part, on small random networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from imtalker.errors import InputError
from imtalker.evaluate.ablation import ABLATIONS, ablate, parts_of, without
from imtalker.evaluate.dataset import read_dataset
from imtalker.evaluate.evaluation import evaluate
from imtalker.evaluate.protocols import Evaluator
from imtalker.evaluate.reference_networks import load_reference_networks
from imtalker.evaluate.report_html import html_page
from imtalker.evaluate.report_text import ablation_table
from imtalker.renderer import Painter
from imtalker.renderer.backdrop import Backdrop
from imtalker.renderer.compose import move_pixels
from imtalker.renderer.eyes import Eyes
from imtalker.renderer.fuse import fuse
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.lids import LidLines
from imtalker.renderer.lips import LipLines
from imtalker.renderer.motion_transfer import resize_coordinates
from imtalker.renderer.mouth_interior import MouthInterior
from imtalker.renderer.robust_guide import cell_positions, repair, to_coordinates, to_displacement
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import write_video
from tests.support.standin import small_models, small_pipeline

PARTS = ("gate", "pixels", "drawing", "teeth", "identity", "repair", "landmarks", "mouth", "eyes", "body")


def lively_renderer(name: str = "tiny"):
    """Random weights, also where training starts at zero: every part has an effect."""
    renderer = small_models(name).renderer.requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for parameter in renderer.parameters():
        if not parameter.any():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    if name == "tiny":
        renderer.synthesis.final.bias[12:20] = 0  # gate and opening half open
    return renderer


@pytest.fixture
def portrait() -> torch.Tensor:
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def motion() -> torch.Tensor:
    return 0.5 * torch.randn(2, 32, generator=torch.Generator().manual_seed(3))


def source_of(renderer, portrait, wide=None):
    """With made-up landmarks, a mouth and eyes among them, so that following and painting them has an effect."""
    generator = torch.Generator().manual_seed(6)
    head = 4 * torch.randn(478, 3, generator=generator)
    landmarks = torch.rand(478, 2, generator=generator) - 0.5
    geometry = FaceGeometry(
        landmarks, head, torch.zeros(32), torch.zeros(23, 3 * 468), torch.zeros(23, 2), torch.ones(2, 9)
    )
    lips = LipLines.through(landmarks[None])
    corners = torch.tensor([[[0.0, -6, 4], [1, -6, 4], [0, -7, 4]]]).expand(2, -1, -1)
    mouth = MouthInterior(
        torch.rand(2, 4, 128, 256, generator=generator),
        corners,
        torch.zeros(23),
        torch.zeros(3),
        torch.full((3,), 0.5),
        torch.tensor(5.0),
        lips.inner,
        lips.outer,
        torch.zeros(lips.inner.shape[2]),
    )
    lids = LidLines.through(landmarks[None])
    boxes = torch.tensor([[-0.6, -0.6], [0.6, 0.6]]).expand(2, -1, -1)
    eyes = Eyes(
        edges=torch.stack([lines.edge for lines in lids]),
        rings=torch.stack([lines.ring for lines in lids]),
        unit=torch.tensor(0.07),
        whites=torch.rand(2, 4, 8, 8, generator=generator),
        boxes=boxes,
        irises=torch.rand(2, 4, 8, 8, generator=generator),
        centres=torch.zeros(2, 2),
        radii=torch.full((2,), 0.1),
        skin=torch.rand(2, 4, 8, 8, generator=generator),
        skin_boxes=boxes,
        lines=torch.full((2,), 0.5),
        shift=torch.zeros(2, 2),
    )
    pictures = torch.rand(3, 1, 3, 128, 128, generator=generator)
    backdrop = Backdrop(pictures[0][:, :1], pictures[1], pictures[2], torch.tensor(1.25))
    return renderer.encode_source(portrait, torch.zeros(1, 32), wide, geometry, mouth, eyes, backdrop)


def test_every_part_changes_the_frames_and_leaves_the_loaded_renderer_as_it_was(portrait, motion):
    renderer = lively_renderer()
    before = {name: value.clone() for name, value in renderer.state_dict().items()}
    shipped = renderer.render(motion, source_of(renderer, portrait), 128)
    assert parts_of(renderer.config) == PARTS
    for part in PARTS:
        changed = without(renderer, part)
        assert not torch.equal(changed.render(motion, source_of(changed, portrait), 128), shipped), part
    for name, value in renderer.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(renderer.render(motion, source_of(renderer, portrait), 128), shipped)


@pytest.mark.parametrize("part", PARTS)
def test_a_fused_renderer_loses_the_same_part(part, portrait, motion):
    plain = without(lively_renderer(), part)
    fused = without(fuse(lively_renderer()), part)
    assert torch.allclose(
        plain.render(motion, source_of(plain, portrait)), fused.render(motion, source_of(fused, portrait)), atol=2e-3
    )


@pytest.mark.parametrize("size", [64, 128])
def test_with_everything_drawn_no_moved_pixel_is_in_the_frame(size, portrait, motion):
    renderer = without(lively_renderer(), "gate")
    source = source_of(renderer, portrait)
    layers, _ = renderer.layers(motion, source)
    assert not layers.gate.any()
    # nor do bytes take any from the picture, which is another one only when they are composed
    painter, black = Painter(renderer, source, size), Painter(renderer, source, size)
    black._picture = np.zeros_like(painter._picture)
    assert np.array_equal(painter(motion), black(motion))


def test_unseen_pixels_have_no_way_into_the_frame(portrait, motion):
    """Other pixels of the wide picture change what is shipped, and "gate" by what it draws, but not "pixels"."""
    first = (F.pad(portrait, (8,) * 4, mode="replicate"), 1.25)
    other = (first[0].flip(3), 1.25)
    for part, same in ((None, False), ("gate", False), ("pixels", True)):
        renderer = lively_renderer() if part is None else without(lively_renderer(), part)
        frames = [renderer.render(motion, source_of(renderer, portrait, wide), 128) for wide in (first, other)]
        assert torch.equal(*frames) is same, part


def test_with_nothing_drawn_the_frame_is_moved_pixels(portrait, motion):
    renderer = without(lively_renderer(), "drawing")
    source = source_of(renderer, portrait)
    layers, _ = renderer.layers(motion, source)
    moved = move_pixels(source, resize_coordinates(layers.coordinates, 128))
    assert torch.allclose(renderer.render(motion, source, 128), moved, atol=1e-6)


def test_without_teeth_their_texture_is_not_seen(portrait, motion):
    for part, same in ((None, False), ("teeth", True)):
        renderer = lively_renderer() if part is None else without(lively_renderer(), part)
        source = source_of(renderer, portrait)
        frames = renderer.render(motion, source)
        renderer.teeth.texture.add_(3)
        assert torch.equal(renderer.render(motion, source), frames) is same


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_without_identity_everybody_moves_alike(name, motion):
    renderer = lively_renderer(name)
    people = torch.randn(2, 2, 16, generator=torch.Generator().manual_seed(4))
    for changed, same in ((renderer, False), (without(renderer, "identity"), True)):
        maps = [changed.motion_maps(motion, person)[-1] for person in people]
        assert torch.equal(*maps) is same


def test_what_is_not_repaired_is_what_the_repair_starts_from():
    transfer = lively_renderer().transfer
    raw_transfer = without(lively_renderer(), "repair").transfer
    weights = (6 * torch.randn(1, 256, 256, generator=torch.Generator().manual_seed(5))).softmax(-1)
    raw, repaired = raw_transfer.guide(weights).coordinates, transfer.guide(weights).coordinates
    cells = cell_positions(16)
    assert raw.abs().max() <= 1 and not torch.allclose(raw, repaired)
    assert torch.allclose(to_coordinates(repair(to_displacement(raw, cells), cells), cells), repaired, atol=1e-5)


def test_what_an_architecture_lacks_cannot_be_left_out():
    renderer = small_models("base").renderer
    assert parts_of(renderer.config) == ("identity",)
    for part in ("gate", "teeth", "repair", "hair"):
        with pytest.raises(InputError, match=f"no part '{part}'.*it has identity"):
            without(renderer, part)
    without_teeth = replace(small_models().renderer.config, teeth_texture=False)
    assert "teeth" not in parts_of(without_teeth)


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_table_of_parts_begins_with_the_pipeline_as_it_is(name, tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", frames=13, picture=lambda i: draw_face(DrawnFace(gap=3 + i % 4), 192))
    dataset = read_dataset(tmp_path)
    pipeline = small_pipeline(name)
    measure = Evaluator(pipeline, load_reference_networks(None))
    plain = evaluate(measure, dataset, "self").scores[0]
    run = []

    def score(self, *_):
        run.append(self.pipeline)
        return plain

    monkeypatch.setattr(Evaluator, "score", score)
    rows = ablate(measure, dataset, "parts")
    known = (None, *parts_of(pipeline.models.renderer.config))
    expected = [setting.name for setting in ABLATIONS["parts"].settings if setting.without in known]
    assert [row.setting for row in rows] == expected and len(expected) == len(known)
    assert run[0] is pipeline and len({id(other.models.renderer) for other in run}) == len(known)
    assert all(other.models.generator is pipeline.models.generator and other.size == pipeline.size for other in run)
    table = ablation_table(rows)
    assert all(row in table for row in expected) and "self protocol" in table and "Ablation" in html_page(rows)
