"""Frames that show the mouth asked for: which are kept, which are chosen, and that their mouths are seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from imtalker.dubbing.mouth_choice import chosen_mouths
from imtalker.dubbing.mouth_frames import MAX_CELLS, MouthFrames
from imtalker.dubbing.mouth_space import parted_lips
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import cut_square
from imtalker.dubbing.source_frame import SourceFrame
from imtalker.dubbing.tracking import watch
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.dubbing import track_of


def opened(*centimetres: float) -> torch.Tensor:
    motion = torch.zeros(len(centimetres), 32)
    motion[:, EXPRESSION_CHANNELS] = torch.from_numpy(np.stack([parted_lips(gap) for gap in centimetres]))
    return motion


def showing(*centimetres: float, yaw: float = 0.0) -> References:
    """References with frames of mouths that are so far open."""
    nothing, picture = track_of(1), np.zeros((64, 64, 3), np.uint8)
    mouths = tuple(
        SourceFrame(i, gap, picture, np.zeros((478, 3)), picture, np.eye(2, 3)) for i, gap in enumerate(centimetres)
    )
    pose = np.repeat([[yaw, 0.0]], len(mouths), 0)
    motion = opened(*centimetres).numpy() if mouths else np.zeros((0, 32), np.float32)
    return replace(References.of(nothing, 0, 0), mouths=mouths, mouth_motion=motion, mouth_pose=pose)


def test_the_mouth_that_is_as_far_open_is_chosen():
    asked = (0.0, 0.4, 0.8, 0.1)
    choice = chosen_mouths(track_of(4), opened(*asked), showing(0.0, 0.4, 0.8))
    assert choice.shares.argmax(1).tolist() == [0, 1, 2, 0]
    np.testing.assert_allclose(choice.shares.sum(1), 1)
    np.testing.assert_allclose(choice.shown, 1, atol=0.01)
    assert chosen_mouths(track_of(1), opened(1.0), showing(0.0, 0.3)).shown[0] == 0
    assert chosen_mouths(track_of(2), opened(0.0, 0.5), showing()).shown.tolist() == [0, 0]


def test_what_a_frame_says_itself_has_no_part_in_the_choice():
    silent = track_of(3)
    speaking = track_of(3, motion=opened(0.9, 0.5, 0.2).numpy(), opening=np.array([0.9, 0.5, 0.2]))
    asked, references = opened(0.1, 0.3, 0.6), showing(0.0, 0.25, 0.5, 0.75)
    for quiet, loud in zip(*(chosen_mouths(track, asked, references) for track in (silent, speaking)), strict=True):
        np.testing.assert_array_equal(quiet, loud)


def test_one_mouth_passes_smoothly_into_the_next():
    asked = np.linspace(0.0, 0.8, 400)
    choice = chosen_mouths(track_of(400), opened(*asked), showing(0.0, 0.2, 0.25, 0.4, 0.8))
    assert np.abs(np.diff(choice.shares, axis=0)).max() < 0.06
    assert (choice.shares > 0).sum(1).max() <= 2


@pytest.mark.parametrize("count", [1, 2, 5])
def test_mouths_that_are_all_as_near_share(count):
    choice = chosen_mouths(track_of(1), opened(0.3), showing(*[0.3] * count))
    np.testing.assert_allclose(choice.shares, 1 / count)


def test_the_sharpest_frame_of_each_mouth_is_kept_and_no_more_than_so_many():
    mouths = MouthFrames()
    gaps = [0.0, 8.0] * 3
    (sightings,) = [list(watch([draw_face(DrawnFace(gap=gap)) for gap in gaps], 0, "the clip"))]
    for index, (sighting, sharpness) in enumerate(zip(sightings, (1, 1, 3, 2, 2, 3), strict=True)):
        assert sighting.face is not None and sighting.place is not None
        square = cut_square(sighting.frame, sighting.place.to_image, 64)
        mouths.add(index, sighting, square, sharpness)
    kept = {frame.index for frame in mouths.result()}
    assert {2, 5} <= kept and len(kept) < 6 <= MAX_CELLS
    assert {frame.index for frame in mouths.without({2}).result()} == kept - {2}
