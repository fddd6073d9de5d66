"""``imtalker dub``: what it writes, what it prints, how it ends."""

import json

import numpy as np
import pytest

from imtalker.cli import main
from imtalker.pipeline.inputs import Speech
from imtalker.pipeline.motion_clip import load_motion
from imtalker.pipeline.recipe import read_recipe
from tests.support.dubbing import talking_clip
from tests.support.sample_media import decode_video, tone, write_video, write_wav
from tests.support.standin import save_small_models


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    folder = tmp_path_factory.mktemp("things")
    (folder / "weights").mkdir()
    save_small_models(folder / "weights")
    write_wav(folder / "speech.wav", tone(0.4))
    talking_clip(folder / "clip.mp4", 12, 20, sound=True)
    return folder


def run_dub(things, *options: object) -> int:
    arguments = [str(option) for option in options]
    if "--video" not in arguments:
        arguments += ["--video", str(things / "clip.mp4")]
    if "--audio" not in arguments:
        arguments += ["--audio", str(things / "speech.wav")]
    return main(["dub", "--preset", str(things / "weights"), "--steps", "2", *arguments])


def test_a_video_is_written_at_its_own_rate(things, tmp_path, capsys):
    assert run_dub(things, "-o", tmp_path / "out.mp4") == 0
    frames, facts = decode_video(tmp_path / "out.mp4")
    assert len(frames) == 8 and facts["video"] == pytest.approx(0.4, abs=0.01)
    assert "out.mp4: 0.40 s of video" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]


def test_a_folder_gets_a_name_of_both(things, tmp_path):
    assert run_dub(things, "-o", tmp_path) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["clip_speech.mp4"]


def test_all_options_reach_the_recipe(things, tmp_path, capsys):
    options = ["--length", "video", "--keep-pauses", "--articulation", 1.2, "--background-sound", 0.3, "--face", 0]
    options += [
        "--reference",
        0.1,
        "--label",
        "--adapt",
        0.2,
        "--seed",
        5,
        "--guidance",
        1.5,
        "--json",
        "--engine",
        "renderer",
    ]
    assert run_dub(things, "-o", tmp_path / "o.mp4", "--save-motion", tmp_path / "m.safetensors", *options) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames"] == 12 and facts["video_frame_rate"] == 20 and facts["size"] == [256, 256]
    recipe = read_recipe(tmp_path / "o.mp4")
    assert recipe is not None and recipe == facts["recipe"]
    assert recipe["dubbing"] == {
        "face": 0,
        "length": "video",
        "keep_pauses": True,
        "articulation": 1.2,
        "reference": 0.1,
        "background_sound": 0.3,
        "adapt": 0.2,
        "label": True,
        "engine": "renderer",
    }
    assert recipe["sampling"]["seed"] == 5 and recipe["sampling"]["guidance_scale"] == 1.5
    assert len(load_motion(tmp_path / "m.safetensors").motion)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--articulation", "wide"], "articulation is 'wide'"),
        (["--articulation", "9"], "from 0.6 to 1.4"),
        (["--background-sound", "loud"], "keep, drop, or a level"),
        (["--reference", "soon"], "auto, or seconds"),
        (["--adapt", "601"], "adapt is 601"),
        (["--adapt", "nan"], "adapt is nan"),
        (["--face", "7"], "face 7 does not exist"),
        (["--video", "nowhere.mp4"], "does not exist"),
        (["--audio", "nowhere.wav"], "does not exist"),
        (["--preset", "nowhere"], "nowhere"),
        (["--steps", "0"], "steps"),
    ],
)
def test_bad_input_ends_with_one_line_and_leaves_nothing(things, tmp_path, capsys, options, message):
    assert run_dub(things, "-o", tmp_path / "o.mp4", *options) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1] and lines[-1].startswith("imtalker: ")
    assert list(tmp_path.iterdir()) == []


def test_clips_without_a_face_or_pictures_end_with_one_line(things, tmp_path, capsys):
    empty = write_video(tmp_path / "empty.mp4", frames=5)
    for video, message in ((empty, "no face was found"), (things / "speech.wav", "no video stream")):
        assert run_dub(things, "-o", tmp_path / "o.mp4", "--video", video) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "o.mp4").exists()


def test_an_input_is_never_overwritten(things, capsys):
    before = (things / "clip.mp4").read_bytes()
    assert run_dub(things, "-o", things / "clip.mp4") == 2
    assert "also an input" in capsys.readouterr().err
    assert (things / "clip.mp4").read_bytes() == before


@pytest.mark.parametrize(
    "options, message",
    [
        (["--video", "v.mp4"], "no new speech; give --audio or --text"),
        (["--audio", "a.wav"], "no clip; give --video"),
        (["--video", "v.mp4", "--audio", "a.wav", "--text", "Hello"], "--text cannot be used with --audio"),
        (["--video", "v.mp4", "--audio", "a.wav", "--voice", "emma"], "--voice is for --text"),
        (["--video", "v.mp4", "--audio", "a.wav", "--force"], "--force is for --recipe"),
        (["--recipe", "r.json", "--articulation", "1.2"], "--articulation is set by the recipe"),
        (["--video", "v.mp4", "--text", " "], "text"),
    ],
)
def test_what_is_missing_or_contradicts_is_named(capsys, options, message):
    assert main(["dub", *options]) == 2
    assert message in capsys.readouterr().err


def test_the_recipe_in_the_video_gives_the_same_frames_again(things, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(things)
    first, again = tmp_path / "first.mp4", tmp_path / "again.mp4"
    assert run_dub(things, "-o", first, "--side-by-side", "--background-sound", 0.3, "--adapt", 0.2, "--seed", 5) == 0
    remake = ["dub", "--recipe", str(first), "--preset", str(things / "weights")]
    assert main([*remake, "-o", str(again), "--json"]) == 0
    np.testing.assert_array_equal(decode_video(first)[0], decode_video(again)[0])
    assert read_recipe(again) == read_recipe(first)
    beside = decode_video(tmp_path / "first-side-by-side.mp4")[0]
    assert beside[0].shape[1] == 2 * 256 and len(beside) == 8
    for wrong, message in (
        ([*remake, "-o", str(again), "--video", str(things / "speech.wav")], "is not the edited video"),
        (["animate", *remake[1:], "-o", str(again)], "imtalker dub --recipe"),
        (["dub", "--recipe", str(things / "clip.mp4")], "carries no recipe"),
    ):
        assert main(wrong) == 2
        assert message in capsys.readouterr().err


def test_a_text_is_spoken(things, tmp_path, monkeypatch):
    """The voice is stood in for, as the clip is: what is tested is that its words reach the run."""
    said = []

    def speak(*words):
        said.append(words)
        return Speech.read((24_000, np.repeat(tone(0.3)[:, 0], 3)[::2]))

    monkeypatch.setattr("imtalker.speech.text_to_video.speak", speak)
    options = ["--text", "Good morning!", "--voice", "emma", "--speed", "1.2", "-o", str(tmp_path / "o.mp4")]
    video = ["--video", str(things / "clip.mp4"), "--preset", str(things / "weights")]
    assert main(["dub", *video, *options]) == 0
    assert said == [("Good morning!", "emma", 1.2)] and len(decode_video(tmp_path / "o.mp4")[0]) == 6
