"""The motion of driving clips: read from landmarks like the portrait's, streamed, whole or in parts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imtalker import CropBox
from imtalker.config import BODY_CELLS, BODY_DIM, MOTION_DIM
from imtalker.errors import InputError
from imtalker.faces.motion_reading import BODY, EXPRESSION, GAZE, HEAD
from imtalker.media.video import read_frames
from imtalker.pipeline.motion_clip import load_motion, save_motion
from imtalker.pipeline.rendering import encode_clip
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.weights.load import bundled_basis
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import write_video
from tests.support.standin import bundled_matte, small_models

BASIS = bundled_basis()
SPACE = MotionSpace.load()
BOX = CropBox(28, 30, 200)
EMPTY = np.full((256, 256, 3), 127, np.uint8)


def pipeline_of(batch_size: int = 4) -> TalkingHeadPipeline:
    models = replace(small_models(), motion_basis=BASIS, person_matte=bundled_matte())
    return TalkingHeadPipeline(models, batch_size)


@pytest.fixture(scope="module")
def pipeline() -> TalkingHeadPipeline:
    return pipeline_of()


def clip(folder: Path, picture: Callable[[int], np.ndarray], frames: int = 12) -> Path:
    return write_video(folder / "clip.mp4", frames=frames, picture=picture)


def motion_of(pipeline: TalkingHeadPipeline, path: Path, box: CropBox | None = BOX) -> np.ndarray:
    return torch.cat(list(pipeline.motion_from_video(path, crop=box)), 1)[0].numpy()


def test_a_clip_that_shows_the_portrait_moves_like_the_portrait(pipeline, tmp_path) -> None:
    path = clip(tmp_path, lambda _: draw_face())
    portrait = pipeline.encode_source(next(read_frames(path)), crop=BOX)
    own = portrait.features.motion.numpy()
    motion = motion_of(pipeline, path)
    assert motion.shape == (12, MOTION_DIM + BODY_DIM)
    assert np.abs(motion[:, :32] - own).max() < 0.25  # compression makes the frames differ a little
    assert np.abs(motion[:, BODY]).max() < 0.25


def test_place_lips_and_gaze_follow_the_driver(pipeline, tmp_path) -> None:
    shifted = motion_of(pipeline, clip(tmp_path, lambda i: draw_face(DrawnFace(shift=i))))
    assert all(np.diff(shifted[2:-2, 3]) > 0)
    opened = motion_of(pipeline, clip(tmp_path, lambda i: draw_face(DrawnFace(gap=i * 0.7))))
    assert SPACE.mouth_gap(opened)[-1] > SPACE.mouth_gap(opened)[0] + 0.3
    looking = motion_of(pipeline, clip(tmp_path, lambda i: draw_face(DrawnFace(gaze=i - 5))))
    assert np.corrcoef(looking[:, GAZE.start], np.arange(12))[0, 1] > 0.9


def test_the_batch_does_not_matter(pipeline, tmp_path) -> None:
    path = clip(tmp_path, lambda i: draw_face(DrawnFace(shift=i % 5, gap=i % 3)), frames=9)
    np.testing.assert_allclose(motion_of(pipeline, path), motion_of(pipeline_of(7), path), atol=1e-5)


def test_a_hidden_face_keeps_the_head_and_the_length(pipeline, tmp_path) -> None:
    hidden = range(6, 14)
    path = clip(tmp_path, lambda i: EMPTY if i in hidden else draw_face(DrawnFace(shift=4)), frames=24)
    motion = motion_of(pipeline, path)
    assert len(motion) == 24
    assert np.abs(motion[:, HEAD] - motion[3, HEAD]).max() < 0.3
    assert np.abs(np.diff(SPACE.eye_aperture(motion), axis=0)).max() < 0.25


def test_a_clip_without_a_face_is_read_by_the_motion_encoder(pipeline, tmp_path) -> None:
    path = clip(tmp_path, lambda i: np.full((256, 256, 3), 40 + 10 * i, np.uint8))
    windows = encode_clip(pipeline.models.renderer, pipeline.encode_driver(path, crop=BOX), 4, Timings())
    expected = torch.cat(list(windows), 1)[0].numpy()
    np.testing.assert_allclose(motion_of(pipeline, path), expected, atol=1e-6)


def test_a_picture_without_a_face_is_read_by_the_motion_encoder(pipeline) -> None:
    portrait = pipeline.encode_source(EMPTY, crop=BOX)
    encoder = TalkingHeadPipeline(small_models()).encode_source(EMPTY, crop=BOX)
    torch.testing.assert_close(portrait.features.motion, encoder.features.motion)


def test_only_the_asked_parts_are_driven(pipeline, tmp_path) -> None:
    path = clip(tmp_path, lambda i: draw_face(DrawnFace(shift=i, gap=i % 4, gaze=i % 3)))
    portrait = pipeline.encode_source(draw_face(DrawnFace(shift=-6)), crop=BOX)
    still = portrait.features.motion[0].numpy()
    driver = motion_of(pipeline, path)

    def driven(parts) -> np.ndarray:
        run = pipeline.animate_from_video(portrait, path, crop=BOX, parts=parts)
        list(run)
        assert run.recipe["parts"]
        return run.motion.motion.numpy()

    np.testing.assert_allclose(driven("all"), driver, atol=1e-5)
    head = driven("head")
    np.testing.assert_allclose(head[:, HEAD], driver[:, HEAD], atol=1e-5)
    np.testing.assert_allclose(head[:, HEAD.stop : 32], np.tile(still[HEAD.stop :], (12, 1)), atol=1e-5)
    np.testing.assert_allclose(head[:, BODY], driver[:, BODY], atol=1e-5)  # so do hair and shoulders
    lips = driven("lips")
    np.testing.assert_allclose(lips[:, : EXPRESSION.start], np.tile(still[: EXPRESSION.start], (12, 1)), atol=1e-5)
    assert driver[:, BODY].any() and not lips[:, BODY].any()
    np.testing.assert_allclose(SPACE.mouth_gap(lips), SPACE.mouth_gap(driver), atol=0.02)
    np.testing.assert_allclose(SPACE.eye_aperture(lips), np.tile(SPACE.eye_aperture(still), (12, 1)), atol=0.05)
    np.testing.assert_allclose(driven(("lips", "eyes")), driven("expression"), atol=1e-5)


def test_parts_that_cannot_be_are_refused_before_anything_runs(pipeline, tmp_path) -> None:
    path = clip(tmp_path, lambda _: draw_face(), frames=2)
    with pytest.raises(InputError, match="nose"):
        pipeline.animate_from_video(draw_face(), path, crop=BOX, parts="nose")
    learned = TalkingHeadPipeline(small_models("base"))
    with pytest.raises(InputError, match="tiny"):
        learned.animate_from_video(draw_face(), path, crop=BOX, parts="lips")


@pytest.mark.parametrize("nodes", [BODY_CELLS, 12])  # of today and of before
def test_a_body_is_kept_in_motion_files(tmp_path, nodes: int) -> None:
    motion = torch.randn(5, MOTION_DIM + 2 * nodes**2, generator=torch.Generator().manual_seed(0))
    save_motion(tmp_path / "m.safetensors", motion)
    assert torch.equal(load_motion(tmp_path / "m.safetensors").motion, motion)
    for wrong in (33, 34, MOTION_DIM + 2 * nodes**2 - 2):
        with pytest.raises(InputError, match=rf"shape \(5, {wrong}\).* \(frames, 32\), .*32 \+ 2 n n"):
            save_motion(tmp_path / "m.safetensors", motion[:, :wrong])
