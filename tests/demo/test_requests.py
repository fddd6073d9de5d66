"""Requests: each option is written once, and everything else follows from it."""

import inspect
from dataclasses import MISSING, replace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from imtalker.config import SAMPLING_LIMITS, Limits
from imtalker.demo.api import _endpoint, _field
from imtalker.demo.models import ModelHost
from imtalker.demo.page.option_panels import FROM_CLIP, HeadPanel, SamplingPanel, StylePanel
from imtalker.demo.page.widgets import number, slider
from imtalker.demo.runs.common_options import GUIDANCE, SEED, SEEDS, STEPS, YAW
from imtalker.demo.runs.gpu import MAX_GPU_SECONDS, check_gpu_seconds, gpu_seconds
from imtalker.demo.runs.jobs import make_job, motion_controls, sampling_options
from imtalker.demo.runs.requests import REQUESTS, ClipRequest, CompareRequest, MotionRequest, SpeechRequest
from imtalker.demo.runs.samples import Samples
from imtalker.demo.settings import Settings
from imtalker.errors import InputError, NoFaceError
from imtalker.media.crop import CropBox
from imtalker.weights.presets import BASE_SAMPLING, TINY_SAMPLING, get_preset
from tests.support.demo_setup import portrait_file, speech_file

SPEAK = SpeechRequest("a.png", "b.wav")


@pytest.mark.parametrize("kind", REQUESTS)
def test_an_endpoint_is_what_its_request_says(kind):
    def answer(request, progress):
        yield request

    call = _endpoint(kind, answer, "")
    *parameters, progress = inspect.signature(call).parameters.values()
    assert [p.name for p in parameters] == list(kind.options()) and isinstance(progress.default, gr.Progress)
    for parameter in parameters:
        default = kind.defaults()[parameter.name]
        assert parameter.default == (inspect.Parameter.empty if default is MISSING else default)
        assert f"{parameter.name}: {kind.options()[parameter.name].words}" in (call.__doc__ or "")
    needed = {name for name, option in kind.options().items() if option.missing}
    given = {name: "file" if name in needed or v is MISSING else v for name, v in kind.defaults().items()}
    values = list(given.values())
    assert list(call(*values, None)) == [kind(*values)]


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_option_is_documented_and_has_a_field(kind):
    for name, option in kind.options().items():
        assert option.words.endswith(".") and option.label, name
        assert _field(option).label


def test_the_page_allows_no_more_than_the_core():
    for narrow, name in ((STEPS, "num_steps"), (GUIDANCE, "guidance_scale"), (SEEDS, "seed")):
        core = SAMPLING_LIMITS[name]
        assert core.least <= narrow.least < narrow.most < core.most and narrow.whole == core.whole
    with pytest.raises(ValueError):
        GUIDANCE.narrowed(most=1000)
    for kind in REQUESTS:
        for option in kind.options().values():
            if option.offered and option.limits:
                assert option.limits.narrowed(option.offered.least, option.offered.most) == option.offered


def test_widgets_take_limits_and_words_from_the_option():
    with gr.Blocks():
        yaw, seed = slider(YAW, 0), number(SEED, 3)
    assert YAW.offered is not None and (yaw.minimum, yaw.maximum) == (YAW.offered.least, YAW.offered.most)
    assert (seed.minimum, seed.maximum, seed.precision, seed.label) == (0, SEEDS.most, 0, SEED.label)


