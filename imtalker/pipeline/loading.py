"""Loading a pipeline that works here: what was asked for, else the next best, with a note on every step down."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from imtalker.config import MOTION_DIM
from imtalker.devices import resolve_device, resolve_precision
from imtalker.errors import ImTalkerError, WeightsError
from imtalker.media.remark import Remark
from imtalker.pipeline.talking_head import TalkingHeadPipeline, load_pipeline

logger = logging.getLogger(__name__)

FALLBACK = "tiny"  # ships with the package and runs anywhere


@dataclass(frozen=True)
class Attempt:
    """What to load, and where."""

    preset: str
    device: str
    dtype: str = "auto"
    batch_size: int | None = None

    def __str__(self) -> str:
        batch = f", {self.batch_size} frame at a time" if self.batch_size else ""
        return f"preset {self.preset} on {self.device} in {self.dtype} precision{batch}"


@dataclass(frozen=True)
class Loaded:
    """A pipeline, and what had to be given up for it."""

    pipeline: TalkingHeadPipeline
    attempt: Attempt
    remarks: tuple[Remark, ...] = ()


def load_working_pipeline(
    preset: str = FALLBACK,
    device: str = "auto",
    dtype: str = "auto",
    *,
    keep_preset: bool = False,
    progress: Callable[[str], None] | None = None,
    size: int | None = None,
    load: Callable[..., Any] = load_pipeline,
    try_out: Callable[[Any], None] | None = None,
) -> Loaded:
    """A pipeline that has rendered a first picture.

    Steps down, each with a remark and a line in the log: weights that cannot be had -> the bundled preset; memory used
    up -> one frame at a time, then the bundled preset, then the CPU; anything else an accelerator refuses (no kernels
    for it, an old driver, numbers that are not finite in half precision) -> single precision, then the CPU.

    Args:
        keep_preset: give up device and precision only, never the models that were asked for.
        size: of the finished square, see ``TalkingHeadPipeline``.
        load: ``load_pipeline``, or in tests anything with its signature.
        try_out: called with the pipeline; raises RuntimeError where it does not work. By default a picture is rendered
            on accelerators; the CPU is trusted.

    Raises:
        InputError: unknown preset, device or number type.
        WeightsError: not even the bundled preset can be loaded.
    """
    where = resolve_device(device)
    attempt = Attempt(str(preset), str(where), resolve_precision(dtype, where))
    remarks: list[Remark] = []
    while True:
        try:
            pipeline = load(
                attempt.preset,
                attempt.device,
                attempt.dtype,
                progress=progress,
                batch_size=attempt.batch_size,
                size=size,
            )
            (try_out or render_once)(pipeline)
            return Loaded(pipeline, attempt, tuple(remarks))
        except (WeightsError, RuntimeError, OSError) as error:
            following = next_attempt(attempt, error, keep_preset)
            if following is None:
                if isinstance(error, ImTalkerError):
                    raise
                raise WeightsError(f"{attempt} does not work ({_reason(error)}); see the log") from error
            logger.warning("%s does not work (%s); trying %s", attempt, _reason(error), following)
            remarks.append(_remark(attempt, following, error))
        _free_memory()
        attempt = following


def next_attempt(failed: Attempt, error: Exception, keep_preset: bool = False) -> Attempt | None:
    """What to try after a failure; None: there is nothing left."""
    last = Attempt(failed.preset if keep_preset else FALLBACK, "cpu", "float32")
    can_step_down = failed.preset != last.preset
    if isinstance(error, WeightsError | OSError):
        return replace(failed, preset=FALLBACK) if can_step_down else None
    if failed.device == "cpu":
        return last if can_step_down else None
    if _is_out_of_memory(error):
        if failed.batch_size != 1:
            return replace(failed, batch_size=1)
        return replace(failed, preset=FALLBACK, batch_size=None) if can_step_down else last
    return replace(failed, dtype="float32") if failed.dtype != "float32" else last


def render_once(pipeline: TalkingHeadPipeline) -> None:
    """Render as many pictures as in a run at a time, where that may fail.

    Raises:
        RuntimeError: the device cannot do it, or gives numbers that are not finite.
    """
    if pipeline.device.type == "cpu":
        return
    side = pipeline.models.renderer.config.input_size
    portrait = pipeline.encode_source(np.full((side, side, 3), 128, np.uint8), crop=None)
    motion = torch.zeros(pipeline.batch_size, MOTION_DIM, dtype=pipeline.dtype, device=pipeline.device)
    with torch.inference_mode():
        pictures = pipeline.models.renderer.render(motion, portrait.features, pipeline.size)
    if not bool(torch.isfinite(pictures).all()):
        raise RuntimeError(f"numbers that are not finite in {pipeline.dtype}")


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


def _remark(failed: Attempt, following: Attempt, error: Exception) -> Remark:
    if isinstance(error, WeightsError | OSError):
        reason = f"the weights of preset {failed.preset} cannot be had here"
    elif _is_out_of_memory(error):
        reason = f"the memory of {failed.device} is used up"
    else:
        reason = f"{failed.device} cannot run preset {failed.preset} in {failed.dtype} precision"
    slower = "; that is slower" if following.device == "cpu" and failed.device != "cpu" else ""
    return Remark("fallback", f"{reason}, so {following} answers{slower}")


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _free_memory() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
