"""A recipe makes the same frames again, wherever it was written: command line, program, app."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from imtalker import load_motion, save_motion, save_video
from imtalker.cli import main
from imtalker.demo.runs.gpu import make_renderer
from imtalker.demo.runs.jobs import make_job
from imtalker.demo.runs.requests import ClipRequest, SpeechRequest
from imtalker.demo.runs.run import Finished, run_clip
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from imtalker.media.crop import CropBox
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.recipe import VERSION, read_recipe, requested_controls
from imtalker.pipeline.recipe_check import check_recipe
from imtalker.pipeline.remake import InputFiles, remake
from imtalker.pipeline.talking_head import load_pipeline
from imtalker.speech import speak_again
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import decode_video, tone, write_video, write_wav
from tests.support.standin import save_small_models


@pytest.fixture(scope="module")
def things(tmp_path_factory) -> Path:
    """A folder with weights, a transparent portrait, speech and a clip."""
    folder = tmp_path_factory.mktemp("things")
    (folder / "weights").mkdir()
    save_small_models(folder / "weights")
    face = Image.fromarray(draw_face(size=256)).convert("RGBA")
    face.putpixel((3, 3), (0, 0, 0, 0))
    face.save(folder / "ann.png")
    write_wav(folder / "speech.wav", tone(0.4))
    write_video(folder / "clip.mp4", frames=8, picture=lambda i: draw_face(DrawnFace(shift=float(i))), sound=True)
    return folder


@pytest.fixture(scope="module")
def pipeline(things):
    return load_pipeline(things / "weights", "cpu")


def pictures(path: Path) -> np.ndarray:
    return np.stack(decode_video(path)[0])


def animate(things: Path, *options: object) -> int:
    return main(["animate", "--preset", str(things / "weights"), *(str(option) for option in options)])


AUDIO = ["--audio", "speech.wav", "--steps", 2, "--seed", 9, "--solver", "heun"]
CLIP = ["--video", "clip.mp4", "--relative"]


@pytest.mark.parametrize(
    "options",
    [
        [*AUDIO, "--yaw", 7.3, "--expressiveness", 0.5, "--no-crop"],
        [*AUDIO, "--head-from", "clip.mp4", "--gaze-y", 3],
        [*AUDIO, "--controls", "c.csv", "--paste-back", "--label", "--background", "red"],
        [*CLIP, "--crop", "20,10,200", "--video-crop", "5,6,220"],
    ],
)
def test_the_command_line_makes_its_own_videos_again(things, tmp_path, monkeypatch, options):
    monkeypatch.chdir(things)
    (things / "c.csv").write_text("yaw,gaze_x\n" + "".join(f"{i / 3},{-i / 7}\n" for i in range(10)))
    assert animate(things, "--portrait", "ann.png", *options, "-o", tmp_path / "v.mp4") == 0
    again = [things / "again.mp4", tmp_path / "again.mp4"]
    assert animate(things, "--recipe", tmp_path / "v.mp4", "-o", again[0]) == 0
    (tmp_path / "r.json").write_text(json.dumps(read_recipe(tmp_path / "v.mp4")))
    for name in ("ann.png", "speech.wav", "clip.mp4"):  # found beside the recipe as well
        (tmp_path / name).write_bytes((things / name).read_bytes())
    monkeypatch.chdir("/")
    assert animate(things, "--recipe", tmp_path / "r.json", "-o", again[1], "--side-by-side") == 0
    assert (tmp_path / "again-side-by-side.mp4").exists()
    for path in again:
        assert np.array_equal(pictures(path), pictures(tmp_path / "v.mp4"))
        assert read_recipe(path) == read_recipe(tmp_path / "v.mp4")


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_the_app_and_the_command_line_write_the_same_recipe(things, pipeline, tmp_path, monkeypatch, kind):
    portrait, sound, clip = (str(things / name) for name in ("ann.png", "speech.wav", "clip.mp4"))
    if kind == "audio":
        request = SpeechRequest(portrait, sound, steps=2, yaw=4, label=True, crop="10,20,150")
        same = ["--audio", sound, "--steps", 2, "--yaw", 4, "--label", "--crop", "10,20,150"]
    else:
        request = ClipRequest(portrait, clip, paste_back=True)
        same = ["--video", clip, "--paste-back"]
    job = make_job(request, pipeline)
    (tmp_path / "run").mkdir()
    host = SimpleNamespace(pipeline=lambda: pipeline)
    run = list(run_clip(job, make_renderer(host), tmp_path / "run", {}))[-1]  # pyright: ignore[reportArgumentType]
    assert isinstance(run, Finished)
    assert animate(things, "--portrait", portrait, *same, "-o", tmp_path / "cli.mp4") == 0
    recipe = read_recipe(run.recipe)
    assert recipe == read_recipe(run.video) == read_recipe(tmp_path / "cli.mp4") == run.report["recipe"]
    monkeypatch.chdir(things)
    assert animate(things, "--recipe", run.recipe, "-o", tmp_path / "again.mp4") == 0
    assert np.array_equal(pictures(tmp_path / "again.mp4"), pictures(run.video))
    assert np.array_equal(pictures(tmp_path / "cli.mp4"), pictures(run.video))


def test_saved_motion_is_part_of_the_recipe(things, pipeline, tmp_path):
    portrait = pipeline.encode_source(things / "ann.png")
    first = pipeline.animate_from_audio(portrait, things / "speech.wav")
    save_video(first, tmp_path / "first.mp4")
    save_motion(tmp_path / "m.safetensors", first.motion)
    run = pipeline.render_motion(portrait, load_motion(tmp_path / "m.safetensors"), audio=things / "speech.wav")
    save_video(run, tmp_path / "v.mp4")
    recipe = read_recipe(tmp_path / "v.mp4")
    assert recipe is not None and recipe["motion"]["recipe"] == first.recipe
    _, _, again = remake(pipeline, recipe, InputFiles({}, (things, tmp_path)))
    save_video(again, tmp_path / "again.mp4")
    assert np.array_equal(pictures(tmp_path / "again.mp4"), pictures(tmp_path / "v.mp4"))


def test_other_files_and_weights_are_refused(things, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(things)
    assert animate(things, "--portrait", "ann.png", *AUDIO, "-o", tmp_path / "v.mp4") == 0
    write_wav(tmp_path / "speech.wav", tone(0.4) * 0.5)
    capsys.readouterr()

    def complaint(*options: object, preset: Path = things / "weights") -> str:
        arguments = ["--preset", preset, "--recipe", tmp_path / "v.mp4", "-o", tmp_path / "again.mp4", *options]
        assert main(["animate", *(str(argument) for argument in arguments)]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and not (tmp_path / "again.mp4").exists()
        return err

    assert "SHA-256" in complaint()  # the file beside the recipe is another one
    assert "no file for motion" in complaint("--motion", "m.safetensors", "--audio", "speech.wav")
    assert "nowhere.wav" in complaint("--audio", "nowhere.wav")
    assert "--yaw is set by the recipe" in complaint("--yaw", 3)
    (tmp_path / "w").mkdir()
    save_small_models(tmp_path / "w", seed=1)
    assert "--preset" in complaint("--audio", "speech.wav", preset=tmp_path / "w")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speech.wav").unlink()
    assert "say where it is" in complaint()
    forced = ["--audio", things / "speech.wav", "--portrait", things / "ann.png", "--force"]
    arguments = ["--preset", tmp_path / "w", "--recipe", tmp_path / "v.mp4", "-o", tmp_path / "again.mp4", *forced]
    assert main(["animate", *(str(argument) for argument in arguments)]) == 0


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 1},
        {"version": VERSION + 1},
        {"mode": "dance"},
        {"portrait": None},
        {"speech": None},
        {"sampling": {"num_steps": "many"}},
        {"controls": {"charm": 3}},
        {"portrait": {"file": "ann.png", "crop": {"left": 1}, "background": "#ffffff"}},
        {"portrait": {"file": "ann.png", "crop": {"left": 1, "top": 1, "side": 99}, "background": "blurple"}},
        {"portrait": {"file": None, "crop": {"left": 1, "top": 1, "side": 99}, "background": "#ffffff"}},
    ],
)
def test_a_damaged_recipe_is_an_input_error(things, pipeline, damage):
    portrait = pipeline.encode_source(things / "ann.png")
    recipe = pipeline.animate_from_audio(portrait, things / "speech.wav").recipe
    check_recipe(recipe)
    with pytest.raises(InputError):
        remake(pipeline, recipe | damage, InputFiles({}, (things,)))


STRANGE = (None, True, -1, 10**400, float("nan"), 1e308, "", "\0/..", [], [[1], 2], {}, {"file": 3})


@pytest.mark.parametrize("mode", ["audio", "video"])
def test_whatever_is_changed_in_a_recipe_is_used_or_refused_in_words(things, pipeline, mode):
    portrait = pipeline.encode_source(things / "ann.png", crop=CropBox(10, 10, 200))
    if mode == "audio":
        controls = MotionControls(yaw=np.arange(3.0), gaze_x=2)
        recipe = pipeline.animate_from_audio(portrait, things / "speech.wav", controls, paste_back=True).recipe
    else:
        recipe = pipeline.animate_from_video(portrait, things / "clip.mp4", crop=None).recipe
    recipe = json.loads(json.dumps(recipe)) | {"audio_offset": 0.0}
    monkey = np.random.default_rng(5)
    places = list(_places(recipe))
    for path, value in zip(places, monkey.integers(len(STRANGE), size=len(places)), strict=True):
        changed = json.loads(json.dumps(recipe))
        parent = changed
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = STRANGE[value]
        try:
            requested_controls(changed)
            speak_again(changed)
            remake(pipeline, changed, InputFiles({}, (things,), force=True))
        except InputError as error:
            assert len(str(error)) < 400, error
    assert len(places) > 15


def _places(values, path=()):
    """Where something stands in a recipe."""
    if path:
        yield path
    for key in values if isinstance(values, dict) else ():
        yield from _places(values[key], (*path, key))


def test_a_recipe_out_of_nothing(things, tmp_path, capsys):
    (tmp_path / "r.json").write_text("[1]")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with VideoWriter(tmp_path / "list.mp4", (48, 64), recipe=[1]) as writer:  # pyright: ignore[reportArgumentType]
        writer.write(np.zeros((48, 64, 3), np.uint8))
    made = (tmp_path / name for name in ("r.json", "deep.json", "list.mp4", "nowhere.json"))
    for path in (things / "clip.mp4", things / "speech.wav", *made):
        assert animate(things, "--recipe", path, "-o", tmp_path / "v.mp4") == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "v.mp4").exists()
