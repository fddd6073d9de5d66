"""Code that repeats a run: it is valid in its language, and every file name survives."""

import argparse
import ast
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from imtalker.cli import build_parser
from imtalker.demo.page.snippets import cli_snippet, curl_snippet, python_snippet
from imtalker.demo.runs.requests import ClipRequest, DubRequest, SpeechRequest
from imtalker.speech.text import VOICES

SPEAK = SpeechRequest("/x/my face.png", "/x/a.wav", steps=4, seed=7, yaw=-12.0, expressiveness=50, label=True)
NAMES = [
    "photo[1].jpg", "Smith, John.jpg", "a;b.jpg", "my photo.jpg", "quote's.jpg", '"quoted".jpg', "100%20 done.jpg",
    "Опрос 日本.jpg", "dollar $HOME.jpg", "-dash.jpg", "back`tick`.jpg", "back\\slash.jpg", "(1) & co.jpg", "@at.jpg",
    "a=b;type=c.jpg", "$(touch hacked).jpg",
]  # fmt: skip
# In the place of curl: stores what it is asked to send, and answers as the server does.
CURL = """import json, sys
words = sys.argv[1:]
if "-F" in words:
    form = words[words.index("-F") + 1]
    assert form.startswith('files=@"') and form.endswith('"'), form
    name = form[len('files=@"'):-1].replace('\\\\"', '"').replace("\\\\\\\\", "\\\\")
    open(name, "rb").read()
    print(json.dumps(["/tmp/gradio/0af3/" + name], separators=(",", ":")), end="")
elif "-d" in words:
    json.dump([words[1], json.load(sys.stdin)], open("sent.json", "w"))
    print('{"event_id":"e5"}')
else:
    print(words[-1])
"""


def test_python_snippet_is_a_program():
    tree = ast.parse(python_snippet(SPEAK, "http://127.0.0.1:7860/"))
    call = next(n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.keywords)
    given = {k.arg: k.value for k in call.keywords}
    assert ast.literal_eval(given["yaw"]) == -12 and ast.literal_eval(given["api_name"]) == "/animate_audio"
    portrait = given["portrait"]
    assert "pitch" not in given and isinstance(portrait, ast.Call)
    assert ast.literal_eval(portrait.args[0]) == "my face.png"


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """With the stand-in on the PATH. This Python runs it, bare: a bash test starts it many times."""
    (tmp_path / "curl.py").write_text(CURL)
    curl = tmp_path / "curl"
    curl.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(tmp_path))}/curl.py "$@"\n')
    curl.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("name", NAMES)
def test_curl_snippet_sends_exactly_these_files_and_values(name, environment, tmp_path):
    (tmp_path / name).write_bytes(b"picture")
    (tmp_path / "a.wav").write_bytes(b"sound")
    text = curl_snippet(replace(SPEAK, portrait=f"/x/{name}"), "https://example.org/talk/")
    done = subprocess.run(["bash", "-eu"], input=text, text=True, capture_output=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    url, sent = json.loads((tmp_path / "sent.json").read_text())
    assert url == "https://example.org/talk/gradio_api/call/v2/animate_audio"
    assert sent.pop("portrait")["path"] == f"/tmp/gradio/0af3/{name}"
    assert sent.pop("speech")["path"] == "/tmp/gradio/0af3/a.wav"
    assert sent == {"steps": 4, "seed": 7, "yaw": -12, "expressiveness": 50, "label": True}
    assert done.stdout.strip() == "https://example.org/talk/gradio_api/call/animate_audio/e5"
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("name", NAMES)
def test_command_line_snippet_is_understood_by_the_command_line(name):
    words = shlex.split(cli_snippet(replace(SPEAK, portrait=f"/x/{name}"), "tiny").replace("\\\n", " "))
    arguments = build_parser().parse_args(words[1:])
    assert isinstance(arguments, argparse.Namespace)
    assert (arguments.seed, arguments.yaw, arguments.expressiveness, arguments.label) == (7, -12.0, 0.5, True)
    assert [Path(path).name for path in arguments.portrait] == [name] and not arguments.paste_back


def test_every_option_with_a_flag_is_one_of_the_command_line():
    asked = SpeechRequest(
        "p.png", "s.wav", 4, 2, 1, "euler", 1, 2, 3, 4, 5, 90, "c.mp4", "1,2,99", 1, True, True, "t.csv",
        head=50, mouth=80, brows=50, smile=20, blinks=20, style_clip="d.mp4",
    )  # fmt: skip
    driven = ClipRequest("p.png", "c.mp4", True, True, "none", 0, "1,2,99", True, True, 1)
    dubbed = DubRequest("v.mp4", "s.wav", None, "heart", 1, "video", 1.2, 30, True, 1, 0.5, 4, 2, 1, "euler", True, 60)
    spoken = SpeechRequest("p.png", text="Good morning!", voice=VOICES[-1], speed=1.5)
    assert {"--text", "--voice", "--speed"} <= set(shlex.split(cli_snippet(spoken, "tiny").replace("\\\n", " ")))
    of_text = {"--text", "--voice", "--speed"}  # in the place of speech
    for request in (asked, dubbed, driven):
        words = shlex.split(cli_snippet(request, "tiny").replace("\\\n", " "))
        given = vars(build_parser().parse_args(words[1:]))
        flags = {option.flag for option in request.options().values() if option.flag} - of_text
        assert flags - set(words) <= {"--crop"}
        assert given["preset"] == "tiny" and given["output"] == "video.mp4"
    assert given["crop"] == "none" and given["video_crop"] == "1,2,99"


def test_readme_sends_files_of_any_name(environment, tmp_path):
    """The shell function of the README, as it stands there."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    function = next(line for line in readme.splitlines() if line.startswith("FILE()"))
    for name in NAMES:
        (tmp_path / name).write_bytes(b"picture")
        script = f'{function}\nFILE "$1"'
        done = subprocess.run(
            ["bash", "-eu", "-c", script, "bash", name],
            text=True,
            capture_output=True,
            cwd=tmp_path,
            env={**environment, "URL": "http://x"},
        )
        assert json.loads(done.stdout)["path"] == f"/tmp/gradio/0af3/{name}", done.stderr
