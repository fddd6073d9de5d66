"""The endpoints as a program meets them: gradio_client against the running app."""

import json
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from imtalker.cli import main as command_line
from imtalker.demo.page.snippets import curl_snippet
from imtalker.demo.runs.requests import SpeechRequest
from imtalker.media.video import probe_video, read_frames
from imtalker.pipeline.motion_clip import load_motion
from imtalker.pipeline.recipe import read_recipe
from imtalker.weights.presets import TINY_SAMPLING
from tests.support.demo_setup import Inputs, portrait_file, served, speech_file
from tests.support.standin import save_small_models

FRAMES = 12  # of the inputs


def connect(url: str, downloads: Path) -> Client:
    patient = {"timeout": 120}  # a busy machine answers late
    return Client(url, verbose=False, download_files=str(downloads), httpx_kwargs=patient)


class App:
    """A served app with its inputs."""

    def __init__(self, url: str, root: Path, preset: Path, inputs: Inputs):
        self.url, self.root, self.preset, self.inputs = url, root, preset, inputs
        self.client = connect(url, root / "downloads")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    root = tmp_path_factory.mktemp("client")
    preset = save_small_models(root / "weights")
    inputs = Inputs.write(root / "inputs", FRAMES / 25)
    with served(root, preset) as url:
        yield App(url, root, preset, inputs)
    left = [path for path in (root / "gradio").rglob("*") if path.is_file()]
    assert not left, "the app leaves files behind when it ends"


def speak(app: App, **changes):
    arguments = {"portrait": app.inputs.portrait, "speech": app.inputs.speech, "steps": 2, "seed": 3} | changes
    files = {name: handle_file(str(arguments[name])) for name in ("portrait", "speech")}
    return app.client.predict(**{**arguments, **files}, api_name="/animate_audio")


def frames_of(path) -> np.ndarray:
    return np.stack(list(read_frames(path)))


def test_every_endpoint_is_documented(app):
    endpoints = app.client.view_api(return_format="dict")["named_endpoints"]
    names = {"animate_audio", "animate_video", "dub_video", "compare", "detect_faces", "apply_motion", "info"}
    streams = {"animate_audio_stream", "animate_video_stream", "dub_video_stream"}
    assert set(endpoints) == {f"/{name}" for name in names | streams}
    for name, endpoint in endpoints.items():
        assert endpoint["description"], name
        assert all(p["parameter_name"] and p["label"] for p in endpoint["parameters"]), name
    audio = {p["parameter_name"]: p for p in endpoints["/animate_audio"]["parameters"]}
    assert not audio["portrait"]["parameter_has_default"] and audio["steps"]["parameter_has_default"]


def test_parameters_that_programs_use_already_keep_their_names_and_places(app):
    """A promise: what is new comes last."""
    promised = {
        "/animate_audio": "portrait speech steps guidance seed solver yaw pitch roll gaze_x gaze_y expressiveness "
        "head_clip crop face paste_back label",
        "/animate_video": "portrait driving relative keep_sound crop face driving_crop paste_back label",
        "/dub_video": "video speech text voice speed length articulation background keep_pauses face reference "
        "steps guidance seed solver label adapt",
        "/apply_motion": "portrait motion sound crop face paste_back label",
        "/compare": "portrait speech kind second_portrait yaw pitch roll steps guidance seed crop",
        "/detect_faces": "portrait",
        "/info": "",
    }
    endpoints = app.client.view_api(return_format="dict")["named_endpoints"]
    for name, words in promised.items():
        parameters = [p["parameter_name"] for p in endpoints[name]["parameters"]]
        assert parameters[: len(words.split())] == words.split(), name
    for name in ("/animate_audio", "/animate_video", "/dub_video"):
        stream = endpoints[f"{name}_stream"]["parameters"]
        assert [p["parameter_name"] for p in stream] == [p["parameter_name"] for p in endpoints[name]["parameters"]]


def test_info_says_what_is_in_use(app):
    info = app.client.predict(api_name="/info")
    assert {"expressiveness", "head_clip", "dub_video"} <= set(info["abilities"]) and all(info["abilities"].values())
    assert info["preset"] == "tiny" and info["device"] == "CPU" and info["limits"]["max_seconds"] == 60
    assert info["defaults"]["guidance"] == TINY_SAMPLING.guidance_scale


