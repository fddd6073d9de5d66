"""A whole evaluation: every clip of a data set through one protocol, and the tables that come of it."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from imtalker.bench.stopwatch import describe_machine
from imtalker.config import SamplingOptions
from imtalker.errors import InputError
from imtalker.evaluate.dataset import Dataset, Skipped
from imtalker.evaluate.metrics import PAPER, PROTOCOLS, Mode, metrics_of
from imtalker.evaluate.protocols import ClipScore, Evaluator, PreparedClip, controls_of
from imtalker.version import __version__

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """One row of an ablation."""

    name: str
    num_steps: int | None = None  # of the sampler; None: the preset's
    pose: bool = False  # give the recording's head pose
    gaze: bool = False  # give the recording's gaze
    without: str | None = None  # part of the renderer that is left out, see ablation.parts_of

    def options(self, sampling: SamplingOptions) -> SamplingOptions | None:
        """The preset's sampling with this row's steps; the paper's sampler for odd numbers of them."""
        if self.num_steps is None:
            return None
        return replace(sampling, num_steps=self.num_steps, solver="euler" if self.num_steps % 2 else sampling.solver)


Progress = Callable[[str], None]


@dataclass(frozen=True)
class Summary:
    """Mean and spread of one metric over clips."""

    mean: float
    deviation: float
    count: int  # clips it is known for


@dataclass(frozen=True)
class EvaluationReport:
    """Everything one run of one protocol found."""

    mode: Mode
    dataset: str
    preset: str
    revision: str
    scores: tuple[ClipScore, ...]
    skipped: tuple[Skipped, ...]
    summary: dict[str, Summary]  # by metric
    recorded: dict[str, Summary]  # what the recordings themselves reach
    copied: dict[str, Summary]  # what the portrait reaches that stands still
    unavailable: dict[str, str]  # metric -> why it is not there
    measuring_errors: dict[str, float]  # mean errors of measuring pose and gaze on clips of known truth, degrees
    seconds: float
    setting: str = ""  # which row of an ablation
    environment: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict:
        """JSON-able; NaN becomes None."""
        return {
            "mode": self.mode,
            "protocol": PROTOCOLS[self.mode],
            "setting": self.setting,
            "dataset": self.dataset,
            "preset": self.preset,
            "revision": self.revision,
            "environment": self.environment,
            "seconds": round(self.seconds, 1),
            "skipped": [vars(skip) for skip in self.skipped],
            "metrics": [
                {
                    "key": metric.key,
                    "title": metric.title,
                    "unit": metric.unit,
                    "better": metric.better,
                    "range": [metric.lowest, metric.highest],
                    "definition": metric.definition,
                    "source": metric.source,
                    "note": metric.note,
                    "mean": _number(self.summary[metric.key].mean),
                    "deviation": _number(self.summary[metric.key].deviation),
                    "clips": self.summary[metric.key].count,
                    "recorded": _number(self.recorded[metric.key].mean),
                    "copied": _number(self.copied[metric.key].mean),
                    "paper": PAPER[self.mode].get(metric.key),
                    "unavailable": self.unavailable.get(metric.key),
                }
                for metric in metrics_of(self.mode)
            ],
            "clips": [
                {
                    "clip": score.clip,
                    "source": score.source,
                    "frames": score.num_frames,
                    "values": {key: _number(value) for key, value in score.values.items()},
                    "copied": {key: _number(value) for key, value in score.copied.items()},
                    "stages": {stage: round(seconds, 4) for stage, seconds in score.stages.items()},
                }
                for score in self.scores
            ],
            "measuring_errors": {key: _number(value) for key, value in self.measuring_errors.items()},
        }


def prepare_clips(
    evaluator: Evaluator, dataset: Dataset, mode: Mode, progress: Progress
) -> tuple[list[PreparedClip], list[Skipped]]:
    """Measure all recordings; clips that cannot be used are named and counted.

    Raises:
        InputError: none can be used, or "cross" has only one.
    """
    prepared: list[PreparedClip] = []
    skipped = list(dataset.skipped)
    for index, clip in enumerate(dataset.clips):
        progress(f"measuring recording {index + 1} of {len(dataset.clips)}: {clip.name}")
        try:
            prepared.append(evaluator.prepare(clip, mode))
        except InputError as error:
            logger.warning("skipped %s: %s", clip.path.name, error)
            skipped.append(Skipped(clip.path.name, str(error)))
    needed = 2 if mode == "cross" else 1
    if len(prepared) < needed:
        reasons = "; ".join(skip.reason for skip in skipped)
        raise InputError(f"{len(prepared)} usable clips in {dataset.name}, {needed} needed: {reasons or 'add clips'}")
    return prepared, skipped


def evaluate(
    evaluator: Evaluator,
    dataset: Dataset,
    mode: Mode,
    progress: Progress = logger.info,
) -> EvaluationReport:
    """One protocol over one data set."""
    prepared, skipped = prepare_clips(evaluator, dataset, mode, progress)
    return run_protocol(evaluator, dataset, mode, prepared, skipped, Setting(""), progress)


def run_protocol(
    evaluator: Evaluator,
    dataset: Dataset,
    mode: Mode,
    prepared: Sequence[PreparedClip],
    skipped: Sequence[Skipped],
    setting: Setting,
    progress: Progress,
) -> EvaluationReport:
    """One protocol over clips that are measured already; the evaluator must be fresh, it gathers features."""
    start = time.perf_counter()
    scores: list[ClipScore] = []
    for index, target in enumerate(prepared):
        source = prepared[(index + 1) % len(prepared)] if mode == "cross" else target
        progress(f"{mode} {setting.name} {index + 1} of {len(prepared)}: {target.clip.name}")
        controls = controls_of(target, setting.pose, setting.gaze)
        options = setting.options(evaluator.pipeline.preset.sampling)
        scores.append(evaluator.score(mode, target, source, options, controls))
    frechet = evaluator.frechet.distances()
    metrics = metrics_of(mode)
    summary = {
        metric.key: Summary(frechet.get(metric.key, np.nan), np.nan, len(scores) if metric.key in frechet else 0)
        if not metric.per_clip
        else _summary([score.values.get(metric.key, np.nan) for score in scores])
        for metric in metrics
    }
    recorded = {
        metric.key: _summary([clip.recorded.get(metric.key, np.nan) for clip in prepared]) for metric in metrics
    }
    copied = {metric.key: _summary([score.copied.get(metric.key, np.nan) for score in scores]) for metric in metrics}
    measured = {key for clip in prepared for key in clip.measuring_errors}
    return EvaluationReport(
        mode,
        dataset.name,
        evaluator.pipeline.preset.name,
        evaluator.pipeline.models.revision,
        tuple(scores),
        tuple(skipped),
        summary,
        recorded,
        copied,
        {key: reason for key, reason in evaluator.networks.unavailable.items() if key in summary},
        {key: _summary([clip.measuring_errors.get(key, np.nan) for clip in prepared]).mean for key in sorted(measured)},
        time.perf_counter() - start,
        setting.name,
        describe_machine(evaluator.pipeline.device) | {"imtalker": __version__},
    )


def _summary(values: Sequence[float]) -> Summary:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return Summary(np.nan, np.nan, 0)
    return Summary(float(known.mean()), float(known.std()), len(known))


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None
