"""One portrait and speech or a driving video become a talking video. The public API; see README for examples.

Names are imported on first use, so that ``import imtalker`` and the command line's help stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from imtalker.version import __version__ as __version__

if TYPE_CHECKING:
    from imtalker.config import CropConfig, SamplingOptions
    from imtalker.dubbing.dub import dub
    from imtalker.dubbing.options import DubOptions
    from imtalker.errors import ImTalkerError, InputError, NoFaceError, OutputError, WeightsError
    from imtalker.generator.controls import MotionControls
    from imtalker.generator.motion_style import MotionStyle
    from imtalker.media.crop import CropBox
    from imtalker.pipeline.animation import Animation, FrameChunk, save_video
    from imtalker.pipeline.inputs import DrivingClip, Portrait, Speech
    from imtalker.pipeline.motion_clip import MotionClip, load_motion, save_motion
    from imtalker.pipeline.talking_head import TalkingHeadPipeline, load_pipeline
    from imtalker.pipeline.timing import Timings
    from imtalker.speech.text_to_video import animate_from_text, speak


_LAZY_EXPORTS = {
    "imtalker.pipeline.animation": ("Animation", "FrameChunk", "save_video"),
    "imtalker.config": ("CropConfig", "SamplingOptions"),
    "imtalker.dubbing.dub": ("dub",),
    "imtalker.dubbing.options": ("DubOptions",),
    "imtalker.errors": ("ImTalkerError", "InputError", "NoFaceError", "OutputError", "WeightsError"),
    "imtalker.generator.controls": ("MotionControls",),
    "imtalker.generator.motion_style": ("MotionStyle",),
    "imtalker.media.crop": ("CropBox",),
    "imtalker.pipeline.inputs": ("DrivingClip", "Portrait", "Speech"),
    "imtalker.pipeline.motion_clip": ("MotionClip", "load_motion", "save_motion"),
    "imtalker.pipeline.talking_head": ("TalkingHeadPipeline", "load_pipeline"),
    "imtalker.pipeline.timing": ("Timings",),
    "imtalker.speech.text_to_video": ("animate_from_text", "speak"),
}

__all__ = [  # noqa: RUF022 (in the order of use)
    "load_pipeline",
    "TalkingHeadPipeline",
    "Portrait",
    "Speech",
    "DrivingClip",
    "Animation",
    "FrameChunk",
    "save_video",
    "animate_from_text",
    "speak",
    "dub",
    "DubOptions",
    "MotionControls",
    "MotionStyle",
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
    for module, names in _LAZY_EXPORTS.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'imtalker' has no attribute {name!r}")