def test_speech_gives_the_same_frames_as_the_command_line(app):
    video, motion, report = speak(app)
    target = app.root / "cli.mp4"
    files = ["--portrait", str(app.inputs.portrait), "--audio", str(app.inputs.speech)]
    options = ["--steps", "2", "--seed", "3", "--preset", str(app.preset), "--device", "cpu"]
    assert command_line(["animate", *files, *options, "-o", str(target)]) == 0
    assert np.array_equal(frames_of(video), frames_of(target))
    assert report["frames"] == FRAMES and report["recipe"]["sampling"]["seed"] == 3
    assert load_motion(motion).motion.shape == (FRAMES, 32)
    assert probe_video(video).has_audio
    recipe = read_recipe(video)
    assert recipe is not None and recipe["speech"]["file"] == "speech.wav"


def test_controls_over_time_are_the_file_of_the_command_line(app):
    controls = app.root / "controls.csv"
    controls.write_text("yaw\n" + "\n".join(str(index / 2) for index in range(FRAMES)) + "\n")
    video, *_ = speak(app, controls=handle_file(str(controls)))
    target = app.root / "controlled.mp4"
    files = ["--portrait", str(app.inputs.portrait), "--audio", str(app.inputs.speech), "--controls", str(controls)]
    options = ["--steps", "2", "--seed", "3", "--preset", str(app.preset), "--device", "cpu"]
    assert command_line(["animate", *files, *options, "-o", str(target)]) == 0
    assert np.array_equal(frames_of(video), frames_of(target))
    free, *_ = speak(app)
    assert not np.array_equal(frames_of(free), frames_of(video))


def test_health_is_told_without_a_queue(app):
    answer = httpx.get(f"{app.url}healthz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "preset": "tiny", "device": "CPU", "queue": 0}


def test_errors_that_nobody_foresaw_have_a_reference(app, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr("imtalker.demo.service.make_job", broken)
    with pytest.raises(AppError, match=r"reference [0-9a-f]{8}"):
        speak(app)


def test_a_clip_moves_a_portrait_and_keeps_its_sound(app):
    files = {"portrait": handle_file(str(app.inputs.portrait)), "driving": handle_file(str(app.inputs.clip))}
    video, _, report = app.client.predict(**files, api_name="/animate_video")
    assert report["frames"] == FRAMES and probe_video(video).has_audio
    silent, _, _ = app.client.predict(**files, keep_sound=False, paste_back=True, api_name="/animate_video")
    info = probe_video(silent)
    assert not info.has_audio and (info.width, info.height) == (256, 256)


def test_a_clip_is_dubbed_as_on_the_command_line(app):
    files = {"video": handle_file(str(app.inputs.clip)), "speech": handle_file(str(app.inputs.speech))}
    asked = {**files, "steps": 2, "seed": 3, "label": True}
    video, motion, report = app.client.predict(**asked, api_name="/dub_video")
    target = app.root / "dubbed.mp4"
    options = ["--steps", "2", "--seed", "3", "--label", "--preset", str(app.preset), "--device", "cpu"]
    inputs = ["--video", str(app.inputs.clip), "--audio", str(app.inputs.speech)]
    assert command_line(["dub", *inputs, *options, "-o", str(target)]) == 0
    assert np.array_equal(frames_of(video), frames_of(target)) and report["frames"] == FRAMES
    assert len(load_motion(motion).motion) == FRAMES and probe_video(video).has_audio
    recipe = read_recipe(video)
    assert recipe is not None and recipe["mode"] == "dub" and recipe["edited"]["file"] == "clip.mp4"
    *pieces, (_, whole) = list(app.client.submit(**asked, api_name="/dub_video_stream"))
    assert pieces and whole["frames"] == FRAMES
    with pytest.raises(AppError, match="no video stream"):
        app.client.predict(**{**asked, "video": files["speech"]}, api_name="/dub_video")


def test_motion_moves_another_portrait(app):
    _, motion, _ = speak(app)
    video, again, report = app.client.predict(
        portrait=handle_file(str(app.inputs.other)),
        motion=handle_file(motion),
        sound=handle_file(str(app.inputs.speech)),
        api_name="/apply_motion",
    )
    assert report["frames"] == FRAMES and probe_video(video).has_audio
    assert np.array_equal(load_motion(again).motion, load_motion(motion).motion)
    assert set(report["seconds"]) & {"rendering"} and "motion_generation" not in report["seconds"]


def test_comparison(app):
    files = {"portrait": handle_file(str(app.inputs.portrait)), "speech": handle_file(str(app.inputs.speech))}
    video, report = app.client.predict(
        **files, kind="portraits", steps=2, second_portrait=handle_file(str(app.inputs.other)), api_name="/compare"
    )
    assert [row["variant"] for row in report["table"]] == ["first portrait", "second portrait"]
    assert probe_video(video).width == 256 and len(frames_of(video)) == FRAMES


def test_faces(app):
    picture, report = app.client.predict(handle_file(str(app.inputs.portrait)), api_name="/detect_faces")
    assert Path(picture).is_file() and len(report["faces"]) == 1
    left, top, side = (int(number) for number in report["faces"][0]["crop"].split(","))
    assert side > 64 and 0 <= left < 256 and 0 <= top < 256
    by_hand, *_ = speak(app, crop=report["faces"][0]["crop"])
    automatic, *_ = speak(app)
    assert np.array_equal(frames_of(by_hand), frames_of(automatic))


def test_pieces_arrive_before_the_end_and_hold_everything(app):
    speech = speech_file(app.root / "longer.wav", 5.0)
    job = app.client.submit(
        portrait=handle_file(str(app.inputs.portrait)),
        speech=handle_file(str(speech)),
        steps=2,
        api_name="/animate_audio_stream",
    )
    *pieces, (video, report) = list(job)
    assert len(pieces) >= 2 and report["frames"] == 125
    counts = [len(list(read_frames(piece))) for piece, _ in pieces]
    assert sum(counts) == 125 == len(list(read_frames(video))) and min(counts) >= 25
    assert all(probe_video(piece).has_audio for piece, _ in pieces)


def test_eight_visitors_get_eight_results(app):
    folder = app.root / "visitors"
    folder.mkdir()
    for person in range(2):
        portrait_file(folder / f"{person}.png", person)

    def ask(number: int) -> np.ndarray:
        client = connect(app.url, folder / f"of-{number}")
        video, *_ = client.predict(
            portrait=handle_file(str(folder / f"{number % 2}.png")),
            speech=handle_file(str(app.inputs.speech)),
            steps=2,
            seed=number // 2,
            api_name="/animate_audio",
        )
        return frames_of(video)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, range(8)))
    assert len({frames.tobytes() for frames in together}) == 8
    alone = ask(5)
    assert np.array_equal(alone, together[5])


