"""The one pipeline of the app: loaded once, in the background, with a fallback that is never silent."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import imtalker
from imtalker.config import MOTION_DIM
from imtalker.demo.settings import Settings
from imtalker.errors import ImTalkerError, WeightsError
from imtalker.pipeline.talking_head import TalkingHeadPipeline, load_pipeline
from imtalker.weights.presets import PRESET_NAMES, Preset, get_preset

logger = logging.getLogger(__name__)

FALLBACK = "tiny"


class ModelHost:
    """Holds the pipeline for everybody.

    Args:
        settings: which preset and device are wished for.
        loader: ``load_pipeline`` or, in tests, anything with its first three arguments.
    """

    def __init__(self, settings: Settings, loader: Callable[..., Any] = load_pipeline):
        self.settings = settings
        self.note = ""  # what a visitor should know, for example that another preset had to be used
        self._loader = loader
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._done = threading.Event()
        self._pipeline: Any = None
        self._error: ImTalkerError | None = None

    def start(self) -> None:
        """Begin loading unless that has begun; returns at once."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._load, name="load-models", daemon=True)
                self._thread.start()

    def pipeline(self) -> TalkingHeadPipeline:
        """The pipeline, waiting for it if need be.

        Raises:
            ImTalkerError: it cannot be loaded.
        """
        self.start()
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._pipeline

    @property
    def is_ready(self) -> bool:
        return self._done.is_set() and self._error is None

    @property
    def expected(self) -> Preset:
        """The wished preset, known before anything is loaded."""
        wished = self._wished()
        return get_preset(wished if wished in PRESET_NAMES else FALLBACK)

    def describe(self) -> dict[str, Any]:
        """Facts about what is in use, JSON-able; waits for the models."""
        pipeline = self.pipeline()
        return {
            "software": f"imtalker {imtalker.__version__}",
            "preset": pipeline.preset.name,
            "weights": pipeline.models.revision,
            "device": device_name(pipeline.device),
            "precision": str(pipeline.dtype).removeprefix("torch."),
            "output_size": pipeline.size,
            "note": self.note,
        }

    def _wished(self) -> str:
        if self.settings.preset:
            return self.settings.preset
        may_use_gpu = self.settings.device == "auto" or self.settings.device.startswith("cuda")
        return "base" if may_use_gpu and torch.cuda.is_available() else FALLBACK

    def _load(self) -> None:
        try:
            self._pipeline = self._first_that_works()
        except Exception as error:
            logger.error("no model could be loaded", exc_info=error)
            unforeseen = WeightsError("the models could not be loaded; see the log of the app")
            self._error = error if isinstance(error, ImTalkerError) else unforeseen
        finally:
            self._done.set()

    def _first_that_works(self) -> Any:
        """The wished models as they are wished, else something smaller or plainer, with a note."""
        wished = self._wished()
        attempts = list(dict.fromkeys(_attempts(wished, self.settings.device)))
        first: Exception | None = None
        skipped: str | None = None  # a preset whose weights are not there: no other number type helps
        for preset, device, dtype in attempts:
            if preset == skipped:
                continue
            try:
                pipeline = self._loader(preset, device, dtype)
                if not self.settings.zero_gpu:  # there is no GPU yet
                    _try_out(pipeline)
            except Exception as error:
                logger.warning("preset %s on %s as %s cannot be used", preset, device, dtype, exc_info=error)
                first = first or error
                skipped = preset if isinstance(error, WeightsError) else skipped
                continue
            if first is not None:
                self.note = _note(wished, self.settings.device, preset, pipeline, first)
            return pipeline
        assert first is not None
        raise first


def _attempts(wished: str, device: str) -> list[tuple[str, str, str]]:
    return [
        (wished, device, "auto"),
        (wished, device, "float32"),  # a card without the faster number types
        (FALLBACK, device, "auto"),
        (FALLBACK, device, "float32"),
        (FALLBACK, "cpu", "float32"),
    ]


def _try_out(pipeline: Any) -> None:
    """Compute a little: a graphics card too old for this software fails only then."""
    if pipeline.device.type == "cpu":
        return
    side = pipeline.models.renderer.config.input_size
    portrait = pipeline.encode_source(np.full((side, side, 3), 128, np.uint8), crop=None)
    for _ in pipeline.render_motion(portrait, torch.zeros(1, MOTION_DIM)):
        pass


def _note(wished: str, device: str, preset: str, pipeline: Any, error: Exception) -> str:
    """What a visitor should know; the log has the rest."""
    reason = "is out of memory" if isinstance(error, torch.OutOfMemoryError) else "could not be used"
    answer = f"preset “{preset}” answers on the {device_name(pipeline.device)}"
    if preset == wished and device == "auto":
        answer += " with plainer arithmetic"
    subject = f"Preset “{wished}”" if preset != wished else f"Preset “{wished}” as it was asked for"
    return f"{subject} {reason}, so {answer}."


def device_name(device: torch.device) -> str:
    """What people call it: "CPU", or the name of the GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type.upper()
