"""Samples: captions, what is kept of them, the greeting; settings, and the files of the Space."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
import yaml

from imtalker.demo.page.audio_video_tabs import sample_request
from imtalker.demo.page.page import hero_html
from imtalker.demo.runs.credentials import Signer, manifest
from imtalker.demo.runs.files import result_name
from imtalker.demo.runs.hero import Greeting
from imtalker.demo.runs.run import Finished
from imtalker.demo.runs.samples import SampleResults, Samples, pairs, title
from imtalker.demo.service import Service
from imtalker.demo.settings import NOBODY_ADDRESS, Settings
from imtalker.errors import WeightsError
from imtalker.media.video import probe_video
from tests.support.demo_setup import portrait_file


@pytest.fixture
def service(host, inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    samples = Samples([inputs.portrait], [inputs.speech], [], {"speech": "a <greeting>"})
    made = Service(host, Settings(preset="tiny", device="cpu"), samples, SampleResults(samples, tmp_path / "kept"))
    yield made
    made.close()


def test_only_samples_are_kept(service, inputs, tmp_path):
    request = sample_request(inputs.portrait, inputs.speech, service.host.expected.sampling)
    key = service.key(request)
    assert key and key != service.key(replace(request, seed=2)) and key != service.key(replace(request, steps=2))
    own = portrait_file(tmp_path / "own.png", 2)
    assert service.key(replace(request, portrait=str(own))) is None
    first = list(service.run(request, beside=True, use_kept=True))
    again = list(service.run(request, beside=True, use_kept=True))
    assert len(first) > 1 and len(again) == 1 and isinstance(again[0], Finished) and isinstance(first[-1], Finished)
    assert again[0].report == first[-1].report | {"kept": True}
    assert again[0].video.read_bytes() == first[-1].video.read_bytes()
    assert again[0].video != first[-1].video
    stopped = replace(first[-1], report=first[-1].report | {"stopped": True})
    assert service.results is not None
    service.results.keep("half", stopped)
    assert service.results.fetch("half", tmp_path) is None


def test_the_greeting_is_made_once_and_is_what_a_click_gives(service, inputs):
    made = []

    def request(portrait, speech):
        made.append(sample_request(portrait, speech, service.host.expected.sampling))
        return made[-1]

    first = Greeting(service, request)
    first.start()
    hero = first.wait(120)
    assert hero is not None and hero.title == "Portrait says a <greeting>"
    assert probe_video(hero.video).width == 256  # picture and result
    before = hero.video.stat().st_mtime_ns
    second = Greeting(service, request)
    second.start()
    again = second.wait(60)
    assert again == hero and hero.video.stat().st_mtime_ns == before
    assert len(list(service.run(made[0], beside=True, use_kept=True))) == 1
    html = hero_html(hero, 'https://example.org/"talk"/')
    assert "autoplay muted loop" in html and "<greeting>" not in html and '"talk"' not in html
    assert "https://example.org/&quot;talk&quot;/gradio_api/file=/" in html
    assert hero_html(None, "x") == gr.skip()


def test_a_greeting_that_cannot_be_made_is_none(host, tmp_path, inputs):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    samples = Samples([inputs.portrait], [bad], [])
    service = Service(host, Settings(), samples, SampleResults(samples, tmp_path / "kept"))
    greeting = Greeting(service, lambda portrait, speech: sample_request(portrait, speech, host.expected.sampling))
    greeting.start()
    assert greeting.wait(60) is None


def test_names_captions_and_pairs():
    assert title(Path("a_calm-voice.wav")) == "A calm voice"
    samples = Samples([], [], [], {"welcome": "a greeting"})
    assert samples.caption(Path("x/welcome.wav")) == "a greeting" and samples.caption(Path("new_one.wav")) == "New one"
    paths = [Path(name) for name in ("ada.jpg", "painting.jpg", "zoe.jpg")]
    speech = [Path("tea.wav"), Path("welcome.wav")]
    featured = Samples(paths, speech, [])
    assert featured.featured == (paths[1], speech[1])
    assert featured.talking(2) == [(paths[1], speech[1]), (paths[0], speech[0])]
    assert Samples(paths[:1], [], []).featured is None and Samples(paths[:1], speech[:1], []).featured is not None
    a, b, c = Path("a"), Path("b"), Path("c")
    assert pairs([a, b, c], [a, b], 3) == [(a, a), (b, b), (c, a)] and pairs([a], [], 2) == []
    assert result_name("/x/my face.png", "/y/Опрос.wav") == "my-face" and result_name(None, None) == "talking"


def test_every_bundled_sample_says_what_it_shows():
    samples = Samples.find()
    for path in (*samples.portraits, *samples.speech, *samples.driving):
        assert path.stem in samples.captions, f"assets/captions.json has no caption for {path.name}"


def test_settings_come_from_the_environment():
    settings = Settings.from_environment({"IMTALKER_PRESET": "base", "IMTALKER_MCP": "1", "SPACE_ID": "a/b"})
    assert (settings.preset, settings.mcp, settings.space, settings.device) == ("base", True, "a/b", "auto")
    assert Settings.from_environment({"IMTALKER_AUTH": "jane:a:b"}).auth == ("jane", "a:b") and settings.auth is None
    for wrong in ({"IMTALKER_MAX_SECONDS": "-1"}, {"IMTALKER_AUTH": "jane"}, {"IMTALKER_AUTH": ":secret"}):
        with pytest.raises(ValueError):
            Settings.from_environment(wrong)


@pytest.mark.parametrize(
    "environment, address",
    [({}, None), ({"SPACE_ID": "a/b"}, NOBODY_ADDRESS), ({"SPACE_ID": "a/b", "IMTALKER_NOBODY": "0"}, None),
     ({"IMTALKER_NOBODY": "1"}, NOBODY_ADDRESS), ({"IMTALKER_NOBODY": "http://here/x"}, "http://here/x")],
)  # fmt: skip
def test_faces_of_nobody_are_offered_on_a_space_or_on_demand(environment, address):
    assert Settings.from_environment(environment).nobody == address


def test_content_credentials_need_both_files(tmp_path):
    video = tmp_path / "video.mp4"
    video.write_bytes(b"as it was")
    Signer.from_settings(Settings()).sign(video)  # nothing is configured: nothing is changed
    assert video.read_bytes() == b"as it was"
    with pytest.raises(WeightsError, match="both"):
        Signer.from_settings(Settings(c2pa_cert="a.pem"))
    with pytest.raises(WeightsError, match=r"c2pa-python|cannot be read"):
        Signer.from_settings(Settings(c2pa_cert="a.pem", c2pa_key="b.pem"))


def test_the_space_says_what_it_needs():
    root = Path(__file__).parents[2]
    front = yaml.safe_load((root / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert (front["sdk"], front["sdk_version"], front["app_file"]) == ("gradio", gr.__version__, "app.py")
    assert len(front["short_description"]) <= 60 and front["license"] and front["models"] and front["tags"]
    assert f"gradio=={gr.__version__}" in (root / "requirements.txt").read_text(encoding="utf-8")
    assert "ffmpeg" in (root / "packages.txt").read_text(encoding="utf-8").split()
    tops = ast.parse((root / "app.py").read_text(encoding="utf-8")).body
    imports = [name.name for node in tops if isinstance(node, ast.Import) for name in node.names]
    assert imports.index("spaces") < imports.index("gradio")  # before anything that brings torch
    assert json.loads((root / "assets" / "captions.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "edited, action, kind", [(False, "created", "trained"), (True, "edited", "compositeWithTrained")]
)
def test_content_credentials_tell_made_from_edited(edited, action, kind):
    (done,) = manifest(edited)["assertions"][0]["data"]["actions"]
    assert done["action"] == f"c2pa.{action}" and done["digitalSourceType"].endswith(f"/{kind}AlgorithmicMedia")
