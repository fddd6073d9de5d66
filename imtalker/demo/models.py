"""The one pipeline of the app: loaded once, in the background, with a fallback that is never silent."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import torch

import imtalker
from imtalker.demo.settings import Settings
from imtalker.errors import ImTalkerError, WeightsError
from imtalker.pipeline.loading import FALLBACK, load_working_pipeline
from imtalker.pipeline.talking_head import TalkingHeadPipeline, load_pipeline
from imtalker.weights.presets import PRESET_NAMES, Preset, get_preset

logger = logging.getLogger(__name__)


class ModelHost:
    """Holds the pipeline for everybody.

    Args:
        settings: the requested preset and device.
        loader: ``load_pipeline`` or, in tests, anything with its arguments.
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
        """The requested preset, known before anything is loaded."""
        requested = self._requested()
        return get_preset(requested if requested in PRESET_NAMES else FALLBACK)

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

    def _requested(self) -> str:
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
        """The requested models, else something smaller or plainer, with a note."""
        requested, device = self._requested(), self.settings.device
        try_out = (lambda _: None) if self.settings.zero_gpu else None  # ZeroGPU has no GPU yet
        try:
            loaded = load_working_pipeline(requested, device, load=self._loader, try_out=try_out)
            self.note = " ".join(f"{remark.words[:1].upper()}{remark.words[1:]}." for remark in loaded.remarks)
            return loaded.pipeline
        except Exception as error:
            if (requested, device) == (FALLBACK, "cpu"):
                raise
            logger.warning("preset %s on %s cannot be used", requested, device, exc_info=error)
            loaded = load_working_pipeline(FALLBACK, "cpu", load=self._loader)
            self.note = (
                f"Preset “{requested}” on device “{device}” could not be used, see the log of the app; "
                f"preset “{FALLBACK}” answers on the CPU."
            )
            return loaded.pipeline


def device_name(device: torch.device) -> str:
    """What people call it: "CPU", or the name of the GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type.upper()
