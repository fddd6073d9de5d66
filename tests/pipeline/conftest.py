"""One small pipeline with a portrait and a driving clip for the tests of runs."""

import pytest

from imtalker.pipeline.inputs import Portrait
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.runs import BOX
from tests.support.sample_media import write_video
from tests.support.standin import small_pipeline


@pytest.fixture(scope="package")
def pipeline() -> TalkingHeadPipeline:
    return small_pipeline()


@pytest.fixture(scope="package")
def portrait(pipeline) -> Portrait:
    return pipeline.encode_source(draw_face(), crop=BOX)


@pytest.fixture(scope="package")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "v.mp4"
    picture = lambda i: draw_face(DrawnFace(shift=float(i % 9), gap=float(i % 5)))  # noqa: E731
    return write_video(path, frames=30, picture=picture, sound=True)
