"""Following while drawing: the same as looking at all frames at once, and no further ahead than is needed."""

import numpy as np
import pytest

from imtalker.dubbing.following import BLOCK, REACH, Follower
from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.references import References
from imtalker.dubbing.tracking import FaceRow, FaceTrack
from tests.support.drawn_face import draw_face
from tests.support.dubbing import rows_of

LENGTH = 107


@pytest.fixture(scope="module")
def row() -> FaceRow:
    (row,) = rows_of([draw_face()])
    assert row is not None
    return row


def against(row: FaceRow) -> References:
    """With a row as the neutral frame."""
    return References.of(FaceTrack.of([row]), 0, 0)


def wandering(row: FaceRow, gaps: list[slice], cuts: list[int]) -> list[FaceRow | None]:
    """A face that moves by chance, lost in gaps and beginning anew at cuts."""
    rng = np.random.default_rng(0)
    rows: list[FaceRow | None] = []
    for index in range(LENGTH):
        motion = row.motion + rng.normal(size=32).astype(np.float32)
        shape, lower = (part + rng.normal(0, 0.1, part.shape).astype(np.float32) for part in (row.shape, row.lower))
        rows.append(row._replace(first=index in cuts, motion=motion, shape=shape, lower=lower))
    for gap in gaps:
        rows[gap] = [None] * (gap.stop - gap.start)
        if gap.stop < LENGTH and (after := rows[gap.stop]) is not None:
            rows[gap.stop] = after._replace(first=True)
    return rows


@pytest.mark.parametrize(
    "gaps, cuts",
    [
        ([], [0]),
        ([slice(BLOCK - 2, BLOCK + 3), slice(2 * BLOCK - 5, 2 * BLOCK)], [0, 60]),
        ([slice(0, 30), slice(50, 56), slice(90, LENGTH)], [33, 75, 76]),
        ([slice(BLOCK + REACH - 3, BLOCK + REACH + 2), slice(40, 41)], [0]),
    ],
)
def test_piece_by_piece_is_at_once(row, gaps, cuts):
    rows = wandering(row, gaps, cuts)
    references = against(row)
    whole = FaceTrack.of(rows, row)
    whole_motion = read_motion(whole, references)
    follower = Follower(iter(rows), LENGTH, references, row)
    for stop in (1, 20, BLOCK + 1, LENGTH):
        part = follower.until(stop)
        for name in ("seen", "first", "lower", "yaw", "to_image"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[: len(part)])
        np.testing.assert_allclose(part.motion, whole_motion[: len(part)], atol=1e-5)
    assert follower.ended and len(follower.until(LENGTH)) == LENGTH


def test_no_more_is_taken_than_is_needed(row):
    taken = []
    rows = (taken.append(i) or row._replace(first=i == 0) for i in range(LENGTH))
    follower = Follower(rows, LENGTH, against(row), row)
    assert not taken
    assert len(follower.take(np.array([3, 0]))) == 2 and len(taken) == BLOCK + REACH
    follower.take(np.array([BLOCK - 1]))
    assert len(taken) == BLOCK + REACH
    follower.take(np.array([BLOCK]))
    assert len(taken) == 2 * BLOCK + REACH


def test_where_the_file_ends_early_its_last_frame_stands(row):
    follower = Follower(iter([row, row._replace(first=False, yaw=7.0)]), 40, against(row), row)
    track = follower.until(40)
    assert len(track) == 40 and track.seen.all() and (track.yaw[1:] == 7).all() and track.first.sum() == 1
    nothing = Follower(iter([]), 3, against(row), row).until(3)
    assert not nothing.seen.any()
