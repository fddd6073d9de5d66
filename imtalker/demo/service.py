"""What page and endpoints have in common: a request in, the events of its run out."""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imtalker.config import SAMPLE_RATE
from imtalker.demo.models import ModelHost
from imtalker.demo.runs.compare import CompareProgress, Comparison, make_variants, run_comparison
from imtalker.demo.runs.credentials import Signer
from imtalker.demo.runs.dub_job import make_dub_job
from imtalker.demo.runs.dub_request import DubRequest
from imtalker.demo.runs.files import run_folder
from imtalker.demo.runs.gpu import RenderClip, check_gpu_seconds, make_renderer
from imtalker.demo.runs.job import Job
from imtalker.demo.runs.jobs import make_job, motion_controls
from imtalker.demo.runs.line import Line, Ticket
from imtalker.demo.runs.live import Event, LiveRun, LiveRuns
from imtalker.demo.runs.options import Request, abilities
from imtalker.demo.runs.requests import REQUESTS, CompareRequest, SpeechRequest
from imtalker.demo.runs.run import Finished, Pieces, Progress, Stopped, Waiting, run_clip
from imtalker.demo.runs.samples import SampleResults, Samples
from imtalker.demo.runs.segments import can_stream
from imtalker.demo.settings import MAX_COMPARE_SECONDS, Settings
from imtalker.errors import InputError
from imtalker.media.audio import MIN_SECONDS
from imtalker.pipeline.timing import Timings

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.25  # between two looks at the line and the stop button


