"""One run as a fold over rendered frames: pieces to watch at once, the finished files, and a report."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from imtalker.config import FRAME_RATE
from imtalker.demo.runs.files import result_name
from imtalker.demo.runs.gpu import Failure, Part, RenderClip
from imtalker.demo.runs.grid import Grid
from imtalker.demo.runs.jobs import ClipJob
from imtalker.demo.runs.segments import Segments
from imtalker.errors import InputError
from imtalker.media.crop import crop_and_resize
from imtalker.media.video import read_frames
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.finishing import Finishing
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
    seconds: float  # since the start
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
    job: ClipJob,
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
    name = result_name(job.facts.get("portrait"), job.facts.get("source"))
    pieces_folder = folder / "pieces"
    segments = None if pieces == "none" else Segments(pieces_folder, job.waveform, job.total, pieces == "own")
    outcome: _Outcome | None = None
    stopped = False
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
        for part in parts:
            if isinstance(part, Failure):
                raise InputError(part.message)
            if outcome is None:
                outcome = _Outcome(job, folder, name, part, facts, timings, beside, stack)
            frames = outcome.add(part)
            done: list[Path] = []
            if segments is not None:
                with timings.measure("streaming"):
                    done = segments.add(frames)
            yield Progress(outcome.frames, job.total, timings.total, tuple(done))
            if stopped := should_stop():
                break
        if outcome is None:
            raise InputError("nothing came out of the run; try again")
        if segments is not None and (done := segments.finish()):
            yield Progress(outcome.frames, job.total, timings.total, tuple(done))
        finished = outcome.finish(stopped)
        dropped.pop_all()
    yield finished


class _Outcome:
    """The files under way. They are discarded when the stack unwinds before ``finish``."""

    def __init__(
        self,
        job: ClipJob,
        folder: Path,
        name: str,
        first: Part,
        facts: dict[str, Any],
        timings: Timings,
        beside: bool,
        stack: ExitStack,
    ):
        self._job, self._facts, self._timings = job, facts, timings
        side = first.frames.shape[1]
        self.recipe = first.recipe | job.facts | {"weights": facts.get("weights")}
        self._finishing = Finishing(job.image, job.box, side, job.paste_back, job.label, timings)
        self._video = VideoWriter(
            folder / f"{name}.mp4",
            self._finishing.size,
            FRAME_RATE,
            job.sound,
            job.sound_offset,
            self.recipe,
        )
        stack.callback(self._video.abort)
        self._beside: VideoWriter | None = None
        if beside:
            self._grid = Grid(["driver" if job.driving else "portrait", "result"], side)
            self._left = _left_pictures(job, side)
            path = folder / f"{name}-side-by-side.mp4"
            self._beside = VideoWriter(path, self._grid.size, FRAME_RATE, job.sound, job.sound_offset, self.recipe)
            stack.callback(self._beside.abort)
        self._motion: list[np.ndarray] = []
        self._seconds: dict[str, float] = {}
        self._paths = (folder / f"{name}-motion.safetensors", folder / f"{name}-recipe.json")

    @property
    def frames(self) -> int:
        return self._video.frames

    def add(self, part: Part) -> np.ndarray:
        """Write a part; its finished frames."""
        self._timings.count(len(part.frames))
        self._motion += part.motion
        self._seconds = part.seconds
        step = self._finishing.max_frames
        chunks = []
        for start in range(0, len(part.frames), step):
            frames = self._finishing(part.frames[start : start + step])
            with self._timings.measure("encoding"):
                self._video.write(frames)
            chunks.append(frames)
        if self._beside is not None:
            with self._timings.measure("side_by_side"):
                for square in part.frames:
                    self._beside.write(self._grid.compose([next(self._left), square]))
        return np.concatenate(chunks)

    def finish(self, stopped: bool) -> Finished:
        with self._timings.measure("encoding"):
            self._video.close()
            if self._beside is not None:
                self._beside.close()
        motion = np.concatenate(self._motion)[: self.frames]
        motion_path, recipe_path = self._paths
        save_motion(motion_path, MotionClip(torch.from_numpy(motion), self.recipe))
        recipe_path.write_text(json.dumps(self.recipe, indent=2) + "\n", encoding="utf-8")
        self._timings.finish()
        beside = self._beside.path if self._beside is not None else None
        return Finished(self._video.path, beside, motion_path, recipe_path, self._report(stopped))

    def _report(self, stopped: bool) -> dict[str, Any]:
        own = self._timings.as_dict()
        stages = {
            name: own["seconds"].get(name, 0.0) + round(self._seconds.get(name, 0.0), 4)
            for name in (*own["seconds"], *self._seconds)
        }
        height, width = self._finishing.size
        return {
            **self._facts,
            **own,
            "seconds": stages,
            "duration_seconds": self.frames / FRAME_RATE,
            "width": width // 2 * 2,
            "height": height // 2 * 2,
            "stopped": stopped,
            "recipe": self.recipe,
        }


def _left_pictures(job: ClipJob, side: int) -> Iterator[np.ndarray]:
    """What is shown beside the result: the driver's square, frame by frame, or the portrait's."""
    picture = crop_and_resize(job.image, job.box, side)
    if job.driving is not None and job.driving_box is not None:
        for frame in read_frames(job.driving):
            picture = crop_and_resize(frame, job.driving_box, side)
            yield picture
    while True:
        yield picture


def _close(parts: Iterator) -> None:
    close = getattr(parts, "close", None)
    if close is not None:
        close()
