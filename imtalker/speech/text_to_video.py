"""Text -> speech -> video: speech made of a text, which the pipeline takes like any other."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from imtalker.config import SamplingOptions
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from imtalker.media.audio import MAX_SECONDS
from imtalker.pipeline.animation import Animation
from imtalker.pipeline.inputs import Picture, Portrait, Speech
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings
from imtalker.speech.synthesis import RATE, engine_name, synthesise
from imtalker.speech.text import DEFAULT_VOICE, check_text


def speak(text: str, voice: str = DEFAULT_VOICE, speed: float = 1.0, *, max_seconds: float = MAX_SECONDS) -> Speech:
    """A text as speech for ``animate_from_audio``; the same text, voice and speed are the same sound.

    Args:
        text, voice, speed: see ``check_text``.
        max_seconds: of speech; no more than that is ever spoken.

    Raises:
        InputError: unusable text, voice or speed, or longer than that.
        WeightsError: the voice is not here and cannot be fetched.
    """
    sentences: list[np.ndarray] = []
    samples = 0
    for sentence in synthesise(text, voice, speed):
        sentences.append(sentence)
        samples += len(sentence)
        if samples > max_seconds * RATE:
            raise InputError(f"the text takes longer to say than the limit of {max_seconds:g} s; cut it")
    speech = Speech.read((RATE, np.concatenate(sentences)), max_seconds)
    recipe = {"text": check_text(text), "voice": voice, "speed": float(speed), "engine": engine_name()}
    return replace(speech, recipe=recipe)


def speak_again(recipe: Mapping[str, Any], force: bool = False) -> Speech | None:
    """The speech of a recipe (``pipeline.recipe``) that holds a text; None where it names a file or has none.

    Args:
        force: take another version of the engine than the recipe's, which may sound different.

    Raises:
        InputError, WeightsError: as ``speak``, or made with another version.
    """
    about = recipe.get("speech")
    if not isinstance(about, dict) or "text" not in about:
        return None
    speech = speak(about["text"], about.get("voice", DEFAULT_VOICE), about.get("speed", 1.0))
    made_by = about.get("engine")
    if made_by != speech.recipe["engine"] and not force:
        raise InputError(
            f"the text of the recipe was spoken by {made_by}, this is {speech.recipe['engine']}; "
            "install that version, or use --force"
        )
    return speech


def animate_from_text(
    pipeline: TalkingHeadPipeline,
    portrait: Portrait | Picture,
    text: str,
    controls: MotionControls | None = None,
    options: SamplingOptions | None = None,
    *,
    voice: str = DEFAULT_VOICE,
    speed: float = 1.0,
    timings: Timings | None = None,
    **more: Any,
) -> Animation:
    """Let a portrait say a text. The sound of the finished video is the voice at its own 24 kHz.

    The whole text is spoken by this call, as its length has to be known; the video then comes in chunks as always.

    Args:
        portrait, controls, options: and all others as of ``animate_from_audio``.
        text: English, 10 000 characters at most; numbers are read out, emoji passed over.
        voice: "heart" works offline; emma, fenrir, fable and kore are fetched at first use.
        speed: 0.5 to 2; 1 is the voice's own pace.

    Raises:
        InputError: unusable text or another input.
        WeightsError: the voice is not here and cannot be fetched.
    """
    timings = timings or Timings()
    with timings.measure("speaking"):
        speech = speak(text, voice, speed)
    return pipeline.animate_from_audio(portrait, speech, controls, options, timings=timings, **more)
