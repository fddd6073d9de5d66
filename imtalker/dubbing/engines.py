"""Which engine draws the mouths: the completion network where there are weights for it, else the portrait renderer."""

from pathlib import Path
from typing import Any

from imtalker.dubbing.completion.completion_engine import CompletionEngine
from imtalker.dubbing.engine import MouthEngine
from imtalker.dubbing.options import COMPLETION, ENGINES, RENDERER
from imtalker.dubbing.renderer_engine import RendererEngine
from imtalker.errors import InputError
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.weights.file import read_metadata

COMPLETION_WEIGHTS = "completion.safetensors"


def engine_name(pipeline: TalkingHeadPipeline, asked: str | None) -> str:
    """The name of the engine that is meant; None is the completion where there are weights for it: faster, and nearer
    to the clip by nearly every measure.

    Raises:
        InputError: an unknown name, or there are no weights for it.
    """
    if asked is None:
        return COMPLETION if _weights(pipeline).is_file() else RENDERER
    if asked not in ENGINES:
        raise InputError(f"unknown engine {asked!r}; choose {' or '.join(ENGINES)}")
    if asked == COMPLETION and not _weights(pipeline).is_file():
        raise InputError(
            f"the models in {_weights(pipeline).parent} have no {COMPLETION_WEIGHTS}; "
            "take the renderer engine, or copy the weights there"
        )
    return asked


def make_engine(pipeline: TalkingHeadPipeline, name: str) -> MouthEngine:
    """The engine of a name that ``engine_name`` gave.

    Raises:
        WeightsError: its weights are damaged.
    """
    if name == COMPLETION:
        return CompletionEngine.load(_weights(pipeline), pipeline.device, pipeline.models.motion_basis)
    return RendererEngine(pipeline.models.renderer, pipeline.models.motion_basis)


def describe_engine(pipeline: TalkingHeadPipeline, name: str) -> dict[str, Any]:
    """For recipes: the name, and a checksum of weights that are not among the pipeline's own."""
    if name == RENDERER:
        return {"engine": name}
    return {"engine": name, "engine_weights": read_metadata(_weights(pipeline))["checksum"]}


def check_engine(pipeline: TalkingHeadPipeline, about: dict[str, Any], force: bool) -> str:
    """The engine a recipe was made with, from what ``describe_engine`` wrote; older recipes are the renderer's.

    Raises:
        InputError: there is no such engine, or its weights differ and that is not forced.
    """
    name = engine_name(pipeline, str(about.get("engine", RENDERER)))
    if describe_engine(pipeline, name).get("engine_weights") != about.get("engine_weights") and not force:
        raise InputError(
            f"the recipe was made with other weights of the {name} engine; name them with --preset, or use --force"
        )
    return name


def _weights(pipeline: TalkingHeadPipeline) -> Path:
    return Path(pipeline.models.preset.directory or "") / COMPLETION_WEIGHTS
