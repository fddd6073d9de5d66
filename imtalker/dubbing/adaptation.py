"""Adapt to one video before it is dubbed: see more of it, and learn from what it shows.

A first look takes glances at a few seconds. Adapting follows every frame of much more of the clip, which gives

* frames with the mouth at rest in more poses, so that what is drawn needs less of a change: most of the gain;
* enough of the person's speech, where the clip's sound is the person's own, to tell what this mouth does for certain
  sounds (``speech_fit``);
* mouths to mask and restore, on which the completion network goes on learning (``completion.fine_tuning``).

The time that is given is turned into numbers of frames and steps by the speed of two cores, never measured while it
runs: the same options give the same video everywhere. Nothing of it outlives the run.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.completion.completion_engine import CompletionEngine
from imtalker.dubbing.completion.mouth_patch import cut_patch
from imtalker.dubbing.engine import MouthEngine
from imtalker.dubbing.looking import ADAPTING, Look, Looked, covered_rows
from imtalker.dubbing.mouth_reading import read_motion
from imtalker.dubbing.own_mouth import SeenMouths
from imtalker.dubbing.tracking import watch
from imtalker.media.ahead import Ahead
from imtalker.media.video import read_frames_from, reliable_times
from imtalker.pipeline.timing import Timings

FRAMES = 15  # followed per second that is given; two cores follow 30 to 40 frames of 512 px in a second
STEPS = 6  # of learning per second that is given; a core does 10 to 12 in a second
FRAME_PARTS, STEP_PARTS = 2, 5  # about how long a frame and a step take, for the progress
MOST_EXAMPLES = 160  # mouths to learn from, spread over what is followed


class Adapted(NamedTuple):
    """What a look and an engine have become."""

    look: Look
    engine: MouthEngine


def adapt(
    clip: DubClip, found: Look, engine: MouthEngine, seconds: float, timings: Timings
) -> Generator[Looked, None, Adapted]:
    """Adapt for about so many seconds of two cores; engines that cannot learn stay as they are."""
    fps = float(clip.fps)
    start = round(float(found.seen.seconds[0]) * fps)
    count = max(1, min(round(FRAMES * seconds), clip.num_frames - start))
    steps = round(STEPS * seconds) if isinstance(engine, CompletionEngine) else 0
    total = FRAME_PARTS * count + STEP_PARTS * steps
    side = engine.patch_size if isinstance(engine, CompletionEngine) else 0
    every = -(-count // MOST_EXAMPLES)
    kept, begun = found.kept, len(found.kept.rows)
    examples: list[tuple[int, np.ndarray]] = []  # row, patch
    frames = islice(read_frames_from(clip.path, fps, start, reliable_times(clip.path, fps)), count)
    with closing(Ahead(frames)) as pictures:
        sightings = watch(pictures, None, f"clip {clip.path}", found.face)
        for number, sighting in enumerate(timings.iterate("adaptation", sightings), start):
            with timings.measure("adaptation"):
                usable = kept.add(number, sighting)
                if usable and side and (number - start) % every == 0:
                    row = kept.rows[-1]
                    examples.append((len(kept.rows) - 1, cut_patch(sighting.frame, row.to_image, row.turn, side)))
            yield Looked(FRAME_PARTS * (number - start + 1), total, ADAPTING)
    with timings.measure("adaptation"):
        track = kept.track()
        track = replace(track, motion=read_motion(track, found.references, sigma=0))
        covered = covered_rows(track, found.clear)
        references = kept.references(found.references, track, covered, fps)
        followed = begun + np.flatnonzero(~covered[begun:])
        examples = [(row, patch) for row, patch in examples if not covered[row]]
        seen = found.seen
        if len(followed) > len(seen.motion):
            seen = SeenMouths(np.array(kept.numbers)[followed] / fps, track.motion[followed])
        until = max(found.until, (start + count) / fps)
        found = replace(found, references=references, seen=seen, until=until)
    if steps and examples and isinstance(engine, CompletionEngine):
        rows, patches = zip(*examples, strict=True)
        tuning = engine.tuned(np.stack(patches), track.take(np.array(rows)), references, steps)
        while True:
            try:
                with timings.measure("adaptation"):
                    done = next(tuning)
            except StopIteration as end:
                engine = end.value
                break
            yield Looked(FRAME_PARTS * count + STEP_PARTS * done, total, ADAPTING)
    return Adapted(found, engine)
