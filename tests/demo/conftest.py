"""What the tests of the demo share: small random networks behind the app's own host, and inputs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imtalker.demo.models import ModelHost
from imtalker.demo.runs.run import Finished
from imtalker.demo.settings import Settings
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from tests.support.demo_setup import Inputs, random_pipeline


@pytest.fixture(scope="session")
def pipeline() -> TalkingHeadPipeline:
    return random_pipeline()


@pytest.fixture(scope="session")
def host() -> ModelHost:
    return ModelHost(Settings(preset="tiny", device="cpu"), random_pipeline)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Inputs:
    return Inputs.write(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def folder(tmp_path) -> Callable[[str], Path]:
    """New empty folders."""

    def make(name: str = "run") -> Path:
        path = tmp_path / name
        path.mkdir()
        return path

    return make


@pytest.fixture
def finish() -> Callable[[Iterator], Finished]:
    """Play a run to its end."""

    def last(events: Iterator) -> Finished:
        return list(events)[-1]

    return last
