"""What page and endpoints have in common: arguments in, events of a run out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from imtalker.config import SAMPLE_RATE
from imtalker.demo.models import ModelHost
from imtalker.demo.page.snippets import FILES
from imtalker.demo.runs.compare import CompareProgress, Comparison, make_variants, run_comparison
from imtalker.demo.runs.credentials import Signer
from imtalker.demo.runs.files import run_folder
from imtalker.demo.runs.gpu import make_renderer
from imtalker.demo.runs.jobs import ClipJob, audio_job, motion_controls, motion_job, sampling_options, video_job
from imtalker.demo.runs.run import Finished, Progress, run_clip
from imtalker.demo.runs.samples import SampleResults, Samples
from imtalker.demo.settings import MAX_COMPARE_SECONDS, Settings
from imtalker.errors import InputError
from imtalker.media.audio import MIN_SECONDS
from imtalker.media.framing import parse_crop
from imtalker.pipeline.timing import Timings

Arguments = dict[str, Any]


class Studio:
    """Runs for everybody; it holds no state of a visitor.

    Args:
        host: the models.
        samples: whose results may be kept.
        results: where; None: nothing is kept.
    """

    def __init__(self, host: ModelHost, settings: Settings, samples: Samples, results: SampleResults | None = None):
        self.host, self.settings, self.samples = host, settings, samples
        self._results = results
        self._render = make_renderer(host)
        self._signer = Signer.from_settings(settings)

    # ---- jobs: keyword arguments are those of the endpoints ----

    def audio_job(
        self,
        portrait: str | None = None,
        speech: str | None = None,
        steps: float | None = None,
        guidance: float | None = None,
        seed: float | None = None,
        solver: str | None = None,
        yaw: float | None = None,
        pitch: float | None = None,
        roll: float | None = None,
        gaze_x: float | None = None,
        gaze_y: float | None = None,
        expressiveness: float = 100.0,
        head_clip: str | None = None,
        crop: str = "auto",
        face: int | None = None,
        paste_back: bool = False,
        label: bool = False,
    ) -> ClipJob:
        """Raises InputError for whatever is wrong."""
        options = sampling_options(self.host.pipeline().preset.sampling, steps, guidance, seed, solver)
        controls = motion_controls(yaw, pitch, roll, gaze_x, gaze_y, expressiveness)
        return audio_job(
            self.host.pipeline(),
            portrait,
            speech,
            options,
            controls,
            crop=parse_crop(crop or "auto"),
            face=_whole(face),
            head_clip=head_clip,
            paste_back=paste_back,
            label=label,
            max_seconds=self.settings.max_seconds,
        )

    def video_job(
        self,
        portrait: str | None = None,
        driving: str | None = None,
        relative: bool = False,
        keep_sound: bool = True,
        crop: str = "auto",
        face: int | None = None,
        driving_crop: str = "auto",
        paste_back: bool = False,
        label: bool = False,
    ) -> ClipJob:
        """Raises InputError for whatever is wrong."""
        return video_job(
            self.host.pipeline(),
            portrait,
            driving,
            crop=parse_crop(crop or "auto"),
            face=_whole(face),
            driving_crop=parse_crop(driving_crop or "auto"),
            relative=relative,
            keep_sound=keep_sound,
            paste_back=paste_back,
            label=label,
            max_seconds=self.settings.max_seconds,
        )

    def motion_job(
        self,
        portrait: str | None = None,
        motion: str | None = None,
        sound: str | None = None,
        crop: str = "auto",
        face: int | None = None,
        paste_back: bool = False,
        label: bool = False,
    ) -> ClipJob:
        """Raises InputError for whatever is wrong."""
        return motion_job(
            self.host.pipeline(),
            portrait,
            motion,
            sound,
            crop=parse_crop(crop or "auto"),
            face=_whole(face),
            paste_back=paste_back,
            label=label,
            max_seconds=self.settings.max_seconds,
        )

    # ---- runs ----

    def run(
        self,
        make_job: Callable[..., ClipJob],
        arguments: Arguments,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        stream: bool = False,
        keep_pieces: bool = False,
        beside: bool = False,
        use_kept: bool = False,
    ) -> Iterator[Progress | Finished]:
        """Make one video; with ``use_kept`` a sample that has been made before is only fetched.

        Raises:
            ImTalkerError: whatever is wrong.
        """
        timings = Timings()
        facts = self.host.describe()
        key = self._key(facts, make_job, arguments) if use_kept else None
        with run_folder() as folder:
            if key is not None and self._results is not None:
                kept = self._results.fetch(key, folder)
                if kept is not None:
                    kept.report["kept"] = True
                    yield kept
                    return
            with timings.measure("reading"):
                job = make_job(**arguments)
            for event in run_clip(
                job,
                self._render,
                folder,
                facts,
                timings=timings,
                should_stop=should_stop,
                stream=stream,
                keep_pieces=keep_pieces,
                beside=beside,
            ):
                if isinstance(event, Finished):
                    self._signer.sign(event.video)
                    if self._results is not None:
                        self._results.keep(key, event)
                yield event

    def compare(
        self,
        portrait: str | None = None,
        speech: str | None = None,
        kind: str = "steps",
        second_portrait: str | None = None,
        yaw: float | None = None,
        pitch: float | None = None,
        roll: float | None = None,
        steps: float | None = None,
        guidance: float | None = None,
        seed: float | None = None,
        crop: str = "auto",
        *,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[CompareProgress | Comparison]:
        """Make a comparison.

        Raises:
            ImTalkerError: whatever is wrong.
        """
        facts = self.host.describe()
        common = {"speech": speech, "steps": steps, "guidance": guidance, "seed": seed}
        job = self.audio_job(portrait, crop=crop, **common)
        assert job.waveform is not None
        seconds = len(job.waveform) / SAMPLE_RATE
        if seconds > MAX_COMPARE_SECONDS:
            raise InputError(
                f"the speech is {seconds:.1f} s long; a comparison takes at most {MAX_COMPARE_SECONDS:g} s, cut it"
            )
        other = None
        if kind == "portraits" and second_portrait:
            other = self.audio_job(second_portrait, **common)
        pose = motion_controls(yaw, pitch, roll, None, None, 100) if any((yaw, pitch, roll)) else None
        variants = make_variants(kind, job, other, pose)
        with run_folder() as folder:
            for event in run_comparison(variants, self._render, folder, facts, should_stop=should_stop):
                if isinstance(event, Comparison):
                    self._signer.sign(event.video)
                yield event

    def info(self) -> dict[str, Any]:
        """Models in use, how they sample by default, limits and samples, JSON-able."""
        sampling = self.host.pipeline().preset.sampling
        return {
            **self.host.describe(),
            "defaults": {
                "steps": sampling.num_steps,
                "guidance": sampling.guidance_scale,
                "seed": sampling.seed,
                "solver": sampling.solver,
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

    def _key(self, facts: dict[str, Any], make_job: Callable[..., ClipJob], arguments: Arguments) -> str | None:
        files = [value for name, value in arguments.items() if name in FILES and value]
        settings = {name: value for name, value in arguments.items() if name not in FILES}
        if self._results is None or not files:
            return None
        weights = f"{facts['software']} {facts['preset']} {facts['weights']} {make_job.__name__}"
        return self._results.key(weights, files, settings)


def _whole(face: float | None) -> int | None:
    return None if face is None else int(face)


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]
