"""Errors, models and tables in words: what people read is complete, true and escaped."""

import asyncio
import errno
import logging
import re
from collections.abc import Callable

import gradio as gr
import numpy as np
import pytest
import torch
from gradio.exceptions import InvalidPathError
from gradio.utils import get_upload_folder

from imtalker.demo.errors import explained, in_words, sentence
from imtalker.demo.models import ModelHost
from imtalker.demo.page.page import Page
from imtalker.demo.page.tables import comparison_table, finished_words, progress_words, status, timing_table
from imtalker.demo.settings import Settings
from imtalker.devices import resolve_precision
from imtalker.errors import ImTalkerError, InputError, WeightsError
from tests.support.demo_setup import random_pipeline


def raised(error: Exception) -> str:
    with pytest.raises(gr.Error) as caught, explained():
        raise error
    return str(caught.value.message)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        PermissionError(errno.EACCES, "denied", "/srv/secret/file"),
        AttributeError("'NoneType' object has no attribute 'rate'"),
        KeyError("x"),
        StopIteration(),
        np.linalg.LinAlgError("singular"),
    ],
)
def test_what_nobody_foresaw_has_a_reference_that_the_log_holds_too(error, caplog):
    with caplog.at_level(logging.ERROR):
        words = raised(error)
    (reference,) = re.findall(r"reference ([0-9a-f]{8})", words)
    assert reference in caplog.text and type(error).__name__ in caplog.text
    assert "secret" not in words and "mat1" not in words and "report it" in words


def test_what_was_foreseen_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    gone = FileNotFoundError(errno.ENOENT, "No such file", f"{get_upload_folder()}/0af3/speech1.wav")
    assert raised(gone) == "Speech1.wav is gone: files are removed after an hour; add it again."
    assert "disk" in raised(OSError(errno.ENOSPC, "No space left on device"))
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory")):
        assert "shorter clip" in raised(error)
    assert "send it again" in raised(InvalidPathError("Cannot move (local) to the gradio cache dir"))
    assert raised(InputError(f"picture {tmp_path}/0af3/me.txt is no picture; save it")) == (
        "Picture me.txt is no picture; save it."
    )
    assert raised(gr.Error("as it is")) == "as it is" and in_words(gr.Error("x")) == "x"


def test_every_handler_of_the_page_is_explained():
    """Also errors that Gradio meets before a handler is reached."""

    def broken(text: str) -> str:
        raise ZeroDivisionError("division by zero")

    with Page() as page:
        field = gr.Dropdown(["a"])
        field.change(broken, field, field)
    for value, words in (("a", "reference"), ("not a choice", "not in the list")):
        with pytest.raises(gr.Error) as caught:
            asyncio.run(page.process_api(0, [value]))
        assert words in str(caught.value.message) and "division" not in str(caught.value.message)


def test_words_escape_and_read_well():
    assert sentence("picture x is no picture; save it") == "Picture x is no picture; save it."
    assert "<script>" not in status("<script>") and "aria-valuenow='50'" in status("x", 0.5)
    assert progress_words(50, 100, 4.0) == "Drawing 2.0 of 4.0 s, 50 %, about 4 s left"
    assert progress_words(30, 60, 5.0, adapting=True) == "Adapting to the clip, 50 %, about 5 s left"


REPORT = {
    "seconds": {"rendering": 1.0, "<b>": 0.5}, "total_seconds": 2.0, "first_frame_seconds": None, "frames": 50,
    "frames_per_second": 25.0, "times_real_time": 1.0, "duration_seconds": 2.0, "device": "<CPU>",
    "precision": "float32", "preset": "tiny", "width": 64, "height": 64, "software": "imtalker", "stopped": True,
}  # fmt: skip


def test_tables_escape_what_they_are_given():
    html = timing_table(REPORT)
    assert "<CPU>" not in html and "<b>" not in html.replace("<li><b>", "") and "Drawing the frames" in html
    assert "0.50 s" in html and "25.0" in html
    row = {"variant": "<x>", "motion_seconds": 0.1} | REPORT
    assert "&lt;x&gt;" in comparison_table([row], REPORT) and "<x>" not in comparison_table([row], REPORT)


def test_the_line_after_a_run_says_how_it_ended():
    assert finished_words(REPORT) == "Stopped. The 2.0 s made so far are below as a complete video."
    done = REPORT | {"stopped": False}
    assert finished_words(done) == "Ready: 2.0 s of video in 2.0 s."
    assert "earlier visitor" in finished_words(done, kept=True)


# ---- models ----


def loading(fails: Callable[[str, str], Exception | None], **settings) -> tuple[ModelHost, list]:
    asked = []

    def loader(preset, device, dtype, **_):
        asked.append((preset, device, dtype))
        if (error := fails(preset, device)) is not None:
            raise error
        return random_pipeline()

    return ModelHost(Settings(**settings), loader), asked


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("out of memory"), RuntimeError("no kernel image"), OSError("disk"), WeightsError("no Hub")],
)
def test_whatever_goes_wrong_something_plainer_answers_and_says_so(error):
    host, asked = loading(lambda preset, _: error if preset == "base" else None, preset="base", device="cpu")
    assert host.describe()["preset"] == "tiny" and "tiny" in host.note and host.note.endswith(".")
    assert [preset for preset, *_ in asked] == ["base", "tiny"]


def test_a_device_that_is_not_there_is_said_to_be():
    host, asked = loading(lambda *_: None, preset="tiny", device="cuda:77")
    assert host.describe()["device"] == "CPU" and "cuda:77" in host.note and asked[-1][:2] == ("tiny", "cpu")


def test_nothing_is_said_where_nothing_went_wrong():
    host, asked = loading(lambda *_: None, preset="tiny", device="cpu")
    assert host.describe()["note"] == "" and [request[:2] for request in asked] == [("tiny", "cpu")]
    assert asked[0][2] == resolve_precision("auto", torch.device("cpu"))


def test_models_that_cannot_be_loaded_are_an_error_not_a_wait(caplog):
    missing = WeightsError("weights are missing; fetch them")
    for error, words in ((missing, "missing"), (ValueError("x"), "see the log")):
        host, _ = loading(lambda *_, error=error: error, preset="tiny")
        with pytest.raises(ImTalkerError, match=words):
            host.pipeline()
        assert not host.is_ready