def test_cancelling_ends_a_run_and_frees_its_place(app):
    speech = speech_file(app.root / "long.wav", 50.0)
    arguments = {"portrait": handle_file(str(app.inputs.portrait)), "speech": handle_file(str(speech))}
    job = app.client.submit(**arguments, api_name="/animate_audio_stream")
    while not job.outputs():
        time.sleep(0.05)
    assert job.cancel()
    started = time.monotonic()
    speak(app)
    assert time.monotonic() - started < 60
    assert len(job.outputs()) < 20


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"steps": 0}, "steps"),
        ({"solver": "magic"}, "solver"),
        ({"solver": "heun", "steps": 3}, "even"),
        ({"yaw": 200}, "yaw"),
        ({"crop": "here"}, "crop"),
        ({"crop": "9000,0,64"}, "outside"),
        ({"face": 4}, "does not exist"),
        ({"expressiveness": 400}, "expressiveness"),
    ],
)
def test_bad_values_are_explained(app, changes, words):
    with pytest.raises(AppError) as caught:
        speak(app, **changes)
    assert words in str(caught.value).lower()


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="needs bash and curl")
def test_the_lines_for_curl_work_as_they_stand(app):
    folder = app.root / "curl"
    folder.mkdir()
    for portrait, speech in (("Smith, John (1).png", "a;b [2].wav"), ("-it's $HOME.png", "talk.wav")):
        shutil.copy(app.inputs.portrait, folder / portrait)
        shutil.copy(app.inputs.speech, folder / speech)
        text = curl_snippet(SpeechRequest(portrait, speech, steps=2, seed=3), app.url)
        done = subprocess.run(["bash", "-eu"], input=text, text=True, capture_output=True, cwd=folder, timeout=300)
        assert "event: complete" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["portrait", "speech"])
def test_bad_files_are_explained_without_folder_names(app, name):
    bad = app.root / f"bad-{name}.bin"
    bad.write_bytes(b"this is no media file")
    with pytest.raises(AppError) as caught:
        speak(app, **{name: bad})
    assert bad.name in str(caught.value) and str(app.root) not in str(caught.value)


def test_reports_are_json(app):
    *_, report = speak(app)
    assert json.loads(json.dumps(report)) == report
