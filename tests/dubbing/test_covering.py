"""Something before the mouth is noticed, whatever the mouth does meanwhile; there the original stays."""

import cv2
import numpy as np
import pytest

from imtalker import dub
from imtalker.dubbing.covering import LEAST_FRAMES, NUMBERS, ClearMouth, mouth_look
from imtalker.dubbing.timing import lost_seconds
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.dubbing import PaintEngine, rows_of, talking_clip, track_of
from tests.support.sample_media import tone
from tests.support.standin import small_pipeline

COVERED = range(16, 26)
FRAMES = 36


def shown(index: int) -> np.ndarray:
    """A mouth that opens and closes in a head that moves; for a while a plain board is before it."""
    frame = draw_face(DrawnFace(gap=1 + 5 * abs(np.sin(index / 2)), shift=0.5 * index))
    if index in COVERED:
        cv2.rectangle(frame, (70 + index // 2, 150), (190 + index // 2, 215), (90, 120, 60), -1)
    return frame


@pytest.fixture(scope="module")
def looks() -> np.ndarray:
    rows = rows_of([shown(i) for i in range(FRAMES)], 0)
    assert all(row is not None for row in rows)  # landmarks do not tell
    return np.stack([row.look for row in rows if row is not None])


def test_covered_frames_are_told_from_an_open_mouth(looks):
    clear = ClearMouth.of(looks)
    assert clear is not None
    covered = np.array([i in COVERED for i in range(FRAMES)])
    np.testing.assert_array_equal(clear.covered(looks), covered)
    np.testing.assert_array_equal(clear.covered(looks, consecutive=False), covered)


def test_a_single_frame_is_not_believed_and_few_tell_nothing(looks):
    clear = ClearMouth.of(looks)
    assert clear is not None
    one = np.concatenate([looks[:6], looks[20:21], looks[6:12]])
    assert not clear.covered(one).any() and clear.covered(one, consecutive=False).sum() == 1
    assert ClearMouth.of(looks[: LEAST_FRAMES - 1]) is None


def test_a_look_does_not_depend_on_the_size_of_the_face():
    (row,) = rows_of([shown(0)])
    assert row is not None and row.look.shape == (NUMBERS,)
    large = cv2.resize(shown(0), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    twice = mouth_look(large, 2 * row.to_image + [[0, 0, 0.5], [0, 0, 0.5]], row.turn, 2 * row.lower + 0.5)
    assert np.abs(twice - row.look).mean() < 3


def test_where_the_mouth_is_covered_the_original_stays_and_nothing_is_drawn_from_it(tmp_path):
    path = talking_clip(tmp_path / "v.mp4", FRAMES, picture=shown)
    engine = PaintEngine()
    run = dub(small_pipeline(), path, tone(FRAMES / 25)[:, 0], engine=engine)
    frames = np.stack(list(run.frames()))
    painted = (np.abs(frames.astype(int) - engine.colour).max(-1) < 20).mean((1, 2))
    middle = slice(COVERED.start + 1, COVERED.stop - 1)
    assert painted[middle].max() < 0.005 < 0.02 < painted[:10].min()
    (remark,) = [remark for remark in run.remarks if remark.code == "covered_mouth"]
    assert "0.4 s" in remark.words


def test_seconds_of_a_covered_mouth_are_counted_once():
    track = track_of(4, covered=np.array([1, 1, 1, 0], bool), seen=np.array([0, 1, 1, 1], bool))
    assert lost_seconds(track, fps=2) == (0.5, 0.0, 1.0)  # pyright: ignore[reportArgumentType]
