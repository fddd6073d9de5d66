"""Text to speech to video: a text is spoken by a synthetic voice, and a portrait speaks it.

Names are imported on first use, so that ``check_text`` loads no network.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imtalker.speech.text_to_video import animate_from_text, speak, speak_again

__all__ = ["animate_from_text", "speak", "speak_again"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("imtalker.speech.text_to_video"), name)
    raise AttributeError(f"module 'imtalker.speech' has no attribute {name!r}")
