"""The completion engine: what is hidden has no influence, references come into line, the result fits into the frame."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from imtalker.dubbing.completion.alignment import INNER_LIPS, Reference, alignments
from imtalker.dubbing.completion.completion_engine import CompletionEngine
from imtalker.dubbing.completion.mouth_patch import (
    CENTRE,
    OUTLINE,
    apply,
    cut_patch,
    hidden_part,
    in_patch,
    inverse,
    opening_map,
    patch_to_image,
    seen_from,
    taken_over,
)
from imtalker.dubbing.completion.network import FOLD, colour_change
from imtalker.dubbing.mouth_painting import MouthPainter, PaintedInside
from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import SQUARE_CM, register
from imtalker.dubbing.tracking import FaceTrack
from imtalker.errors import InputError, WeightsError
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.mesh import LIP_INNER_UPPER
from imtalker.faces.rigid import rotation_matrix
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS
from imtalker.weights.file import save_weights
from imtalker.weights.load import bundled_basis
from tests.support.completion import SMALL, small_network
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.dubbing import understood

SIDE = SMALL.patch_size
GAPS = (0.0, 3.0, 8.0)


@pytest.fixture(scope="module")
def clip() -> tuple[list[np.ndarray], FaceTrack, References]:
    """One drawn face in one place with three mouths, and what the first pass finds in it."""
    frames = [draw_face(DrawnFace(gap=gap)) for gap in GAPS]
    return frames, *understood(frames)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "painting"])
def engine(request: pytest.FixtureRequest) -> CompletionEngine:
    """With the inside of the mouth drawn by the network, or painted."""
    return CompletionEngine(small_network(), bundled_basis() if request.param else None)


def test_the_inside_is_painted_between_the_lips_that_are_asked_for(clip) -> None:
    """Nothing of it while they are closed; the further they are asked to open, the more of it."""
    _, track, references = clip
    row, gap = track.take(np.array([0])), torch.from_numpy(mouth_space().gap)
    painter = MouthPainter(bundled_basis())
    seen = []
    for opening in (0.0, 0.5, 1.0):
        motion = torch.from_numpy(references.rest_motion[:1]).clone()
        motion[:, EXPRESSION_CHANNELS] += opening * gap / gap.norm() ** 2  # cm between the lips
        reference = Reference.of(references.rest[0], references.rest_motion[0], SIDE)
        lower = reference.asked(motion, row.turn)
        mouth = painter.mouth(references, 0)
        placement = mouth.place(motion, lower)
        lips = lower[:, [mouth_space().landmarks.tolist().index(i) for i in LIP_INNER_UPPER]] * (2 / SQUARE_CM)
        np.testing.assert_allclose(
            placement.lips.inner[0, 0, ::4, 0].numpy(), lips[0, :, 0], atol=0.02
        )  # sealed lips are closer, not elsewhere
        seen.append(float(PaintedInside.of(mouth, placement).pixels[..., 3].sum()))
    assert seen[0] < 0.05 * seen[2] and seen[0] < seen[1] < seen[2]


def inputs(batch: int = 2, references: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    hidden = torch.from_numpy(hidden_part(np.eye(3), SIDE)).float().expand(batch, 1, SIDE, SIDE)
    return {
        "source": random(batch, 3, SIDE, SIDE), "hidden": hidden, "opening": random(batch, 1, SIDE, SIDE),
        "offsets": random(batch, 49, 3), "pose": random(batch, 3),
        "references": random(batch, references, 3, SIDE, SIDE),
    }  # fmt: skip


def test_hidden_pixels_have_no_influence() -> None:
    network, given = small_network(), inputs()
    painted = given["source"] * (1 - given["hidden"]) + given["hidden"] * torch.rand(2, 3, SIDE, SIDE)
    first, second = network(**given), network(**{**given, "source": painted})
    for name in ("latent", "drawn", "keep", "tone"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    seen = network(**{**given, "source": 1 - given["source"]})
    assert not torch.allclose(first.latent, seen.latent)


@pytest.mark.parametrize("count", [1, 2])
def test_a_new_network_is_one_without_reference_attention(count: int) -> None:
    given = inputs(references=count)
    for alpha, same in ((0.0, True), (0.3, False)):
        network = small_network(alpha=alpha)
        tokens = network.tokens(given["offsets"], given["pose"])
        latents = network.autoencoder.encode(given["references"].flatten(0, 1)).unflatten(0, (2, count))
        maps = torch.nn.functional.avg_pool2d(torch.cat([given["hidden"], given["opening"]], 1), FOLD)
        masked = network.autoencoder.encode(given["source"] * (1 - given["hidden"]))
        with_them, without = (network.unet(masked, maps, tokens, r) for r in (latents, None))
        assert all(torch.equal(a, b) for a, b in zip(with_them, without, strict=True)) is same


def test_motion_changes_what_is_drawn() -> None:
    network, given = small_network(), inputs()
    other = network(**{**given, "offsets": given["offsets"] + 0.5})
    assert not torch.allclose(network(**given).latent, other.latent)


def test_a_colour_cast_is_found_where_both_are_seen() -> None:
    given = inputs()
    cast = torch.tensor([0.05, -0.03, 0.08])[None, :, None, None]
    picture = torch.full((1, 3, SIDE, SIDE), 0.5)
    hidden = given["hidden"][:1]
    change = colour_change((picture + cast) * (1 - hidden), picture, hidden)
    torch.testing.assert_close(change, cast.expand_as(change), atol=0.01, rtol=0)


@pytest.mark.parametrize("yaw", [0.0, 20.0, -25.0])
def test_the_patch_has_the_mouth_in_the_middle_however_the_head_turns(yaw: float) -> None:
    turn = rotation_matrix(yaw, 5, 0)
    to_image = np.array([[18.0, 3.0, 200], [-3.0, 18.0, 150]])
    place = patch_to_image(to_image, turn, SIDE)
    middle = np.full(2, SIDE / 2 - 0.5)
    np.testing.assert_allclose(apply(place, middle), apply(to_image, seen_from(CENTRE, turn)))
    np.testing.assert_allclose(apply(inverse(place), apply(place, middle)), middle)
    outline = in_patch(seen_from(OUTLINE, turn), turn, SIDE)
    assert (outline > 0).all() and (outline < SIDE - 1).all()
    hidden = hidden_part(turn, SIDE)
    taken = taken_over(hidden)
    assert (taken[~hidden] == 0).all() and taken.max() == 1 and 0.3 < hidden.mean() < 0.7


def test_alignment_takes_landmarks_to_where_they_are_asked() -> None:
    rng = np.random.default_rng(0)
    there = rng.uniform(20, 76, (64, 2))
    wanted = there + 4 * np.sin(there / 15)
    still = alignments(there, there[None], 96)[0]
    x, y = np.meshgrid(np.arange(96), np.arange(96))
    np.testing.assert_allclose(still, np.stack([x, y], -1), atol=1e-3)
    source_map = alignments(wanted, there[None], 96)[0]
    nearest = np.rint(wanted).astype(int)
    found = source_map[nearest[:, 1], nearest[:, 0]] - (nearest - wanted)
    assert np.abs(found - there).mean() < 0.6  # pixels; smoothing leaves a part
    shifted = alignments(there + np.array([5, 0]), there[None], 96)[0]
    assert np.abs(shifted[48, 48] - [43, 48]).max() < 1
    together = alignments(wanted, np.stack([there, wanted]), 96)
    np.testing.assert_allclose(together[0], source_map, atol=1e-3)
    np.testing.assert_allclose(together[1], still, atol=1e-3)


def test_closed_lips_that_lie_on_each_other_can_be_aligned() -> None:
    there = np.random.default_rng(0).uniform(20, 76, (64, 2))
    wanted = there.copy()
    wanted[54:64] = wanted[44:54]
    assert np.isfinite(alignments(wanted, there[None], 96)[0]).all()


def test_the_opening_covers_its_area() -> None:
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    lips = 40 + np.stack([12 * np.cos(angle), 6 * np.sin(angle)], 1)
    assert opening_map(lips, 96).sum() == pytest.approx(np.pi * 12 * 6, rel=0.25)  # the border's pixels count too
    assert opening_map(lips * [1, 0] + [0, 40], 96).sum() < 60


def test_a_reference_asked_for_its_own_motion_keeps_its_landmarks(clip) -> None:
    references = clip[2]
    rest, motion = references.rest[0], references.rest_motion[0]
    reference = Reference.of(rest, motion, 96)
    own = reference.asked(torch.from_numpy(motion)[None], reference.turn[None])[0]
    np.testing.assert_allclose(own, reference.seen, atol=1e-6)
    in_picture = apply(reference.to_picture, reference.landmarks(96))
    to_square = register(FaceLandmarks(rest.points, np.zeros(0))).to_image
    there = apply(rest.to_picture, apply(inverse(to_square), rest.points[:, :2]))
    assert np.abs(in_picture[:, None] - there[None]).sum(-1).min(1).max() < 1e-3  # each is one of the landmarks
    turned = reference.asked(torch.from_numpy(motion)[None], (rotation_matrix(10, 0, 0) @ reference.turn)[None])[0]
    assert (turned[:, 0] > own[:, 0]).mean() > 0.8  # the nose goes to the right, and the mouth with it


def test_the_open_frame_is_seen_where_its_landmarks_are(clip) -> None:
    frames, track, references = clip
    assert references.open is not None and references.open.index == 2
    opened = Reference.of(references.open, references.open_motion, 96)
    own = cut_patch(frames[2], track.to_image[2], track.turn[2], 96)
    assert np.abs(opened.patch.astype(float) - own).mean() < 4  # registered once more, in its square
    there = in_patch(apply(inverse(track.to_image[2]), track.lower[2]), track.turn[2], 96)
    assert np.abs(opened.landmarks(96) - there).max() < 1.5  # pixels


def test_the_old_mouth_does_not_reach_the_new_one(clip, engine: CompletionEngine) -> None:
    """The mouth painted over in a frame: the same patch wherever it is drawn, the frame itself elsewhere."""
    frames, track, references = clip
    row, motion = track.take(np.array([1])), torch.from_numpy(track.motion[:1])
    place = patch_to_image(row.to_image[0], row.turn[0], SIDE)
    size = frames[1].shape[1::-1]
    taken = cv2.warpAffine(taken_over(hidden_part(row.turn[0], SIDE)), place, size)
    seen = cv2.warpAffine((~hidden_part(row.turn[0], SIDE)).astype(np.float32), place, size, borderValue=1.0)
    painted = frames[1].copy()
    painted[seen == 0] = (0, 255, 0)
    assert (painted != frames[1]).any()
    plain, other = (engine.draw([frame], row, motion, references)[0] for frame in (frames[1], painted))
    area = np.s_[plain.top : plain.top + len(plain.pixels), plain.left : plain.left + plain.pixels.shape[1]]
    np.testing.assert_array_equal(plain.pixels[taken[area] == 1], other.pixels[taken[area] == 1])
    np.testing.assert_array_equal(plain.pixels[taken[area] == 0], frames[1][area][taken[area] == 0])
    assert (plain.pixels[taken[area] == 1] != frames[1][area][taken[area] == 1]).any()
    np.testing.assert_array_equal(plain.lower, other.lower)


def test_a_mouth_is_seen_as_the_frame_shows_it_that_is_as_far_open(clip, engine: CompletionEngine) -> None:
    """Asked of the closed frame, it looks between the lips as in the open one: not as drawn, or as painted."""
    frames, track, references = clip
    row, motion = track.take(np.array([0])), torch.from_numpy(track.motion[2:])
    shown, unseen = (
        engine.draw(frames[:1], row, motion, given)[0] for given in (references, replace(references, mouths=()))
    )
    lips = np.rint(shown.lower[INNER_LIPS]).astype(np.int32)
    inside = cv2.fillPoly(np.zeros(frames[0].shape[:2], np.uint8), [lips], [1]) > 0
    true = frames[2][inside].astype(float)

    def off(patch) -> float:
        whole = frames[0].astype(float)
        whole[patch.top : patch.top + len(patch.pixels), patch.left : patch.left + patch.pixels.shape[1]] = patch.pixels
        return float(np.abs(whole[inside] - true).mean())

    assert off(shown) < 12 and off(shown) < 0.6 * off(unseen)  # grey levels


def test_frames_drawn_together_and_alone_are_equal(clip, engine: CompletionEngine) -> None:
    frames, track, references = clip
    motion = torch.from_numpy(track.motion)
    together = engine.draw(frames, track, motion, references)
    again = engine.draw(frames, track, motion, references)
    for i, patch in enumerate(together):
        (alone,) = engine.draw([frames[i]], track.take(np.array([i])), motion[i : i + 1], references)
        assert (alone.left, alone.top) == (patch.left, patch.top)
        difference = np.abs(alone.pixels - patch.pixels)  # grey levels; where one is rounded, a last bit decides
        assert difference.max() < 1.1 and (difference > 0.1).mean() < 1e-3
        np.testing.assert_array_equal(patch.pixels, again[i].pixels)


def test_a_face_at_the_border_of_the_picture_can_be_drawn(clip, engine: CompletionEngine) -> None:
    frames, track, references = clip
    cut = frames[0][:190, 90:]
    moved = track.take(np.array([0]))
    moved = replace(moved, to_image=moved.to_image - [[[0, 0, 90], [0, 0, 0]]], lower=moved.lower - [90, 0])
    (patch,) = engine.draw([cut], moved, torch.from_numpy(moved.motion), references)
    assert patch.left >= 0 and patch.top + len(patch.pixels) <= 190 and np.isfinite(patch.pixels).all()


def test_without_a_frame_at_rest_there_is_nothing_to_draw_from(clip, engine: CompletionEngine) -> None:
    frames, track, references = clip
    nothing = replace(references, rest=(), rest_motion=np.zeros((0, 32), np.float32), rest_pose=np.zeros((0, 2)))
    with pytest.raises(InputError, match="at rest"):
        engine.draw(frames, track, torch.from_numpy(track.motion), nothing)


def test_weights_survive_their_file_and_damage_is_named(clip, tmp_path: Path) -> None:
    frames, track, references = clip
    engine = CompletionEngine(small_network())
    path = tmp_path / "completion.safetensors"
    save_weights(small_network(), SMALL, path)
    row, motion = track.take(np.array([0])), torch.from_numpy(track.motion[:1])
    first, second = (e.draw(frames[:1], row, motion, references)[0] for e in (engine, CompletionEngine.load(path)))
    np.testing.assert_allclose(first.pixels, second.pixels, atol=0.1)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="not a complete"):
        CompletionEngine.load(path)
