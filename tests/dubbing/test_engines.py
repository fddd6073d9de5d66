"""Which engine draws: the best there are weights for, the one that is asked for, the one a recipe was made with."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from imtalker.dubbing.completion.completion_engine import CompletionEngine
from imtalker.dubbing.engines import (
    COMPLETION_WEIGHTS,
    check_engine,
    describe_engine,
    engine_name,
    make_engine,
)
from imtalker.dubbing.options import COMPLETION, ENGINES, RENDERER
from imtalker.dubbing.renderer_engine import RendererEngine
from imtalker.errors import InputError
from imtalker.weights.file import save_weights
from tests.support.completion import SMALL, small_network
from tests.support.standin import small_models


def pipeline_in(folder: Path | None) -> Any:
    models = SimpleNamespace(
        preset=SimpleNamespace(directory=folder), renderer=small_models().renderer, motion_basis=None
    )
    return SimpleNamespace(models=models, device=torch.device("cpu"))


@pytest.fixture
def with_weights(tmp_path: Path) -> Any:
    save_weights(small_network(), SMALL, tmp_path / COMPLETION_WEIGHTS)
    return pipeline_in(tmp_path)


def test_the_completion_needs_its_weights(with_weights, tmp_path: Path) -> None:
    assert engine_name(with_weights, COMPLETION) == engine_name(with_weights, None) == COMPLETION
    assert isinstance(make_engine(with_weights, COMPLETION), CompletionEngine)
    for bare in (pipeline_in(tmp_path / "elsewhere"), pipeline_in(None)):
        assert engine_name(bare, None) == RENDERER
        with pytest.raises(InputError, match=r"completion\.safetensors"):
            engine_name(bare, COMPLETION)
    assert engine_name(with_weights, RENDERER) == RENDERER
    assert isinstance(make_engine(with_weights, RENDERER), RendererEngine)
    with pytest.raises(InputError, match="choose completion or renderer"):
        engine_name(with_weights, "brush")


def test_a_recipe_finds_its_engine_again(with_weights, tmp_path: Path) -> None:
    for name in ENGINES:
        assert check_engine(with_weights, describe_engine(with_weights, name), False) == name
    assert check_engine(with_weights, {}, False) == RENDERER  # made before there was a choice
    about = describe_engine(with_weights, COMPLETION)
    save_weights(small_network(seed=1), SMALL, tmp_path / COMPLETION_WEIGHTS)
    with pytest.raises(InputError, match="other weights"):
        check_engine(with_weights, about, False)
    assert check_engine(with_weights, about, True) == COMPLETION
