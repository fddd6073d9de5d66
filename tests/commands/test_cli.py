"""The command line: what it writes, what it prints, how it ends."""

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imtalker import cli
from imtalker.cli import COMMANDS, main
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.motion_clip import load_motion
from imtalker.pipeline.recipe import read_recipe
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import decode_video, tone, write_video, write_wav
from tests.support.standin import save_small_models


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """A folder with weights, two portraits, speech and a clip."""
    folder = tmp_path_factory.mktemp("things")
    (folder / "weights").mkdir()
    save_small_models(folder / "weights")
    Image.fromarray(draw_face(size=256)).save(folder / "ann.png")
    Image.fromarray(draw_face(DrawnFace(skin=(120, 80, 60)), 300)).save(folder / "bob.jpg")
    write_wav(folder / "speech.wav", tone(0.6))
    write_video(folder / "clip.mp4", frames=8, picture=lambda i: draw_face(DrawnFace(shift=float(i))), sound=True)
    return folder


def animate(things, *options: object) -> int:
    arguments = [str(option) for option in options]
    if "--portrait" not in arguments:
        arguments += ["--portrait", str(things / "ann.png")]
    if not {"--audio", "--video", "--motion"} & set(arguments):
        arguments += ["--audio", str(things / "speech.wav")]
    return main(["animate", "--preset", str(things / "weights"), *arguments])


def test_size_is_asked_for(things, tmp_path, capsys):
    for size in (64, 128):
        assert animate(things, "--size", size, "-o", tmp_path / "v.mp4", "--steps", 2) == 0
        assert decode_video(tmp_path / "v.mp4")[0][0].shape == (size, size, 3)
    assert animate(things, "--size", 100, "-o", tmp_path / "w.mp4") == 2
    assert "size 100: this renderer makes frames of 64 or 128 pixels" in capsys.readouterr().err
    assert not (tmp_path / "w.mp4").exists()


def test_speech_becomes_a_video(things, tmp_path, capsys):
    assert animate(things, "-o", tmp_path / "v.mp4", "--steps", 2) == 0
    frames, facts = decode_video(tmp_path / "v.mp4")
    assert len(frames) == 15 and facts["audio"] == pytest.approx(0.6, abs=0.01)
    out = capsys.readouterr().out
    assert "v.mp4: 0.60 s of video" in out and "frames/s" in out
    assert [f.name for f in tmp_path.iterdir()] == ["v.mp4"]


def test_json_is_one_object_with_everything(things, tmp_path, capsys):
    options = ["--steps", 4, "--guidance", 1.5, "--seed", 7, "--solver", "midpoint", "--yaw", 5, "--json"]
    assert animate(things, "-o", tmp_path / "v.mp4", *options) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames"] == 15 and facts["output"].endswith("v.mp4") and facts["device"] == "cpu"
    assert {"crop", "source_encoding", "audio_encoding", "motion_generation", "rendering", "encoding"} <= set(
        facts["seconds"]
    )
    assert facts["first_frame_seconds"] > 0 and facts["times_real_time"] > 0 and "torch" in facts["versions"]
    recipe = read_recipe(tmp_path / "v.mp4")
    assert recipe is not None and recipe["controls"]["yaw"] == 5
    assert (
        recipe["sampling"] | {"num_steps": 4, "guidance_scale": 1.5, "seed": 7, "solver": "midpoint"}
        == recipe["sampling"]
    )


def test_clip_drives_and_is_shown_beside_the_result(things, tmp_path):
    assert (
        animate(things, "--video", things / "clip.mp4", "-o", tmp_path / "v.mp4", "--side-by-side", "--relative") == 0
    )
    frames, _ = decode_video(tmp_path / "v.mp4")
    pairs, facts = decode_video(tmp_path / "v-side-by-side.mp4")
    assert len(frames) == len(pairs) == 8 and pairs[0].shape == (128, 256, 3) and facts["audio"] > 0.25


def test_motion_is_saved_and_used_again(things, tmp_path):
    motion = tmp_path / "m.safetensors"
    assert animate(things, "-o", tmp_path / "a.mp4", "--save-motion", motion, "--steps", 2) == 0
    assert load_motion(motion).motion.shape == (15, 32)
    other = ["--portrait", things / "bob.jpg", "--motion", motion]
    assert animate(things, *other, "-o", tmp_path / "b.mp4") == 0
    assert animate(things, *other, "--audio", things / "speech.wav", "-o", tmp_path / "c.mp4") == 0
    assert "audio" not in decode_video(tmp_path / "b.mp4")[1] and "audio" in decode_video(tmp_path / "c.mp4")[1]


def test_controls_from_a_file_and_head_from_a_clip(things, tmp_path):
    (tmp_path / "c.csv").write_text("yaw,gaze_x\n" + "3,1\n" * 15)
    assert animate(things, "--controls", tmp_path / "c.csv", "--steps", 1, "-o", tmp_path / "a.mp4") == 0
    recipe = read_recipe(tmp_path / "a.mp4")
    assert recipe is not None and recipe["controls"]["yaw"] == [3.0] * 15
    assert animate(things, "--head-from", things / "clip.mp4", "--steps", 1, "-o", tmp_path / "b.mp4") == 0
    recipe = read_recipe(tmp_path / "b.mp4")
    assert recipe is not None and recipe["head_from"]["file"] == "clip.mp4" and "controls" not in recipe


