"""Photo puppets: identity, exact placement, dense correspondence, deterministic training samples."""

from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest
import torch

from imtalker.errors import InputError, NoFaceError
from imtalker.faces.mesh import LIP_INNER_LOWER, LIP_INNER_UPPER
from imtalker.renderer.teeth import TeethLayer
from imtalker.train.puppet import (
    PuppetAsset,
    build_asset,
    correspondence,
    mirror_controls,
    render,
    sample_controls,
)
from imtalker.train.puppet.build import build_file
from imtalker.train.puppet.landmarks import crop_face
from imtalker.train.puppet.matting import estimate_person_mask
from imtalker.train.puppet.sampler import (
    MotionSampler,
    PuppetSampler,
    flip_boxes,
    flip_coords,
    list_assets,
)
from imtalker.train.puppet.topology import BACKGROUND, LEFT_EYE, MIRROR, MOUTH, RIGHT_EYE
from imtalker.train.renderer import paint_teeth
from imtalker.weights.presets import TINY_RENDERER
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.puppet_person import draw_person, drawn_asset, mean_landmarks, save_drawn_people

POSES = [
    {},
    {"yaw": 12.0, "pitch": -6.0, "roll": 5.0},
    {"yaw": -10.0, "jaw": 0.3, "gx": 8.0, "tx": 0.6, "scale": 1.08},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("assets")
    save_drawn_people(path)
    return path


def warp(image, coords):
    size = image.shape[0]
    px = ((coords.astype(np.float32) + 1) * size - 1) / 2
    return cv2.remap(image, px[..., 0], px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(float)


def test_photo_in_its_own_pose_is_the_photo():
    picture, _ = draw_person(mean_landmarks())
    asset = drawn_asset()
    frame = render(asset, {**asset.photo_pose(), "photo": 1.0}, 512)
    assert np.abs(frame.image.astype(float) - picture).mean() < 1.0


def test_pose_of_the_photo_is_found():
    pose = drawn_asset(yaw=8.0).photo_pose()
    assert pose["yaw"] == pytest.approx(8, abs=0.5)
    for name in ("pitch", "roll", "gx", "gy"):
        assert pose[name] == pytest.approx(0, abs=0.6)
    assert pose["tx"] == pytest.approx(0, abs=0.1) and pose["scale"] == pytest.approx(1, abs=0.01)


def test_signs_of_the_pose():
    asset = drawn_asset()
    rest = render(asset, {}).vertices[1]  # tip of the nose
    assert render(asset, {"yaw": 10.0}).vertices[1, 0] > rest[0] + 3
    assert render(asset, {"pitch": 10.0}).vertices[1, 1] < rest[1] - 3
    top = render(asset, {"roll": 10.0}).vertices[10] - render(asset, {}).vertices[10]
    assert top[0] < -3  # counter-clockwise on the screen: the forehead goes left


def test_place_and_size_are_absolute_under_any_view():
    controls = {"yaw": 5.0, "tx": 0.4, "ty": -0.3, "scale": 1.05}
    plain = render(drawn_asset(), controls)
    moved = render(drawn_asset(), {**controls, "zoom": 1.2, "view_x": 0.04, "view_y": -0.03})
    face = slice(0, 468)
    np.testing.assert_allclose(moved.vertices[face], plain.vertices[face], atol=1.5)  # perspective is about the centre
    assert np.abs(moved.image.astype(float) - plain.image).mean() > 1  # but the background is another


def test_mirrored_controls_give_the_mirrored_face():
    rng, asset = np.random.default_rng(3), drawn_asset()
    for _ in range(5):
        controls = sample_controls(rng)
        seen = render(asset, controls).vertices[:468]
        flipped = render(asset, mirror_controls(controls)).vertices[:468]
        np.testing.assert_allclose(flipped, seen[MIRROR] * [-1, 1] + [256, 0], atol=0.6)


def test_cut_hair_is_rounded_off():
    asset = drawn_asset()
    texture = asset.texture.copy()
    texture[:200, 200:312, 3] = 255  # hair up to the photo's upper edge
    tall = replace(asset, texture=texture)
    assert tall.crown[0] == 256 and tall.crown[1] == 56 and 5 < tall.crown[2] < 30
    layer = render(tall, {"ty": -3.0}, 256).layer
    assert (layer[0] == BACKGROUND).all() and (layer[40, 120:136] != BACKGROUND).all()


def test_photos_become_puppet_files(tmp_path):
    with pytest.raises(InputError, match="no picture"):
        build_file(tmp_path / "missing.jpg", tmp_path / "missing.npz")
    cv2.imwrite(str(tmp_path / "small.png"), draw_face(DrawnFace(), 120))
    with pytest.raises(InputError):
        build_file(tmp_path / "small.png", tmp_path / "small.npz")
    assert not (tmp_path / "small.npz").exists()


def test_lips_and_lids_close():
    asset = drawn_asset()
    closed = render(asset, {"jaw": 0.3, "close": 1.0, "blinkL": 1.0, "blinkR": 1.0})
    assert not np.isin(closed.layer, (MOUTH, RIGHT_EYE, LEFT_EYE)).any()
    gap = closed.vertices[list(LIP_INNER_UPPER)] - closed.vertices[list(LIP_INNER_LOWER)]
    assert np.abs(gap).max() < 0.01
    opened = render(asset, {"jaw": 0.4})
    assert (opened.layer == MOUTH).sum() > 100 and (opened.layer == RIGHT_EYE).sum() > 30


def test_regions_show_what_is_open_and_where_the_iris_is():
    asset = drawn_asset()
    shut = render(asset, {"close": 1.0, "blinkL": 1.0, "blinkR": 1.0}).regions(64).astype(float)
    wide = render(asset, {"jaw": 0.4}).regions(64).astype(float)
    assert (shut.sum((1, 2)) < 0.15 * wide.sum((1, 2))).all()
    assert (wide[2] <= wide[1]).all()
    columns = np.arange(64)
    centre = [
        (r[2].sum(0) * columns).sum() / r[2].sum()
        for r in (render(asset, {"gx": gx}).regions(64).astype(float) for gx in (-15, 0, 15))
    ]
    assert centre[0] < centre[1] - 0.3 and centre[1] < centre[2] - 0.3


def test_asset_survives_a_file(tmp_path):
    asset = drawn_asset()
    asset.save(tmp_path / "person.npz")
    again = PuppetAsset.load(tmp_path / "person.npz")
    np.testing.assert_array_equal(render(again, POSES[2]).image, render(asset, POSES[2]).image)
    np.savez(tmp_path / "other.npz", texture=np.zeros(3))
    with pytest.raises(InputError, match="no puppet asset"):
        PuppetAsset.load(tmp_path / "other.npz")


def test_bad_input_is_refused():
    picture, mask = draw_person(mean_landmarks())
    with pytest.raises(InputError, match="512"):
        build_asset(picture[:256], mean_landmarks(), mask)
    with pytest.raises(InputError, match="478"):
        build_asset(picture, mean_landmarks()[:468], mask)
    with pytest.raises(InputError, match="unknown"):
        render(drawn_asset(), {"yaws": 3.0})
    with pytest.raises(InputError, match="no train assets"):
        list_assets("/nowhere", "train")


def test_background_can_be_replaced():
    green = np.zeros((512, 512, 3), np.uint8)
    green[..., 1] = 255
    frame = render(drawn_asset(), {}, background=green)
    inner = cv2.erode((frame.layer == BACKGROUND).astype(np.uint8), np.ones((7, 7))) > 0
    assert inner.any() and (frame.image[inner] == [0, 255, 0]).all()


@pytest.mark.parametrize("source", POSES)
@pytest.mark.parametrize("target", POSES)
def test_correspondence_warps_the_source_to_the_target(source, target):
    asset = drawn_asset()
    a, b = render(asset, source), render(asset, target)
    coords, valid = correspondence(asset, a, b)
    error = np.abs(warp(a.image, coords) - cv2.resize(b.image, (128, 128), interpolation=cv2.INTER_AREA)).mean(-1)
    assert valid.mean() > 0.8
    assert error[valid].mean() < 2.0 and np.percentile(error[valid], 99) < 30


def test_correspondence_with_itself_is_the_pixel_grid():
    frame = render(drawn_asset(), {"yaw": 6.0})
    coords, valid = correspondence(drawn_asset(), frame, frame)
    grid = (np.arange(128) + 0.5) / 64 - 1
    np.testing.assert_allclose(coords[..., 0], np.broadcast_to(grid, (128, 128)), atol=1e-4)
    np.testing.assert_allclose(coords[..., 1], np.broadcast_to(grid[:, None], (128, 128)), atol=1e-4)
    assert valid.mean() > 0.98


def test_flips_undo_themselves():
    rng = np.random.default_rng(0)
    coords, valid = rng.uniform(-1, 1, (2, 8, 8, 2)).astype(np.float16), rng.random((2, 8, 8)) < 0.5
    twice = flip_coords(*flip_coords(coords, valid))
    np.testing.assert_array_equal(twice[0], coords)
    np.testing.assert_array_equal(twice[1], valid)
    boxes = np.array([[[1, 2, 5, 6], [0, 0, 3, 3], [4, 1, 8, 3], [0, 0, 8, 8]]], np.int16)
    np.testing.assert_array_equal(flip_boxes(flip_boxes(boxes, 10), 10), boxes)
    np.testing.assert_array_equal(flip_boxes(boxes, 10)[0, 1], [2, 1, 6, 3])


def test_controls_stay_in_what_the_photo_can_show():
    rng = np.random.default_rng(0)
    own = {"yaw": 11.0, "tx": 0.5}
    drawn = [sample_controls(rng, own) for _ in range(400)]
    yaw = np.array([c["yaw"] for c in drawn])
    assert yaw.max() <= 24 and yaw.min() >= 11 - 22 + 3
    assert np.mean([c["close"] == 1 for c in drawn]) > 0.1


def test_same_seed_same_samples(folder):
    def first(seed):
        return next(iter(PuppetSampler(folder, "train", seed=seed, targets_per_source=2, size=128)))

    one, two, other = first(3), first(3), first(4)
    for name in ("source", "source_motion", "targets", "target_motions", "coords", "valid", "boxes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(one.source_motion, other.source_motion)


def test_samples_have_the_promised_shapes_and_agree(folder):
    for sample in islice(iter(PuppetSampler(folder, "all", seed=1)), 6):
        assert sample.source.shape == (256, 256, 3) and sample.targets.shape == (3, 256, 256, 3)
        assert sample.coords.dtype == np.float16 and sample.valid.shape == (3, 128, 128)
        x0, y0, x1, y1 = np.moveaxis(sample.boxes, -1, 0)
        assert (x0 >= 0).all() and (x1 <= 256).all() and (x1 > x0).all() and (y1 > y0).all()
        right, left = sample.boxes[:, 1], sample.boxes[:, 2]
        assert (right[:, 0] < left[:, 0]).all()  # the right eye is on the image's left, flipped or not
        for k in range(3):
            target = cv2.resize(sample.targets[k], (128, 128), interpolation=cv2.INTER_AREA)
            error = np.abs(warp(sample.source, sample.coords[k]) - target).mean(-1)
            assert error[sample.valid[k]].mean() < 5


def test_teeth_layer_covers_the_teeth_where_the_puppet_says_they_are(folder):
    layer = TeethLayer(TINY_RENDERER)
    paint_teeth(layer)
    covered = []
    for sample in islice(iter(PuppetSampler(folder, "all", seed=5)), 6):
        with torch.no_grad():
            opacity = layer(torch.from_numpy(sample.teeth))[:, 3].numpy()
        for shown, regions in zip(opacity, sample.regions, strict=True):
            teeth = cv2.resize(regions[3], (256, 256), interpolation=cv2.INTER_NEAREST) > 200
            covered.append(shown[teeth])
    covered = np.concatenate(covered)
    assert len(covered) > 50 and covered.mean() > 0.8


def test_splits_share_nobody(folder):
    train, validation = list_assets(folder, "train"), list_assets(folder, "validation")
    assert len(train) == len(validation) == 2
    assert not set(train) & set(validation)
    assert sorted(train + validation) == list_assets(folder, "all")


def test_motion_samples(folder):
    stream = iter(MotionSampler(folder, "train", seed=2, size=64))
    sample = next(stream)
    assert sample.image.shape == (64, 64, 3) and sample.image.dtype == np.uint8
    assert sample.motion.shape == (32,) and sample.motion.dtype == np.float32
    assert sample.regions.shape == (4, 64, 64)
    assert max(s.regions[1].max() for s in islice(stream, 8)) > 0  # some eye is open
    again = next(iter(MotionSampler(folder, "train", seed=2, size=64)))
    np.testing.assert_array_equal(sample.image, again.image)


def test_any_photo_is_cropped_and_masked():
    photo = np.full((360, 420, 3), 120, np.uint8)
    photo[50:306, 80:336] = draw_face(DrawnFace(), 256)
    crop = crop_face(photo)
    assert crop.rgb.shape == (512, 512, 3) and crop.landmarks.shape == (478, 3)
    mask = estimate_person_mask(crop.rgb, crop.landmarks)
    nose = crop.landmarks[1, :2].astype(int)
    assert mask[nose[1], nose[0]] > 0.9 and mask[:40, :40].max() < 0.1
    with pytest.raises(NoFaceError):
        crop_face(np.full((200, 200, 3), 128, np.uint8))
