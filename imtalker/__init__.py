"""One portrait and speech or a driving video become a talking video. The public API; see README for examples.

Names are imported on first use, so that ``import imtalker`` and the command line's help stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imtalker.animation import Animation, FrameChunk, save_video
    from imtalker.config import CropConfig, SamplingOptions
    from imtalker.errors import ImTalkerError, InputError, NoFaceError, OutputError, WeightsError
    from imtalker.generator.controls import MotionControls
    from imtalker.media.crop import CropBox
    from imtalker.motion_file import MotionClip, load_motion, save_motion
    from imtalker.pipeline import Portrait, TalkingHeadPipeline, load_pipeline
    from imtalker.timing import Timings

__version__ = "0.1.0"

_HOMES = {
    "imtalker.animation": ("Animation", "FrameChunk", "save_video"),
    "imtalker.config": ("CropConfig", "SamplingOptions"),
    "imtalker.errors": ("ImTalkerError", "InputError", "NoFaceError", "OutputError", "WeightsError"),
    "imtalker.generator.controls": ("MotionControls",),
    "imtalker.media.crop": ("CropBox",),
    "imtalker.motion_file": ("MotionClip", "load_motion", "save_motion"),
    "imtalker.pipeline": ("Portrait", "TalkingHeadPipeline", "load_pipeline"),
    "imtalker.timing": ("Timings",),
}

__all__ = [  # noqa: RUF022 (in the order of use)
    "load_pipeline",
    "TalkingHeadPipeline",
    "Portrait",
    "Animation",
    "FrameChunk",
    "save_video",
    "MotionControls",
    "SamplingOptions",
    "CropBox",
    "CropConfig",
    "MotionClip",
    "load_motion",
    "save_motion",
    "Timings",
    "ImTalkerError",
    "InputError",
    "NoFaceError",
    "OutputError",
    "WeightsError",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'imtalker' has no attribute {name!r}")