def test_framing_options(things, tmp_path):
    for options in (["--no-crop"], ["--crop", "10,20,150"], ["--face", 0]):
        assert animate(things, *options, "--steps", 1, "-o", tmp_path / "v.mp4") == 0
    assert animate(things, "--paste-back", "--label", "--steps", 1, "-o", tmp_path / "v.mp4") == 0
    assert decode_video(tmp_path / "v.mp4")[0][0].shape == (256, 256, 3)


def test_a_batch_goes_on_after_a_failure(things, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("ann.png", "bob.jpg"):
        (pictures / name).write_bytes((things / name).read_bytes())
    (pictures / "broken.png").write_bytes(b"no picture")
    (pictures / "notes.txt").write_text("not looked at")
    out = tmp_path / "out"
    assert animate(things, "--portrait", pictures, "--steps", 1, "-o", out, "--json") == 1
    facts = json.loads(capsys.readouterr().out)
    assert [r["frames"] for r in facts["results"]] == [15, 15]
    assert len(facts["failures"]) == 1 and "broken.png" in facts["failures"][0]["error"]
    assert sorted(f.name for f in out.iterdir()) == ["ann_speech.mp4", "bob_speech.mp4"]
    assert animate(things, "--portrait", things / "ann.png", pictures / "ann.png", "--steps", 1, "-o", out) == 0
    assert (out / "ann_speech_2.mp4").exists()


def test_ctrl_c_finishes_a_shorter_video(things, tmp_path, capsys, monkeypatch):
    write = VideoWriter.write
    speech = write_wav(tmp_path / "long.wav", tone(6))

    def interrupted(self, frames):
        write(self, frames)
        if self.frames == 12:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(VideoWriter, "write", interrupted)
    assert animate(things, "--audio", speech, "--steps", 1, "-o", tmp_path / "v.mp4", "--json") == 130
    facts = json.loads(capsys.readouterr().out)
    frames, streams = decode_video(tmp_path / "v.mp4")
    assert facts["stopped"] and 12 <= facts["frames"] == len(frames) < 30
    assert abs(streams["audio"] - streams["video"]) < 0.04
    assert sorted(f.name for f in tmp_path.iterdir()) == ["long.wav", "v.mp4"]


def test_ctrl_c_of_a_real_process(things, tmp_path):
    speech = write_wav(tmp_path / "long.wav", tone(60))
    command = [sys.executable, "-m", "imtalker", "animate", "--preset", things / "weights", "--steps", "1"]
    command += ["--portrait", things / "ann.png", "--audio", speech, "-o", tmp_path / "v.mp4"]
    process = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        if any(f.name.startswith(".v-") and f.stat().st_size > 2000 for f in tmp_path.iterdir()):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert {f.name for f in tmp_path.iterdir()} <= {"long.wav", "v.mp4"}
    if (tmp_path / "v.mp4").exists():
        frames, streams = decode_video(tmp_path / "v.mp4")
        assert 0 < len(frames) < 1500 and abs(streams["audio"] - streams["video"]) < 0.04


def test_info(things, capsys):
    assert main(["info", "--preset", str(things / "weights"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["preset"]["parameters"]["renderer"] > 0 and "cpu" in facts["devices"]
    assert main(["info", "--preset", "base"]) == 0  # says where the weights come from, fetches nothing
    assert "fetched on first use" in capsys.readouterr().out


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for module in COMMANDS for name in module.NAMES)


@pytest.mark.parametrize("name", [name for module in COMMANDS for name in module.NAMES])
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0 and f"usage: imtalker {name}" in capsys.readouterr().out


def test_help_loads_nothing_large():
    code = "import sys; from imtalker.cli import build_parser; build_parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "cv2", "av"} & set(loaded)


def test_a_missing_package_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "imtalker.train.renderer", None)
    with pytest.raises(ModuleNotFoundError):  # a fault of ours is not the user's
        main(["train-renderer", "--out", str(tmp_path)])
    monkeypatch.delitem(sys.modules, "imtalker.train.renderer")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.delitem(sys.modules, "imtalker.train.loop", raising=False)
    root = Path(cli.__file__).parents[1]
    assert "setup-dev:" in (root / "Makefile").read_text() and "setup:" in (root / "Makefile").read_text()
    here = f"make -C {shlex.quote(str(root))} setup-dev"
    for checkout, command in ((root, here), (tmp_path, "pip install 'imtalker[train]'")):
        monkeypatch.setattr(cli, "CHECKOUT", checkout)  # the other is a folder of installed packages
        assert main(["-v", "train-renderer", "--out", str(tmp_path)]) == 2
        err = capsys.readouterr().err
        assert err.startswith("imtalker: train-renderer needs accelerate, which is not installed; run: ")
        assert err.endswith(f"{command}\n") and err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(cli, "build_parser", lambda: importlib.import_module("av"))
    assert main(["dub"]) == 2
    assert capsys.readouterr().err == "imtalker: dub needs av, which is not installed; run: pip install imtalker\n"


def test_same_command_same_video(things, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        assert animate(things, "--steps", 1, "-o", tmp_path / name) == 0
    first, second = (np.stack(decode_video(tmp_path / name)[0]) for name in ("a.mp4", "b.mp4"))
    assert (first == second).all()
