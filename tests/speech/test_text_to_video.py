"""A text makes the video that its sound makes, and its recipe makes it again."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from imtalker import animate_from_text, load_pipeline, speak
from imtalker.cli import main
from imtalker.demo.runs.common_options import SPEECH
from imtalker.demo.runs.jobs import make_job
from imtalker.demo.runs.requests import SpeechRequest
from imtalker.errors import InputError
from imtalker.pipeline.recipe import read_recipe
from imtalker.pipeline.remake import InputFiles, remake
from imtalker.speech import speak_again, synthesis, text_to_video
from tests.support.drawn_face import draw_face
from tests.support.sample_media import decode_video
from tests.support.standin import save_small_models

TEXT = "Hum. Hum hum."


def humming(voice: str) -> SimpleNamespace:
    """In the place of the engine: a tone per letter."""

    def sound(ids: list[int], speed: float, noise: np.random.Generator) -> np.ndarray:
        time = np.arange(round(1200 / speed)) / synthesis.RATE
        tones = [np.sin(2 * np.pi * (100 + 3 * number) * time) for number in ids]
        return (0.3 * np.concatenate(tones) + 0.001 * noise.standard_normal(len(ids) * len(time))).astype(np.float32)

    return SimpleNamespace(
        phonemize=lambda text: [s for s in text.split(". ") if s],
        ids=lambda part: [ord(c) for c in part],
        from_ids=sound,
    )


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    monkeypatch.setattr(synthesis, "load_engine", humming)
    monkeypatch.setattr(text_to_video, "engine_name", lambda: "humming 1")


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    folder = tmp_path_factory.mktemp("things")
    save_small_models(folder)
    Image.fromarray(draw_face(size=256)).save(folder / "ann.png")
    return folder


@pytest.fixture(scope="module")
def pipeline(things):
    return load_pipeline(things, "cpu")


def frames(run) -> np.ndarray:
    return np.stack(list(run.frames()))


def test_a_text_run_is_the_audio_run_of_the_same_sound_and_can_be_made_again(things, pipeline):
    portrait = pipeline.encode_source(things / "ann.png")
    run = animate_from_text(pipeline, portrait, TEXT, speed=1.5)
    rate, samples = run.audio
    assert rate == 24_000 and run.recipe["speech"] == {
        "text": TEXT,
        "voice": "heart",
        "speed": 1.5,
        "engine": "humming 1",
    }
    made = frames(run)
    assert np.array_equal(made, frames(pipeline.animate_from_audio(portrait, (rate, samples))))
    again = remake(pipeline, run.recipe, InputFiles({}, (things,)), spoken=speak_again(run.recipe))[2]
    assert again.recipe == run.recipe and np.array_equal(made, frames(again))


def test_recipes_of_texts_do_not_go_wrong_silently(things, pipeline, monkeypatch):
    recipe = animate_from_text(pipeline, things / "ann.png", TEXT).recipe
    with pytest.raises(InputError, match="is a text"):
        remake(pipeline, recipe, InputFiles({}, (things,)))
    with pytest.raises(InputError, match="no file for speech"):
        remake(pipeline, recipe, InputFiles({"speech": things / "ann.png"}, (things,)), spoken=speak(TEXT))
    monkeypatch.setattr(text_to_video, "engine_name", lambda: "humming 2")
    with pytest.raises(InputError, match="humming 1"):
        speak_again(recipe)
    assert speak_again(recipe, force=True) is not None
    assert speak_again({"speech": {"file": "a.wav"}}) is None and speak_again({}) is None


def test_no_more_is_spoken_than_the_limit_allows(monkeypatch):
    spoken = []
    monkeypatch.setattr(
        text_to_video, "synthesise", lambda *_: (spoken.append(1) or np.ones(24_000, np.float32) for _ in range(99))
    )
    with pytest.raises(InputError, match="limit of 3 s"):
        speak("Hum.", max_seconds=3)
    assert len(spoken) == 4


def test_the_app_says_what_the_command_line_says(things, pipeline, tmp_path, capsys):
    job = make_job(SpeechRequest(str(things / "ann.png"), text=TEXT, speed=2), pipeline)
    (tmp_path / "words.txt").write_text(TEXT, encoding="utf-8")

    def animate(*options: object) -> int:
        return main(["animate", "--preset", str(things), *(str(option) for option in options)])

    ann, video = ("--portrait", things / "ann.png"), tmp_path / "v.mp4"
    assert animate(*ann, "--text-file", tmp_path / "words.txt", "--speed", 2, "-o", video) == 0
    recipe = read_recipe(video)
    assert recipe is not None and job.speech is not None and recipe["speech"] == job.speech.recipe
    assert len(decode_video(video)[0]) == job.total
    assert animate("--recipe", video, *ann, "-o", tmp_path / "again.mp4") == 0
    assert np.array_equal(decode_video(video)[0], decode_video(tmp_path / "again.mp4")[0])
    capsys.readouterr()
    for wrong in (
        ["--text", ""],
        ["--text", TEXT, "--audio", "a.wav"],
        ["--text", TEXT, "--text-file", "a.txt"],
        ["--text-file", tmp_path / "nowhere.txt"],
        ["--audio", "a.wav", "--voice", "heart"],
        ["--text", TEXT, "--speed", 7],
    ):
        assert animate(*ann, *wrong, "-o", tmp_path / "no.mp4") == 2, wrong
        assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "no.mp4").exists()


def test_a_request_has_speech_or_a_text():
    with pytest.raises(InputError, match=SPEECH.missing):
        SpeechRequest("a.png")
    with pytest.raises(InputError, match="one of them"):
        SpeechRequest("a.png", "b.wav", text=TEXT)
    with pytest.raises(InputError, match="choose one of"):
        SpeechRequest("a.png", text=TEXT, voice="nobody")
