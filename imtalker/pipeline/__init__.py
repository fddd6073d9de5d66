"""The pipeline: portrait and speech, a driving clip or saved motion -> frames.

Names are imported on first use, so that the light modules of this package (timing, recipe) load no network.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imtalker.pipeline.inputs import DrivingClip, Portrait, Speech
    from imtalker.pipeline.talking_head import TalkingHeadPipeline, load_pipeline

__all__ = ["DrivingClip", "Portrait", "Speech", "TalkingHeadPipeline", "load_pipeline"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        inputs = ("DrivingClip", "Portrait", "Speech")
        module = "inputs" if name in inputs else "talking_head"
        return getattr(import_module(f"imtalker.pipeline.{module}"), name)
    raise AttributeError(f"module 'imtalker.pipeline' has no attribute {name!r}")