class Service:
    """Runs for everybody, one at a time.

    Args:
        host: the models.
        samples: whose results may be kept.
        results: where; None: nothing is kept.
    """

    def __init__(self, host: ModelHost, settings: Settings, samples: Samples, results: SampleResults | None = None):
        self.host, self.settings, self.samples = host, settings, samples
        self.line, self.live = Line(), LiveRuns()
        self.results = results
        self._render = make_renderer(host)
        self._signer = Signer.from_settings(settings)

    def start(self, request: Request, tab: str) -> LiveRun:
        """Begin a run of the page, which lives on when nobody watches.

        Raises:
            InputError: what can be told at once: a missing file, an option that the preset cannot do.
        """
        request.check_files()
        if self.host.is_ready:
            pipeline = self.host.pipeline()
            request.check_abilities(pipeline.preset.name, pipeline.models.generator.config)

        def play(run: LiveRun) -> Iterator[Event]:
            if isinstance(request, CompareRequest):
                return self.compare(request, should_stop=run.is_stopping)
            return self.run(
                request,
                should_stop=run.is_stopping,
                pieces="joined" if can_stream() else "none",
                beside=True,
                use_kept=True,
            )

        return self.live.start(request, tab, play)

    def run(
        self,
        request: Request,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        pieces: Pieces = "none",
        beside: bool = False,
        use_kept: bool = False,
        render: RenderClip | None = None,
    ) -> Iterator[Waiting | Progress | Finished | Stopped]:
        """Make one video; with ``use_kept`` a sample that has been made before is only fetched.

        Args:
            pieces, beside: see ``run_clip``.
            render: in the place of the function that asks for a GPU.

        Raises:
            ImTalkerError: whatever is wrong.
        """
        request.check_files()
        facts = self.host.describe()
        key = self.key(request) if use_kept else None
        with run_folder() as folder, _noted(request) as outcome:
            kept = self.results.fetch(key, folder) if self.results is not None else None
            if kept is not None:
                kept.report["kept"] = True
                outcome(kept.report, "kept")
                yield kept
                return
            with self.line.enter() as ticket:
                may_run = yield from self._turn(ticket, should_stop)
                if not may_run:
                    outcome(None, "left the line")
                    return
                timings = Timings()
                with timings.measure("reading"):
                    job = self._job(request)
                if self.settings.zero_gpu and render is None:
                    check_gpu_seconds(job)
                for event in run_clip(
                    job,
                    render or self._render,
                    folder,
                    facts,
                    timings=timings,
                    should_stop=should_stop,
                    pieces=pieces,
                    beside=beside,
                ):
                    if isinstance(event, Progress):
                        ticket.share = event.done / max(event.total, 1)
                    elif isinstance(event, Finished):
                        self._signer.sign(event.video, edited=isinstance(request, DubRequest))
                        if self.results is not None:
                            self.results.keep(key, event)
                        outcome(event.report, "stopped" if event.report["stopped"] else "finished")
                    yield event

    def compare(
        self, request: CompareRequest, *, should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Waiting | CompareProgress | Comparison | Stopped]:
        """Make a comparison.

        Raises:
            ImTalkerError: whatever is wrong.
        """
        request.check_files()
        facts = self.host.describe()
        with run_folder() as folder, _noted(request) as outcome, self.line.enter() as ticket:
            may_run = yield from self._turn(ticket, should_stop)
            if not may_run:
                outcome(None, "left the line")
                return
            pipeline, longest = self.host.pipeline(), self.settings.max_seconds
            job = make_job(request.of(request.portrait), pipeline, longest)
            assert job.waveform is not None
            seconds = len(job.waveform) / SAMPLE_RATE
            if seconds > MAX_COMPARE_SECONDS:
                raise InputError(
                    f"the speech is {seconds:.1f} s long; a comparison takes at most {MAX_COMPARE_SECONDS:g} s, cut it"
                )
            other = None
            if request.kind == "portraits" and request.second_portrait:
                other = make_job(request.of(request.second_portrait), pipeline, longest)
            held = SpeechRequest(
                request.portrait, request.speech, yaw=request.yaw, pitch=request.pitch, roll=request.roll
            )
            pose = motion_controls(held) if any((request.yaw, request.pitch, request.roll)) else None
            variants = make_variants(request.kind, job, other, pose)
            if self.settings.zero_gpu:
                for variant in variants:
                    check_gpu_seconds(variant.job)
            for event in run_comparison(variants, self._render, folder, facts, should_stop=should_stop):
                if isinstance(event, CompareProgress):
                    part = event.run.done / max(event.run.total, 1) if event.run else 0.0
                    ticket.share = (event.index + part) / max(event.count, 1)
                elif isinstance(event, Comparison):
                    self._signer.sign(event.video)
                    outcome(event.reports[-1], "finished")
                yield event

    def info(self) -> dict[str, Any]:
        """Models in use, how they sample by default, what they can, limits and samples, JSON-able."""
        pipeline = self.host.pipeline()
        sampling = pipeline.preset.sampling
        able = abilities(pipeline.models.generator.config)
        return {
            **self.host.describe(),
            "defaults": {
                "steps": sampling.num_steps,
                "guidance": sampling.guidance_scale,
                "seed": sampling.seed,
                "solver": sampling.solver,
            },
            "abilities": {
                name if name in request.optional() else request.endpoint: able[option.needs]
                for request in REQUESTS
                for name, option in request.options().items()
                if option.needs
            },
            "limits": {
                "min_seconds": MIN_SECONDS,
                "max_seconds": self.settings.max_seconds,
                "compare_max_seconds": MAX_COMPARE_SECONDS,
            },
            "samples": {
                "portraits": _names(self.samples.portraits),
                "speech": _names(self.samples.speech),
                "driving": _names(self.samples.driving),
            },
        }

    def health(self) -> dict[str, Any]:
        """How the app is, without waiting for anything."""
        facts = self.host.describe() if self.host.is_ready else {}
        return {
            "ready": self.host.is_ready,
            "preset": facts.get("preset"),
            "device": facts.get("device"),
            "queue": len(self.line),
        }

    def key(self, request: Request) -> str | None:
        """Under which a run's result is kept for the next visitor; None if it is not one of samples alone."""
        facts, files = self.host.describe(), list(request.files().values())
        if self.results is None or not files:
            return None
        weights = f"{facts['software']} {facts['preset']} {facts['weights']} {request.endpoint}"
        return self.results.key(weights, files, request.settings())

    def close(self) -> None:
        """End all runs and remove their files."""
        self.live.close()

    def _job(self, request: Request) -> Job:
        pipeline, longest = self.host.pipeline(), self.settings.max_seconds
        if isinstance(request, DubRequest):
            return make_dub_job(request, pipeline, longest)
        return make_job(request, pipeline, longest)

    def _turn(self, ticket: Ticket, should_stop: Callable[[], bool]) -> Generator[Waiting | Stopped, None, bool]:
        """Wait for the ticket's turn; False if it was given up."""
        shown: tuple[int, float | None] | None = None
        while not ticket.wait(WAIT_SECONDS):
            if should_stop():
                yield Stopped()
                return False
            now = (ticket.place, ticket.seconds)
            if now != shown:
                shown = now
                yield Waiting(*now)
        if should_stop():
            yield Stopped()
            return False
        return True


@contextmanager
def _noted(request: Request) -> Iterator[Callable[[dict[str, Any] | None, str], None]]:
    """One line in the log for every run: how it ended, how long, how fast. No file names, no addresses."""
    words = ""

    def note(report: dict[str, Any] | None, how: str) -> None:
        nonlocal words
        words = how
        if report is not None:
            words += (
                f", {report['duration_seconds']:.1f} s of video in {report['total_seconds']:.1f} s, "
                f"{report['frames_per_second']:.1f} frames/s"
            )

    try:
        yield note
    except GeneratorExit:
        words = words or "dropped"
        raise
    except Exception as error:
        words = f"failed ({type(error).__name__})"
        raise
    finally:
        logger.info("run %s: %s", request.endpoint, words or "stopped before the first picture")


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]
