"""One run as a fold over rendered frames: pieces to watch at once, the finished files, and a report."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from imtalker.config import FRAME_RATE
from imtalker.demo.runs.files import result_name
from imtalker.demo.runs.gpu import Failure, Part, RenderClip, Rendered
from imtalker.demo.runs.job import Job, Looked
from imtalker.demo.runs.segments import Segments
from imtalker.errors import InputError
from imtalker.media.remark import Remark
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.animation import FrameChunk, write_chunks
from imtalker.pipeline.motion_clip import MotionClip, save_motion
from imtalker.pipeline.timing import Timings

Pieces = Literal["none", "joined", "own"]


@dataclass(frozen=True)
class Waiting:
    """Others come first."""

    place: int  # how many
    seconds: float | None  # expected; None: nobody knows yet


@dataclass(frozen=True)
class Stopped:
    """Ended by a stop before there was a picture; nothing was made."""


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    done: int  # frames
    total: int
    seconds: float  # since the start, or since the clip has been looked at
    fps: float = FRAME_RATE
    looking: bool = False  # at a clip; nothing is drawn yet
    adapting: bool = False  # to the clip that has been looked at; ``done`` and ``total`` are parts of it, not frames
    pieces: tuple[Path, ...] = ()  # newly complete; they stay as long as the folder


@dataclass(frozen=True)
class Finished:
    """The files of a run and its report (JSON-able)."""

    video: Path
    side_by_side: Path | None
    motion: Path
    recipe: Path
    report: dict[str, Any]

    def remove(self) -> None:
        """Delete the files and their folder."""
        shutil.rmtree(self.video.parent, ignore_errors=True)


def run_clip(
    job: Job,
    render: RenderClip,
    folder: Path,
    facts: dict[str, Any],
    *,
    timings: Timings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    pieces: Pieces = "none",
    beside: bool = False,
) -> Iterator[Progress | Finished | Stopped]:
    """Make the video of a job.

    Args:
        folder: receives the files.
        facts: about the models, for the report, see ``ModelHost.describe``.
        timings: of what has been done already.
        should_stop: asked after every step; what has been made until then is finished as a valid video.
        pieces: also give pieces to play at once: "joined" by Gradio, or as files that play on their "own".
        beside: also make a video with the source or driver beside the result.

    Raises:
        InputError: the run failed.
    """
    timings = timings or Timings()
    fps = float(job.fps)
    name = result_name(*job.names)
    pieces_folder = folder / "pieces"
    segments = None if pieces == "none" else Segments(pieces_folder, job.waveform, job.total, pieces == "own", job.fps)
    if should_stop():
        yield Stopped()
        return
    parts = render(job)
    with ExitStack() as stack:
        dropped = stack.enter_context(ExitStack())  # what is undone unless the run comes to its end
        if segments is not None:
            stack.callback(segments.close)
            dropped.callback(shutil.rmtree, pieces_folder, ignore_errors=True)
        stack.callback(_close, parts)
        first, looked, seen = None, 0.0, 0.0  # seconds until drawing, and until adapting, began
        for part in parts:
            if isinstance(part, Failure):
                raise InputError(part.message)
            if isinstance(part, Part):
                first = part
                break
            if should_stop():
                yield Stopped()
                return
            if not part.adapting:
                seen = timings.total
            looked = timings.total
            passed = looked - seen if part.adapting else looked
            yield Progress(part.done, part.total, passed, fps, looking=not part.adapting, adapting=part.adapting)
        if first is None:
            raise InputError("nothing came out of the run; try again")
        received = _Received(first, parts, should_stop)
        finisher = job.finisher(first.chunk.frames.shape[1:3], timings)
        recipe = first.recipe | finisher.recipe
        sound = {"audio": job.sound, "audio_offset": job.sound_offset, "recipe": recipe}
        video = VideoWriter(folder / f"{name}.mp4", finisher.size, job.fps, **sound)
        stack.callback(video.abort)
        writers = [video]
        if beside:
            writers.append(job.beside(folder / f"{name}-side-by-side.mp4", finisher.size, **sound))
        chunks = stack.enter_context(closing(write_chunks(finisher.finish(received), writers, timings)))
        for chunk in chunks:
            timings.count(len(chunk.frames))
            done: list[Path] = []
            if segments is not None:
                with timings.measure("streaming"):
                    done = segments.add(chunk.frames)
            yield Progress(timings.frames, job.total, timings.total - looked, fps, pieces=tuple(done))
        if segments is not None and (done := segments.finish()):
            yield Progress(timings.frames, job.total, timings.total - looked, fps, pieces=tuple(done))
        motion = MotionClip(torch.from_numpy(np.concatenate(received.motion)[: timings.frames]), recipe)
        motion_path, recipe_path = folder / f"{name}-motion.safetensors", folder / f"{name}-recipe.json"
        save_motion(motion_path, motion)
        recipe_path.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        timings.finish()
        report = _report(facts, timings, received, finisher.size, recipe, fps)
        report["remarks"] = [asdict(remark) for remark in (*job.remarks, *received.remarks)]
        dropped.pop_all()
    yield Finished(video.path, writers[1].path if beside else None, motion_path, recipe_path, report)


class _Received(Iterator[FrameChunk]):
    """The squares of the parts as they come; it keeps their motion, the last remarks and the seconds spent on the GPU's
    side."""

    def __init__(self, first: Part, parts: Rendered, should_stop: Callable[[], bool]):
        self.motion: list[np.ndarray] = []
        self.seconds: dict[str, float] = {}
        self.remarks: tuple[Remark, ...] = ()
        self.stopped = False
        self._chunks = self._receive(chain((first,), parts), should_stop)

    def __next__(self) -> FrameChunk:
        return next(self._chunks)

    def _receive(self, parts: Rendered, should_stop: Callable[[], bool]) -> Iterator[FrameChunk]:
        for part in parts:
            if isinstance(part, Failure):
                raise InputError(part.message)
            if isinstance(part, Looked):
                continue
            self.motion += part.motion
            self.seconds, self.remarks = part.seconds, part.remarks
            yield part.chunk
            if should_stop():  # asked after the part's frames have been written
                self.stopped = True
                return


def _report(
    facts: dict[str, Any],
    timings: Timings,
    received: _Received,
    size: tuple[int, int],
    recipe: dict[str, Any],
    fps: float,
) -> dict[str, Any]:
    own = timings.as_dict()
    stages = {
        name: own["seconds"].get(name, 0.0) + round(received.seconds.get(name, 0.0), 4)
        for name in (*own["seconds"], *received.seconds)
    }
    height, width = size
    return {
        **facts,
        **own,
        "seconds": stages,
        "duration_seconds": timings.frames / fps,
        "times_real_time": round(timings.fps / fps, 3),
        "video_frame_rate": round(fps, 4),
        "width": width // 2 * 2,
        "height": height // 2 * 2,
        "stopped": received.stopped,
        "recipe": recipe,
    }


def _close(parts: Iterator) -> None:
    close = getattr(parts, "close", None)
    if close is not None:
        close()
