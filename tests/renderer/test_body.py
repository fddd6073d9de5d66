"""The whole person moves: hair with the head, shoulders with the torso; what is behind stands still."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imtalker.config import BODY_CELLS, BODY_DIM
from imtalker.faces.mesh import CHIN
from imtalker.faces.motion_reading import MotionBasis, read_portrait
from imtalker.pipeline import load_pipeline
from imtalker.pipeline.inputs import Portrait
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.renderer import Painter
from imtalker.renderer.backdrop import FRINGE, SIDE, Backdrop, middle
from imtalker.renderer.body import BODY_REACH, follow_head_and_torso, head_place, sway
from imtalker.renderer.face_outline import depth
from imtalker.renderer.landmark_guide import FaceGeometry, follow_landmarks, sample_coordinates
from imtalker.renderer.portrait_part import face_unit
from imtalker.weights.load import bundled_basis
from tests.support.puppet_person import mean_landmarks

PORTRAIT = Path(__file__).parents[2] / "assets" / "portraits" / "mei.jpg"
N = 64


@pytest.fixture(scope="module")
def basis() -> MotionBasis:
    return bundled_basis()


@pytest.fixture(scope="module")
def geometry(basis: MotionBasis) -> FaceGeometry:
    points = mean_landmarks()
    return FaceGeometry.of(points, read_portrait(points, basis), basis)


@pytest.fixture(scope="module")
def pipeline() -> TalkingHeadPipeline:
    return load_pipeline("tiny", size=256)


@pytest.fixture(scope="module")
def portrait(pipeline: TalkingHeadPipeline) -> Portrait:
    return pipeline.encode_source(np.asarray(Image.open(PORTRAIT).convert("RGB")))


@pytest.mark.parametrize(("wide", "reach"), [(352, 1.375), (353, 1.38), (351, 1.3745), (90, 1.0)])
def test_the_middle_of_a_picture_stays_in_its_place(wide: int, reach: float):
    """However its margins are rounded: a ramp of places in the square shows where each pixel lies."""
    ramp = ((np.arange(wide) + 0.5) / wide - 0.5) * reach
    picture = np.repeat(np.repeat(ramp[None, :, None], wide, 0), 3, 2)
    cut = middle(picture, reach)
    side = len(cut)
    assert side == round(wide / reach) and cut.shape == (side, side, 3)
    wanted = (np.arange(side) + 0.5) / side - 0.5
    inside = slice(2, -2)
    np.testing.assert_allclose(cut[side // 2, inside, 0], wanted[inside], atol=0.05 / side)


def identity(batch: int = 1) -> torch.Tensor:
    centres = (torch.arange(N) + 0.5) / N * 2 - 1
    return torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1).repeat(batch, 1, 1, 1)


def moved(motion: torch.Tensor, body: torch.Tensor | None = None, /, **changes: float) -> torch.Tensor:
    motion = motion.clone()
    for channel, change in changes.items():
        motion[int(channel[1:])] += change
    return (motion if body is None else torch.cat([motion, body.flatten()]))[None]


def shifted_body(x: float, y: float, first_row: int = 0) -> torch.Tensor:
    """A body of which everything from a row of the lattice on is seen (x, y) cm from where it usually is."""
    body = torch.zeros(BODY_CELLS, BODY_CELLS, 2)
    body[first_row:] = torch.tensor([x, y])
    return body


def follow(geometry: FaceGeometry, motion: torch.Tensor):
    targets, _ = geometry.place(motion)
    return follow_head_and_torso(identity(len(motion)), motion, targets, geometry, depth(targets, N))


def crown_and_shoulder(geometry: FaceGeometry) -> torch.Tensor:
    """A place above the forehead and one in the lower corner (1, 2, 2)."""
    top = geometry.landmarks[10]
    return torch.stack([top - torch.tensor([0.0, 0.2]), torch.tensor([0.8, 0.9])])[None]


def test_at_the_own_motion_everything_stays(geometry: FaceGeometry) -> None:
    body = follow(geometry, geometry.motion[None])
    assert (body.coordinates - identity()).abs().max() < 2e-3
    assert body.moved.max() < 1e-3
    assert body.face.min() == 0 and body.face.max() == body.core.max() == 1
    assert (body.core <= body.face).all()


@pytest.mark.parametrize("channel", ["c3", "c4", "c2", "c5"])
def test_hair_goes_where_the_head_goes(geometry: FaceGeometry, channel: str) -> None:
    """Shift, roll and size of the head: a place in the head's own frame comes from itself."""
    motion = moved(geometry.motion, **{channel: 0.4})
    own, place = head_place(geometry.motion[None]), head_place(motion)
    at = crown_and_shoulder(geometry)[:, :1]
    found = sample_coordinates(follow(geometry, motion).coordinates, at)
    relative = torch.view_as_complex((at - place).contiguous())
    before = torch.view_as_complex((found - own).contiguous())
    size, roll = (motion[0, 5] - geometry.motion[5]) * 0.06, torch.deg2rad((motion[0, 2] - geometry.motion[2]) * 10)
    turned = relative * torch.polar(torch.exp(-size), roll)  # y points down, so roll is counter-clockwise backwards
    torch.testing.assert_close(before, turned, atol=0.01, rtol=0)


