"""Bad input: exit code 2, one line that names the value and the remedy, nothing written."""

import resource
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from imtalker.cli import main
from imtalker.pipeline.motion_clip import save_motion
from tests.support.drawn_face import draw_face
from tests.support.sample_media import encode_audio, tone, write_video, write_wav
from tests.support.standin import save_small_models


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Everything in order."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "weights").mkdir()
    save_small_models(folder / "weights")
    Image.fromarray(draw_face()).save(folder / "face.png")
    write_wav(folder / "speech.wav", tone(0.4))
    write_video(folder / "clip.mp4", frames=4, picture=lambda i: draw_face())
    return folder


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = b"IDAT" + zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def portraits(folder, good) -> dict:
    face = (good / "face.png").read_bytes()
    Image.fromarray(draw_face()).save(folder / "f.jpg")
    Image.new("RGB", (1, 1)).save(folder / "one.png")
    Image.new("RGB", (200, 200), "gray").save(folder / "blank.png")
    small = np.full((400, 400, 3), 128, np.uint8)
    small[180:225, 180:225] = np.asarray(Image.fromarray(draw_face()).resize((45, 45)))
    Image.fromarray(small).save(folder / "small.png")
    contents = {
        "empty.png": b"",
        "text.jpg": b"this is not a picture",
        "cut.png": face[: len(face) // 2],
        "cut.jpg": (folder / "f.jpg").read_bytes()[:600],
        "bomb.png": png_header(30_000, 30_000),
        "sound.png": (good / "speech.wav").read_bytes(),
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run\n",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return {
        **{name: name for name in contents},
        "missing": "nowhere.png",
        "one": "one.png",
        "blank": "blank.png",
        "small": "small.png",
        "folder": "emptyfolder",
    }


def speeches(folder, good) -> dict:
    wav = (good / "speech.wav").read_bytes()
    write_wav(folder / "zero.wav", tone(0))
    write_wav(folder / "short.wav", tone(0.04))
    write_wav(folder / "silent.wav", tone(1) * 0)
    nan = tone(1)
    nan[500] = np.nan
    sound = struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)  # 32-bit float, mono
    header = b"RIFF" + struct.pack("<I", 36 + nan.nbytes) + b"WAVEfmt " + struct.pack("<I", 16) + sound
    header += b"data" + struct.pack("<I", nan.nbytes)
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{good / 'speech.wav'}\n"
    contents = {
        "empty.wav": b"",
        "text.wav": b"this is not a sound",
        "cut.wav": wav[:20],
        "nan.wav": header + nan.tobytes(),
        "playlist.mp3": playlist.encode(),
        "concat.wav": f"ffconcat version 1.0\nfile '{good / 'speech.wav'}'\n".encode(),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    films = {"silentfilm": good / "clip.mp4", "picture": good / "face.png", "url": "http://localhost/a.wav"}
    made = ("zero.wav", "short.wav", "silent.wav", "nowhere.wav")
    return {**{name: name for name in (*contents, *made)}, **films}


def clips(folder, good) -> dict:
    film = (good / "clip.mp4").read_bytes()
    encode_audio(folder / "sound.mp4", "aac")
    write_video(folder / "faceless.mp4", frames=3)
    contents = {"empty.mp4": b"", "text.mp4": b"not a film", "cut.mp4": film[: len(film) // 2]}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return {name: name for name in (*contents, "sound.mp4", "faceless.mp4", "nowhere.mp4")}


def control_files(folder) -> dict:
    contents = {
        "columns.csv": "yaw,banana\n1,2\n",
        "words.csv": "yaw\nleft\n",
        "nan.csv": "yaw\nnan\n",
        "huge.csv": "yaw\n500\n",
        "ragged.csv": "yaw,pitch\n1\n",
        "empty.csv": "",
        "c.txt": "yaw\n1\n",
        "text.npz": "not an archive",
    }
    for name, text in contents.items():
        (folder / name).write_text(text)
    return {name: name for name in (*contents, "nowhere.csv")}


OPTIONS = {
    "preset": ["--preset", "huge"],
    "device": ["--device", "tpu"],
    "dtype": ["--dtype", "int3"],
    "steps": ["--steps", "0"],
    "odd steps": ["--steps", "5", "--solver", "heun"],
    "guidance": ["--guidance", "nan"],
    "seed": ["--seed", "-1"],
    "yaw": ["--yaw", "500"],
    "expressiveness": ["--expressiveness", "9"],
    "mouth": ["--mouth", "0"],
    "blinks": ["--blinks", "1"],
    "style from nothing": ["--style-from", "absent.mp4"],
    "crop": ["--crop", "12"],
    "crop outside": ["--crop", "900,900,64"],
    "crop zero": ["--crop", "9,9,0"],
    "face": ["--face", "7"],
    "background": ["--background", "blurple"],
    "relative": ["--relative"],
    "word": ["--steps", "many"],
    "unknown": ["--frobnicate"],
    "suffix": ["-o", "v.avi"],
    "no folder": ["-o", "nowhere/v.mp4"],
    "unwritable": ["-o", "/proc/v.mp4"],
    "motion": ["--save-motion", "m.pt"],
}


@pytest.fixture
def run(good, tmp_path, monkeypatch, capsys):
    """Run ``imtalker animate`` in an otherwise empty folder; returns the one line of complaint."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emptyfolder").mkdir()

    def run(**changes) -> str:
        options = {"portrait": good / "face.png", "audio": good / "speech.wav", "preset": good / "weights"}
        options = {key: value for key, value in {**options, **changes}.items() if value is not None}
        extra = options.pop("extra", [])
        before = {path.name for path in tmp_path.iterdir()}
        argv = ["animate", "-o", "out.mp4"] + ["--steps", "1"] * (changes.keys() == {"audio"})
        argv += [part for key, value in options.items() for part in (f"--{key}", str(value))]
        try:
            code = main([*argv, *extra])
        except SystemExit as stop:  # argparse
            code = stop.code
        out, err = capsys.readouterr()
        assert code == 2, (code, err)
        assert out == "" and err.count("\n") == 1 and "Traceback" not in err and len(err) > 20, err
        assert {path.name for path in tmp_path.iterdir()} == before
        return err

    return run


def test_portraits(run, good, tmp_path):
    for name, path in portraits(tmp_path, good).items():
        assert str(path) in run(portrait=path), name
    assert "million" in run(portrait="bomb.png")
    assert "no face" in run(portrait="blank.png") and "pixels" in run(portrait="small.png")


def test_speech(run, good, tmp_path):
    for name, path in speeches(tmp_path, good).items():
        assert str(path).rsplit("/", 1)[-1] in run(audio=path), name
    assert "0.04 s" in run(audio="short.wav") and "silent" in run(audio="silent.wav")
    assert "finite" in run(audio="nan.wav") and "no sound track" in run(audio=good / "clip.mp4")


def test_clips(run, good, tmp_path):
    for name, path in clips(tmp_path, good).items():
        assert str(path) in run(video=path, audio=None), name
    assert "no video stream" in run(video="sound.mp4", audio=None)
    assert "no face" in run(video="faceless.mp4", audio=None)


def test_control_files(run, tmp_path):
    for name, path in control_files(tmp_path).items():
        assert path in run(controls=path), name


@pytest.mark.parametrize("name", OPTIONS)
def test_options(run, name):
    value = {"crop zero": "side 0", "no folder": "nowhere"}.get(name, OPTIONS[name][-1])
    assert value in run(extra=OPTIONS[name])


def test_motion_files(run, good, tmp_path):
    (tmp_path / "text.safetensors").write_text("no motion")
    save_motion(tmp_path / "base.safetensors", torch.zeros(3, 32), {"preset": "base"})
    data = (tmp_path / "base.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(data[:-20])
    weights = good / "weights" / "generator.safetensors"
    for path in ("text.safetensors", "cut.safetensors", weights, "nowhere.safetensors"):
        assert str(path) in run(motion=path, audio=None)
    assert "'base'" in run(motion="base.safetensors", audio=None)


@pytest.mark.parametrize("damage", ["cut", "tampered", "pickle", "missing"])
def test_weights(run, good, tmp_path, damage):
    folder = tmp_path / "emptyfolder"
    for file in (good / "weights").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    target = folder / "renderer.safetensors"
    data = bytearray(target.read_bytes())
    data[-5] ^= 255
    target.write_bytes({"cut": bytes(data[:-100]), "tampered": bytes(data), "pickle": b"", "missing": b""}[damage])
    if damage == "pickle":
        torch.save({"a": print}, target)
    if damage == "missing":
        target.unlink()
    assert "renderer.safetensors" in run(preset=folder)


def test_contradictions(run, good):
    assert "finite" in run(extra=["--yaw", "inf"])
    assert "--audio, --text, --video or --motion" in run(audio=None)
    assert "--video" in run(video=good / "clip.mp4")
    assert "--yaw" in run(audio=None, video=good / "clip.mp4", extra=["--yaw", "3"])
    assert "is also an input" in run(audio=None, video=good / "clip.mp4", extra=["-o", str(good / "clip.mp4")])
    assert "folder" in run(extra=["--portrait", str(good / "face.png"), str(good / "face.png")])


def test_a_full_disk(run, good, tmp_path):
    write_wav(tmp_path / "long.wav", tone(4))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, hard))
        assert "out.mp4 cannot be written" in run(audio="long.wav")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_command_and_unknown_command(capsys):
    for argv in ([], ["dance"], ["convert", "a.ckpt"]):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_convert_of_something_else(tmp_path, capsys):
    (tmp_path / "a.ckpt").write_text("no checkpoint")
    assert main(["convert", str(tmp_path / "a.ckpt"), str(tmp_path / "b.ckpt"), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out").exists()
