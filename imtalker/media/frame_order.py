"""Frames of a clip in an order that runs forwards and backwards, with memory for a few of them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from imtalker.media.video import read_frames_from, reliable_times

BLOCK_BYTES = 256_000_000  # of pictures held while running backwards
MAX_BLOCK = 128  # frames


def frames_in_order(path: str | Path, fps: float, index: np.ndarray) -> Iterator[np.ndarray]:
    """Frames ``index (n,)`` of a clip at ``fps``, uint8 RGB ``(H, W, 3)``; neighbours in ``index`` differ by 1 at most.

    Forwards the clip is streamed. Backwards it is read in blocks, each from the nearest point where decoding can
    begin, so that memory does not depend on the clip's length.

    Raises:
        InputError: as ``read_frames``.
    """
    start = 0
    while start < len(index):
        stop = _end_of_run(index, start)
        run = index[start:stop]
        if len(run) == 1 or run[-1] >= run[0]:
            yield from _forwards(path, fps, run)
        else:
            yield from _backwards(path, fps, run)
        start = stop


def _end_of_run(index: np.ndarray, start: int) -> int:
    """Where the direction changes."""
    steps = np.diff(index[start:])
    moving = np.flatnonzero(steps)
    if not len(moving):
        return len(index)
    turned = np.flatnonzero(steps * steps[moving[0]] < 0)
    return start + 1 + int(turned[0]) if len(turned) else len(index)


def _forwards(path: str | Path, fps: float, run: np.ndarray) -> Iterator[np.ndarray]:
    frames = read_frames_from(path, fps, int(run[0]), seek=False)
    at, picture = int(run[0]) - 1, None
    for wanted in run.tolist():
        while at < wanted:
            picture = next(frames, picture)
            at += 1
        if picture is None:
            return
        yield picture


def _backwards(path: str | Path, fps: float, run: np.ndarray) -> Iterator[np.ndarray]:
    position = 0
    block = MAX_BLOCK
    seek = reliable_times(path, fps)
    while position < len(run):
        last = int(run[position])
        first = max(int(run[-1]), last - block + 1)
        held = list(islice(read_frames_from(path, fps, first, seek), last - first + 1))
        if not held:
            return
        block = int(np.clip(BLOCK_BYTES // held[0].nbytes, 2, MAX_BLOCK))
        while position < len(run) and run[position] >= first:
            yield held[min(int(run[position]) - first, len(held) - 1)]
            position += 1
