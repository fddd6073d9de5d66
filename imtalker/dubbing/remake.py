"""Make a dubbed video of its recipe again."""

from collections.abc import Mapping
from typing import Any

from imtalker.config import SamplingOptions
from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.dub import Progress, dub
from imtalker.dubbing.engines import check_engine
from imtalker.dubbing.options import DubOptions
from imtalker.errors import InputError
from imtalker.pipeline.animation import Animation
from imtalker.pipeline.inputs import Speech
from imtalker.pipeline.recipe_check import check_recipe
from imtalker.pipeline.remake import InputFiles, check_weights
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings
from imtalker.weights.config_json import config_from_dict

ENTRIES = ("edited", "speech")  # of a recipe, that name a file
ENGINE_ENTRIES = ("engine", "engine_weights")  # among the dubbing's


def check_dub_recipe(recipe: Mapping[str, Any]) -> None:
    """Raise InputError for a recipe that is not one of a dubbed video, or cannot be made again."""
    check_recipe(dict(recipe))
    if recipe["mode"] != "dub":
        raise InputError("this recipe is not of a dubbed video; make it again with imtalker animate --recipe")


def remake_dub(
    pipeline: TalkingHeadPipeline,
    recipe: dict[str, Any],
    files: InputFiles,
    timings: Timings | None = None,
    spoken: Speech | None = None,
    progress: Progress | None = None,
) -> tuple[DubClip, Speech, Animation]:
    """The run of a recipe: its clip, its speech, and the animation, which gives the same frames again.

    Args:
        spoken: the speech of a recipe that holds a text, see ``speech.speak_again``.

    Raises:
        InputError: files or weights are missing or differ, or it is another kind of recipe.
    """
    check_dub_recipe(recipe)
    check_weights(pipeline, recipe, files.force)
    paths = files.find_all(recipe, ENTRIES)
    video, audio = paths["edited"], paths["speech"]
    assert video is not None
    speech = spoken if audio is None else Speech.read(audio)
    if speech is None:
        raise InputError("the speech of this recipe is a text; speak it, or make it again with imtalker dub --recipe")
    clip = DubClip.read(video)
    about = {name: value for name, value in recipe["dubbing"].items() if name in ENGINE_ENTRIES}
    engine = check_engine(pipeline, about, files.force)
    chosen = {name: value for name, value in recipe["dubbing"].items() if name not in ENGINE_ENTRIES}
    options = config_from_dict(DubOptions, chosen, "dubbing of the recipe")
    sampling = config_from_dict(SamplingOptions, recipe["sampling"], "sampling of the recipe")
    run = dub(pipeline, clip, speech, options, sampling, engine=engine, timings=timings, progress=progress)
    return clip, speech, run
