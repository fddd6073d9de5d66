"""The sizes of finished frames, and the picture round the square."""

import numpy as np
import pytest
import torch

from imtalker import CropBox
from imtalker.errors import InputError
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from tests.support.drawn_face import draw_face
from tests.support.runs import BOX, all_frames, same
from tests.support.standin import small_pipeline


@pytest.mark.parametrize("paste_back", [False, True])
def test_both_sizes_show_the_same(pipeline, paste_back):
    """The large result made small is the small result, whether the pipeline or the portrait asks for the size."""
    motion = torch.randn(3, 32, generator=torch.Generator().manual_seed(4))
    smaller = TalkingHeadPipeline(pipeline.models, size=64)
    runs = []
    for maker, size in ((pipeline, None), (smaller, None), (pipeline, 64)):
        portrait = maker.encode_source(draw_face(), crop=BOX, size=size)
        run = pipeline.render_motion(portrait, motion, paste_back=paste_back)
        assert run.size == ((256, 256) if paste_back else (portrait.size, portrait.size))
        runs.append(all_frames(run).astype(float))
    large, small, again = runs
    assert np.array_equal(small, again)
    if not paste_back:
        large = large.reshape(3, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(large - small).mean() < 3


def test_the_large_result_is_as_sharp_as_the_portrait(pipeline):
    """A pattern finer than the networks see is in the result at the larger size: it is taken from the picture."""
    seen = {}
    for step in (1, 64):  # lines of one pixel are grey to the networks, wide ones are not
        lines = np.where(np.arange(256) // step % 2, 180, 80).astype(np.uint8)
        picture = np.broadcast_to(lines[:, None, None], (256, 256, 3))
        for size in (64, 128):
            portrait = pipeline.encode_source(picture, crop=CropBox(64, 64, 128), size=size)
            frame = all_frames(pipeline.render_motion(portrait, portrait.features.motion))[0]
            seen[step, size] = np.abs(np.diff(frame.astype(float), axis=0)).mean()
    assert seen[1, 128] > 3 * seen[1, 64] and seen[1, 128] > 3 * seen[64, 128]


def test_heads_that_leave_the_square_show_the_picture_beyond_it(pipeline):
    """Two pictures that differ only outside the square: so do their states, and then their frames."""
    picture = draw_face()
    other = picture.copy()
    other[:30] = 255 - other[:30]
    states = [pipeline.encode_source(each, crop=BOX).features for each in (picture, other)]
    assert torch.equal(states[0].motion, states[1].motion) and torch.equal(states[0].identity, states[1].identity)
    assert not torch.equal(states[0].picture, states[1].picture)
    beyond = (states[0].reach - 1) / 2 / states[0].reach * states[0].picture.shape[-1]
    margin = round(beyond) + 12  # sharpening and cubic taps reach in
    inner = [state.picture[..., margin:-margin, margin:-margin] for state in states]
    torch.testing.assert_close(*inner)


def test_a_size_the_renderer_does_not_make_is_refused(pipeline):
    official = small_pipeline("base").models
    for make in (
        lambda: pipeline.encode_source(draw_face(), size=100),
        lambda: TalkingHeadPipeline(official, size=128),  # its network draws every pixel
    ):
        with pytest.raises(InputError, match=r"size 1\d\d: this renderer makes frames of 64"):
            make()


def test_paste_back_keeps_the_picture_round_the_square(pipeline, portrait):
    motion = torch.zeros(3, 32)
    animation = pipeline.render_motion(portrait, motion, paste_back=True)
    frames = all_frames(animation)
    assert animation.size == (256, 256) and frames.shape == (3, 256, 256, 3)
    assert (frames[:, :30] == portrait.image[:30]).all() and (frames[:, :, :40] == portrait.image[:, :40]).all()
    labelled = all_frames(pipeline.render_motion(portrait, motion, paste_back=True, label=True))
    assert (labelled[:, -12:, -40:] != frames[:, -12:, -40:]).any()
    assert same(labelled[:, :200], frames[:, :200])