def test_the_body_is_where_its_lattice_says(geometry: FaceGeometry) -> None:
    motion = geometry.motion
    body = shifted_body(0.5, -0.3, first_row=BODY_CELLS * 3 // 4)
    still, shifted = (follow(geometry, moved(motion, lattice)) for lattice in (None, body))
    change = sample_coordinates(shifted.coordinates - still.coordinates, crown_and_shoulder(geometry))[0]
    assert change[0].abs().max() < 1e-3  # hair, on other nodes
    wanted = torch.tensor([0.5, -0.3]) * face_unit(motion[None])
    torch.testing.assert_close(change[1], wanted, atol=1e-3, rtol=0)
    face = torch.zeros(1, 1, 2) + geometry.landmarks[:468].mean(0)
    inside = sample_coordinates(shifted.coordinates, face) - sample_coordinates(still.coordinates, face)
    assert inside.abs().max() < 1e-6 and shifted.moved > still.moved


def test_the_lattice_lies_round_the_head_and_is_as_large_as_the_face(geometry: FaceGeometry) -> None:
    """A body that says of each node where it lies, cm from the head's centre, says it of every place."""
    nodes = torch.linspace(-BODY_REACH, BODY_REACH, BODY_CELLS)
    body = torch.stack(torch.meshgrid(nodes, nodes, indexing="xy"), -1)
    motion = moved(geometry.motion, body, c3=0.5, c4=-0.4, c5=1.5)
    found = sway(motion, N)[0] + head_place(motion)[0]
    within = ((identity()[0] - head_place(motion)[0]).abs() < BODY_REACH * face_unit(motion)).all(-1)
    torch.testing.assert_close(found[within], identity()[0][within], atol=1e-4, rtol=0)


def test_no_body_is_one_that_goes_with_the_head(geometry: FaceGeometry) -> None:
    motion = moved(geometry.motion, c0=0.5, c3=0.4)
    rest = torch.cat([motion, torch.zeros(1, BODY_DIM)], 1)
    assert torch.equal(follow(geometry, motion).coordinates, follow(geometry, rest).coordinates)


def test_a_chin_that_rises_shows_the_neck_and_no_second_chin(geometry: FaceGeometry) -> None:
    motion = moved(geometry.motion, c1=1.2, c4=0.8)
    placed = geometry.place(motion)
    face = follow_landmarks(identity(), *placed, geometry.landmarks)
    chin = placed[0][0, CHIN]
    below = chin + torch.tensor([[0.0, y] for y in np.linspace(0.02, 0.5, 20)], dtype=torch.float32)
    body = follow_head_and_torso(face, motion, placed[0], geometry, depth(placed[0], N))
    source = sample_coordinates(body.coordinates, below[None])[0, :, 1]
    assert (source.diff() > -1e-3).all()
    way = geometry.landmarks[CHIN, 1] - chin[1]
    assert way > 0.14 and geometry.landmarks[CHIN, 1] - source.min() < 0.3 * way


def test_frames_do_not_depend_on_their_batch(geometry: FaceGeometry) -> None:
    bodies = shifted_body(0.2, 0.1), shifted_body(0.0, 0.4)
    motions = torch.cat([moved(geometry.motion, bodies[0], c0=0.8), moved(geometry.motion, bodies[1], c1=0.9)])
    together = follow(geometry, motions)
    for i in range(2):
        alone = follow(geometry, motions[i : i + 1])
        torch.testing.assert_close(together.coordinates[i : i + 1], alone.coordinates, atol=1e-5, rtol=0)


def test_at_the_own_motion_the_frame_is_as_without_a_backdrop(
    portrait: Portrait, pipeline: TalkingHeadPipeline
) -> None:
    source = portrait.features
    assert source.backdrop is not None
    with torch.no_grad():
        body, plain = (
            pipeline.models.renderer.render(source.motion, s) for s in (source, replace(source, backdrop=None))
        )
    assert (body - plain).abs().mean() < 0.004


def test_the_background_stands_still(portrait: Portrait, pipeline: TalkingHeadPipeline) -> None:
    """Far from the person the frame is the portrait, to the last level, however the head moves."""
    motion = portrait.features.motion.repeat(2, 1)
    motion[0, 3:5] += 0.5
    motion[1, 0] += 1.0
    frames = Painter(pipeline.models.renderer, portrait.features, 256)(motion)
    backdrop = portrait.features.backdrop
    assert backdrop is not None
    square = (255 * torch.nn.functional.interpolate(backdrop.square, (256, 256), mode="area")).round()[0]
    corner = np.s_[:24, :24]
    expected = square.permute(1, 2, 0).numpy()[corner]
    for frame in frames:
        assert np.abs(frame[corner].astype(float) - expected).max() <= 1


def test_bytes_are_what_tensors_are(portrait: Portrait, pipeline: TalkingHeadPipeline) -> None:
    motion = torch.cat([portrait.features.motion, shifted_body(0.2, 0.1).view(1, -1)], 1)
    motion[0, 3] += 0.4
    frames = Painter(pipeline.models.renderer, portrait.features, 256)(motion)
    with torch.no_grad():
        expected = pipeline.models.renderer.render(motion, portrait.features, 256)
    difference = np.abs(frames[0] - 255 * expected[0].permute(1, 2, 0).numpy())
    assert np.percentile(difference, 99.9) < 2.5 and difference.mean() < 0.6


def picture_with_person(face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A white disk round the face on grey (320,320,3), and its matte."""
    y, x = np.mgrid[:320, :320]
    middle = (face.mean(0) / 1.25 + 1) * 160
    matte = (np.hypot(x - middle[0], y - middle[1]) < 110).astype(np.float32)
    return np.repeat(np.where(matte > 0, 255, 90)[..., None], 3, -1).astype(np.uint8), matte


def test_the_plate_shows_no_person(geometry: FaceGeometry) -> None:
    face = geometry.landmarks[:468].numpy()
    picture, matte = picture_with_person(face)
    backdrop = Backdrop.of(picture, 1.25, matte, face)
    assert backdrop is not None and backdrop.plate.shape == (1, 3, 256, 256)
    assert (255 * backdrop.plate - 90).abs().max() < 1.5
    outside = torch.from_numpy(picture[32:-32, 32:-32, 0] == 90)
    assert backdrop.cover.max() == 1 and backdrop.cover.min() == 0
    share = backdrop.seen(identity(), torch.zeros(1, 1, N, N))
    assert share[0, 0, :4, :4].max() == 0 and share[0, 0, N // 2, N // 2] == 1
    assert outside.any() and FRINGE < SIDE / 8
    assert backdrop.behind(torch.tensor([0.0, 1.0])).flatten().tolist() == [0, 1]


@pytest.mark.parametrize("matte", [0.0, 1.0])
def test_a_matte_that_misses_the_face_or_leaves_no_background_is_not_believed(
    geometry: FaceGeometry, matte: float
) -> None:
    face = geometry.landmarks[:468].numpy()
    picture, _ = picture_with_person(face)
    assert Backdrop.of(picture, 1.25, np.full((320, 320), matte, np.float32), face) is None