@pytest.mark.parametrize(
    "changes, words",
    [({"steps": 0}, "steps is 0"), ({"steps": 51}, "from 1 to 50"), ({"steps": 2.5}, "whole"),
     ({"guidance": -1.0}, "guidance"), ({"guidance": float("nan")}, "guidance"), ({"seed": -1}, "seed"),
     ({"seed": 2**31}, "2147483647"), ({"solver": "x"}, "euler"), ({"yaw": 200}, "yaw is 200"),
     ({"expressiveness": 1000}, "expressiveness"), ({"face": 0.5}, "face"), ({"portrait": None}, "no portrait"),
     ({"speech": ""}, "no speech"), ({"steps": True}, "steps"), ({"yaw": "left"}, "yaw is 'left'")],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(changes, words):
    with pytest.raises(InputError, match=words):
        replace(SPEAK, **changes)


@pytest.mark.parametrize("name", SpeechRequest.options())
def test_values_of_another_type_are_refused_by_name(name):
    option, wrong = SpeechRequest.options()[name], (["a"], {"a": 1}, "many", 10**400, float("nan"))
    if option.is_file:
        return
    for value in wrong:
        if option.kind == "text" and isinstance(value, str) and not option.choices:
            continue
        with pytest.raises(InputError, match=f"^{name} is ") as told:
            SpeechRequest(**{"portrait": "p.png", "speech": "s.wav"} | {name: value})
        assert len(str(told.value)) < 250
    if option.kind == "number":
        assert _field(option, None).preprocess("many") == "many"  # what clients send gets that far


def test_numbers_of_a_page_are_floats_and_nothing_given_is_the_default():
    request = SpeechRequest("a.png", "b.wav", steps=4.0, seed=7.0, crop="", yaw=3, expressiveness=None)  # pyright: ignore
    assert (request.steps, request.seed, request.crop, request.expressiveness) == (4, 7, "auto", 100.0)
    assert isinstance(request.steps, int) and isinstance(request.yaw, float)
    assert request.given() == {"portrait": "a.png", "speech": "b.wav", "steps": 4, "seed": 7, "yaw": 3.0}
    assert request == SpeechRequest("a.png", "b.wav", 4, None, 7, None, 3.0)


def test_sampling_follows_the_preset_where_nothing_is_asked_for():
    for tuned in (TINY_SAMPLING, BASE_SAMPLING):
        assert sampling_options(SPEAK, tuned) == tuned
        asked = replace(SPEAK, seed=3, guidance=0)
        assert sampling_options(asked, tuned) == replace(tuned, seed=3, guidance_scale=0)
    with pytest.raises(InputError, match="even"):
        sampling_options(replace(SPEAK, solver="heun", steps=3), TINY_SAMPLING)


def test_sliders_start_where_the_preset_wants_and_follow_a_fallback():
    expected = {name: ModelHost(Settings(preset=name)).expected.sampling for name in ("tiny", "base")}
    assert expected == {"tiny": TINY_SAMPLING, "base": BASE_SAMPLING} and TINY_SAMPLING != BASE_SAMPLING
    with gr.Blocks():
        panel = SamplingPanel(BASE_SAMPLING)
    assert panel.guidance.value == BASE_SAMPLING.guidance_scale
    assert [value for value in panel.tune(TINY_SAMPLING) if value != gr.skip()] == [TINY_SAMPLING.guidance_scale]
    assert all(value == gr.skip() for value in panel.tune(BASE_SAMPLING))


def test_nothing_asked_for_is_no_control():
    assert motion_controls(SPEAK) is None
    controls = motion_controls(replace(SPEAK, yaw=10, gaze_y=5, expressiveness=50))
    assert controls is not None and (controls.yaw, controls.gaze_y, controls.style.expressiveness) == (10, 5, 0.5)


def test_controls_over_time_come_from_a_file_and_single_angles_go_first(tmp_path):
    path = tmp_path / "controls.csv"
    path.write_text("yaw,pitch\n0,1\n5,2\n10,3\n")
    controls = motion_controls(replace(SPEAK, controls=str(path), pitch=-4))
    assert controls is not None and np.array_equal(controls.yaw, [0, 5, 10]) and controls.pitch == -4  # pyright: ignore
    other = tmp_path / "controls.txt"
    other.write_text("yaw\n1\n")
    with pytest.raises(InputError, match="neither"):
        motion_controls(replace(SPEAK, controls=str(other)))


def test_what_a_preset_cannot_do_is_refused_before_anything_is_read():
    base, tiny = get_preset("base"), get_preset("tiny")
    for asked in (replace(SPEAK, expressiveness=50), replace(SPEAK, head_clip="c.mp4")):
        with pytest.raises(InputError, match="preset 'base'"):
            asked.check_abilities("base", base.generator)
        asked.check_abilities("tiny", tiny.generator)
    SPEAK.check_abilities("base", base.generator)


def test_what_a_preset_cannot_do_is_not_offered():
    base, tiny = get_preset("base").generator, get_preset("tiny").generator
    with gr.Blocks():
        panel = HeadPanel(Samples([], [], []), gr.Audio(), base)
        style = StylePanel(Samples([], [], []), base)
    assert FROM_CLIP not in [name for name, _ in panel.head.choices]
    assert not style.panel.visible and "not offered" in panel.unable.value
    head, words = panel.fit(tiny)  # the smaller preset had to be used
    assert FROM_CLIP in [name for name, _ in head.choices] and words == "" and style.fit(tiny)[0].visible
    assert all(change == gr.skip() for change in panel.fit(base))


def test_files_that_are_gone_are_said_to_be(tmp_path):
    here = portrait_file(tmp_path / "here.png")
    with pytest.raises(InputError, match="the speech is gone: files are removed after an hour; add it again"):
        SpeechRequest(str(here), str(tmp_path / "gone.wav")).check_files()
    SpeechRequest(str(here), str(speech_file(tmp_path / "s.wav"))).check_files()


def test_jobs_name_what_is_wrong(pipeline, inputs, tmp_path):
    picture, speech, clip = str(inputs.portrait), str(inputs.speech), str(inputs.clip)
    text, grey = tmp_path / "notes.txt", tmp_path / "grey.png"
    text.write_text("hello")
    Image.new("RGB", (200, 200), (128, 128, 128)).save(grey)
    bad = [
        (SpeechRequest(str(text), speech), 60, "notes.txt"),
        (SpeechRequest(picture, str(text)), 60, "notes.txt"),
        (SpeechRequest(picture, speech), 0.5, "limit"),
        (SpeechRequest(picture, speech, crop="here"), 60, "crop"),
        (ClipRequest(picture, clip), 0.5, "limit"),
        (MotionRequest(picture, speech), 60, "motion"),
    ]
    for request, seconds, words in bad:
        with pytest.raises(InputError, match=words):
            make_job(request, pipeline, seconds)
    with pytest.raises(NoFaceError):
        make_job(SpeechRequest(str(grey), speech), pipeline)
    with pytest.raises(TypeError):
        make_job(CompareRequest(picture, speech), pipeline)


def test_every_setting_reaches_the_job(pipeline, inputs):
    asked = SpeechRequest(
        str(inputs.portrait), str(inputs.speech), 6, 1.5, 11, "heun", 10, None, None, None, -5, 50, str(inputs.clip),
        "0,0,200", None, True, True,
    )  # fmt: skip
    job = make_job(asked, pipeline)
    assert job.options is not None and job.controls is not None
    assert (job.options.num_steps, job.options.guidance_scale, job.options.seed) == (6, 1.5, 11)
    assert (job.controls.yaw, job.controls.gaze_y, job.controls.style.expressiveness) == (10, -5, 0.5)
    assert job.source.box == CropBox(0, 0, 200) and job.head_clip is not None and job.head_clip.path == inputs.clip
    assert job.paste_back and job.label and job.names == (inputs.portrait.name, inputs.speech.name)
    driven = make_job(ClipRequest(str(inputs.portrait), str(inputs.clip), True, False, driving_crop="none"), pipeline)
    assert driven.relative and not driven.keep_sound and driven.sound is None
    assert driven.driving is not None and driven.driving.box.side == 256


def test_a_minute_of_speech_fits_a_visitors_quota_and_more_is_refused_before(pipeline, inputs):
    job = make_job(SpeechRequest(str(inputs.portrait), str(inputs.speech)), pipeline)
    assert job.options is not None
    minute, finer = replace(job, total=1500), replace(job, options=replace(job.options, num_steps=50))
    assert gpu_seconds(job) < gpu_seconds(finer) and gpu_seconds(job) < gpu_seconds(minute)
    check_gpu_seconds(replace(minute, options=BASE_SAMPLING))
    assert 1.5 * MAX_GPU_SECONDS <= 120  # a day of a visitor without an account
    with pytest.raises(InputError, match="fewer steps"):
        check_gpu_seconds(replace(job, total=2500, options=replace(BASE_SAMPLING, num_steps=50)))


def test_limits_read_well():
    with pytest.raises(InputError, match="x is 3; give a number from 0 to 2"):
        Limits(0, 2).check("x", 3)
    for value in ("1", None, True, float("inf")):
        with pytest.raises(InputError):
            Limits(0, 2).check("x", value)
