"""Follow the face through every frame that gets a new mouth, ahead of the drawing and no further than it needs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from itertools import islice, repeat

import numpy as np

from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.covering import STEADY, ClearMouth
from imtalker.dubbing.looking import Look
from imtalker.dubbing.mouth_reading import HEAD_SMOOTHING, read_motion
from imtalker.dubbing.references import References
from imtalker.dubbing.tracking import BRIDGE, FaceRow, FaceTrack, measure, smoothing_reach, watch
from imtalker.media.ahead import Ahead
from imtalker.media.video import read_frames

BLOCK = 8  # frames that become known together
REACH = max(smoothing_reach(HEAD_SMOOTHING), STEADY) + BRIDGE + 1  # frames on either side that tell what one of them is
AHEAD_SECONDS = 2.0  # of the clip that are measured before they are asked for


class Follower:
    """A ``FaceTrack`` that grows as it is asked for; equal to the one of all rows at once, see ``FaceTrack.of``.

    Where the face is lost, what was seen last is held. For one thread at a time.

    Args:
        rows: of the clip's frames in order; fewer than ``count`` where the file ends before its timestamps say so,
            then the last one stands for those that are missing.
        before: held until the face is seen.
        clear: what the mouth looks like with nothing before it; None: it is never covered.
    """

    def __init__(
        self,
        rows: Iterable[FaceRow | None],
        count: int,
        references: References,
        before: FaceRow,
        clear: ClearMouth | None = None,
    ):
        self._rows, self._count, self._references = _filled_up(rows, count), count, references
        self._near: list[FaceRow | None] = []  # those round what becomes known next
        self._first = 0  # number of the first of them
        self._clear = clear
        self._before = before  # what was seen before it
        self._known = 0  # frames whose rows are final
        self._columns: dict[str, np.ndarray] = {}

    @property
    def ended(self) -> bool:
        """Whether everything is known."""
        return self._known == self._count

    def until(self, stop: int) -> FaceTrack:
        """The track of at least the frames before ``stop``, as far as there are so many."""
        while self._known < min(stop, self._count):
            self._grow()
        return FaceTrack(**{name: values[: self._known] for name, values in self._columns.items()})

    def take(self, frames: np.ndarray) -> FaceTrack:
        """Rows of some frames ``(n,)``."""
        return self.until(int(frames.max(initial=0)) + 1).take(frames)

    def _grow(self) -> None:
        start, stop = self._known, min(self._known + BLOCK, self._count)
        self._near += islice(self._rows, stop + REACH - self._first - len(self._near))
        passed = max(0, start - REACH - self._first)
        for row in self._near[:passed]:
            self._before = row or self._before
        self._near, self._first = self._near[passed:], self._first + passed
        part = FaceTrack.of(self._near, self._before)
        part = replace(part, motion=read_motion(part, self._references))
        if self._clear is not None:
            part = replace(part, covered=self._clear.covered(part.look))
        for field in fields(part):
            values = getattr(part, field.name)
            column = self._columns.setdefault(field.name, np.zeros((self._count, *values.shape[1:]), values.dtype))
            column[start:stop] = values[start - self._first : stop - self._first]
        self._known = stop


@contextmanager
def following(clip: DubClip, found: Look, count: int) -> Iterator[Follower]:
    """Follow the face through the first ``count`` frames of a clip in a thread of its own; it ends with the block."""
    fps = float(clip.fps)
    frames = islice(read_frames(clip.path, fps), count)
    sightings = watch(frames, None, f"clip {clip.path}", found.face)
    rows = Ahead((measure(sighting) for sighting in sightings), max(1, round(AHEAD_SECONDS * fps)))
    try:
        yield Follower(rows, count, found.references, found.neutral, found.clear)
    finally:
        rows.close()


def _filled_up(rows: Iterable[FaceRow | None], count: int) -> Iterator[FaceRow | None]:
    """The same rows, the last one repeated until there are ``count``."""
    last, done = None, 0
    for last in rows:
        yield last
        done += 1
    yield from repeat(None if last is None else last._replace(first=False), count - done)
