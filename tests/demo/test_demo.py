"""The demo without a browser: jobs, runs, pieces, comparison, preview, snippets, kept samples, words."""

import argparse
import ast
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import yaml

from imtalker.cli import build_parser
from imtalker.config import CropConfig
from imtalker.demo.errors import sentence
from imtalker.demo.models import ModelHost
from imtalker.demo.page.crop_preview import adjusted, crop_text, describe_faces, draw, face_at, square_at
from imtalker.demo.page.framing_panel import BY_HAND, WHOLE, Framed, base_square, choices, crop_for, verdict_html
from imtalker.demo.page.snippets import Call, cli_snippet, curl_snippet, python_snippet
from imtalker.demo.page.tables import comparison_table, finished_words, progress_words, status, timing_table
from imtalker.demo.page.widgets import SamplingPanel
from imtalker.demo.runs.cancellation import Stops
from imtalker.demo.runs.compare import Comparison, make_variants, run_comparison
from imtalker.demo.runs.gpu import MAX_GPU_SECONDS, Failure, gpu_seconds, make_renderer
from imtalker.demo.runs.jobs import audio_job, motion_controls, motion_job, sampling_options, video_job
from imtalker.demo.runs.run import Finished, run_clip
from imtalker.demo.runs.samples import SampleResults, Samples, pairs, title
from imtalker.demo.runs.segments import Segments, can_stream
from imtalker.demo.settings import Settings
from imtalker.errors import ImTalkerError, InputError, NoFaceError, WeightsError
from imtalker.generator.controls import MotionControls
from imtalker.media.audio import load_waveform
from imtalker.media.crop import CropBox
from imtalker.media.side_by_side import SideBySide
from imtalker.media.video import probe_video, read_frames
from imtalker.pipeline.animation import save_video
from imtalker.pipeline.motion_clip import load_motion
from imtalker.weights.presets import BASE_SAMPLING, TINY_SAMPLING
from tests.support.demo_setup import Inputs, portrait_file, random_pipeline, speech_file
from tests.support.drawn_face import DrawnFace, draw_face

OPTIONS = sampling_options(TINY_SAMPLING, 2, 1.0, 5)


@pytest.fixture(scope="module")
def pipeline():
    return random_pipeline()


@pytest.fixture(scope="module")
def host():
    return ModelHost(Settings(preset="tiny", device="cpu"), random_pipeline)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return Inputs.write(tmp_path_factory.mktemp("inputs"))


def folder_in(tmp_path, name="run"):
    folder = tmp_path / name
    folder.mkdir()
    return folder


def finish(events) -> Finished:
    return list(events)[-1]


# ---- jobs ----


def test_jobs_name_what_is_missing_or_wrong(pipeline, inputs, tmp_path):
    picture, speech, clip = str(inputs.portrait), str(inputs.speech), str(inputs.clip)
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    grey = tmp_path / "grey.png"
    from PIL import Image

    Image.new("RGB", (200, 200), (128, 128, 128)).save(grey)
    bad = [
        (lambda: audio_job(pipeline, None, speech, OPTIONS), "no portrait"),
        (lambda: audio_job(pipeline, picture, None, OPTIONS), "no speech"),
        (lambda: audio_job(pipeline, str(text), speech, OPTIONS), "notes.txt"),
        (lambda: audio_job(pipeline, picture, str(text), OPTIONS), "notes.txt"),
        (lambda: audio_job(pipeline, picture, speech, OPTIONS, max_seconds=0.5), "limit"),
        (lambda: video_job(pipeline, picture, None), "no driving clip"),
        (lambda: video_job(pipeline, picture, clip, max_seconds=0.5), "limit"),
        (lambda: motion_job(pipeline, picture, None), "no motion"),
        (lambda: motion_job(pipeline, picture, speech), "motion"),
    ]
    for call, words in bad:
        with pytest.raises(InputError, match=words):
            call()
    with pytest.raises(NoFaceError):
        audio_job(pipeline, str(grey), speech, OPTIONS)


@pytest.mark.parametrize(
    "values", [(0, 1, 1, "euler"), (51, 1, 1, "euler"), (3, 1, 1, "heun"), (4, -1, 1, "euler"), (4, 1, -1, "euler"),
               (4, 1, 1, "x"), (2.5, 1, 1, "euler")]
)  # fmt: skip
def test_sampling_is_checked(values):
    with pytest.raises(InputError):
        sampling_options(TINY_SAMPLING, *values)


def test_sampling_follows_the_preset_where_nothing_is_asked_for():
    for tuned in (TINY_SAMPLING, BASE_SAMPLING):
        assert sampling_options(tuned) == tuned
        assert sampling_options(tuned, seed=3, guidance=0) == replace(tuned, seed=3, guidance_scale=0)


def test_sliders_start_where_the_preset_wants_and_follow_a_fallback(host):
    expected = {name: ModelHost(Settings(preset=name)).expected_sampling for name in ("tiny", "base")}
    assert expected == {"tiny": TINY_SAMPLING, "base": BASE_SAMPLING} and TINY_SAMPLING != BASE_SAMPLING
    with gr.Blocks():
        panel = SamplingPanel(BASE_SAMPLING)
    assert panel.guidance.value == BASE_SAMPLING.guidance_scale
    assert [value for value in panel.tune(TINY_SAMPLING) if value != gr.skip()] == [TINY_SAMPLING.guidance_scale]
    assert all(value == gr.skip() for value in panel.tune(BASE_SAMPLING))


def test_nothing_asked_for_is_no_control():
    assert motion_controls(None, None, None, None, None, 100) is None
    controls = motion_controls(10, None, None, None, 5, 50)
    assert controls is not None and (controls.yaw, controls.gaze_y, controls.expressiveness) == (10, 5, 0.5)


def test_gpu_time_grows_with_length_and_steps_and_is_bounded(pipeline, inputs):
    job = audio_job(pipeline, str(inputs.portrait), str(inputs.speech), OPTIONS)
    longer, finer = replace(job, total=500), replace(job, options=replace(OPTIONS, num_steps=50))
    assert gpu_seconds(job) < gpu_seconds(finer) and gpu_seconds(job) < gpu_seconds(longer)
    assert gpu_seconds(replace(job, total=10**6)) == MAX_GPU_SECONDS


# ---- runs ----


def test_a_run_writes_the_frames_of_the_pipeline(pipeline, host, inputs, tmp_path):
    job = audio_job(pipeline, str(inputs.portrait), str(inputs.speech), OPTIONS)
    run = finish(run_clip(job, make_renderer(host), folder_in(tmp_path), host.describe(), beside=True))
    portrait = pipeline.encode_source(inputs.portrait)
    direct = save_video(pipeline.animate_from_audio(portrait, inputs.speech, options=OPTIONS), tmp_path / "direct.mp4")
    for ours, theirs in zip(read_frames(run.video), read_frames(direct), strict=True):
        assert np.array_equal(ours, theirs)
    assert run.side_by_side is not None and probe_video(run.side_by_side).width == 256
    assert json.loads(run.recipe.read_text())["sampling"]["seed"] == 5
    assert load_motion(run.motion).motion.shape == (25, 32)
    assert run.report["frames"] == 25 and run.report["seconds"]["rendering"] > 0
    assert run.report["total_seconds"] >= 0.9 * sum(run.report["seconds"].values())
    assert run.report["first_frame_seconds"] < run.report["total_seconds"]


def test_stopping_leaves_a_valid_shorter_video(pipeline, host, inputs, tmp_path):
    speech = speech_file(tmp_path / "long.wav", 8.0)
    job = audio_job(pipeline, str(inputs.portrait), str(speech), OPTIONS)
    seen = []
    folder = folder_in(tmp_path)
    events = run_clip(
        job, make_renderer(host), folder, host.describe(), should_stop=lambda: len(seen) >= 15, stream=True
    )
    for event in events:
        seen.append(event)
    run = seen[-1]
    frames = len(list(read_frames(run.video)))
    assert 0 < frames < 200 and run.report["stopped"] and run.report["frames"] == frames
    assert len(load_motion(run.motion).motion) == frames
    assert abs(len(load_waveform(run.video)) / 16_000 - frames / 25) < 0.1
    assert not (folder / "pieces").exists()


def test_a_dropped_or_failed_run_leaves_no_files(pipeline, host, inputs, tmp_path):
    job = audio_job(pipeline, str(inputs.portrait), str(inputs.speech), OPTIONS)
    folder = folder_in(tmp_path)
    events = run_clip(job, make_renderer(host), folder, host.describe(), stream=True, beside=True)
    next(events)
    events.close()
    assert list(folder.iterdir()) == []
    with pytest.raises(InputError, match="broken"):
        list(run_clip(job, lambda _: iter([Failure("broken; mend it")]), folder_in(tmp_path, "b"), {}))


def test_errors_on_the_gpu_side_come_out_as_words(host, pipeline, inputs):
    job = audio_job(pipeline, str(inputs.portrait), str(inputs.speech), replace(OPTIONS, num_steps=0))
    (failure,) = make_renderer(host)(job)
    assert isinstance(failure, Failure) and "num_steps" in failure.message


def test_driving_clip_beside_its_driver(pipeline, host, inputs, tmp_path):
    job = video_job(pipeline, str(inputs.portrait), str(inputs.clip), paste_back=True, label=True)
    run = finish(run_clip(job, make_renderer(host), folder_in(tmp_path), host.describe(), beside=True))
    assert (run.report["width"], run.report["height"]) == (256, 256)
    assert len(list(read_frames(run.side_by_side))) == 25


# ---- pieces ----


def test_pieces_join_to_the_whole_without_a_splinter(tmp_path):
    waveform = np.sin(np.arange(16_000 * 5) / 9).astype(np.float32) * 0.5
    segments = Segments(tmp_path, waveform, total=120)
    frames = np.random.default_rng(0).integers(0, 255, (120, 32, 32, 3), dtype=np.uint8)
    paths = [path for start in range(0, 120, 7) for path in segments.add(frames[start : start + 7])]
    paths += segments.finish()
    counts = [len(list(read_frames(path))) for path in paths]
    assert sum(counts) == 120 and min(counts) >= 50
    heard = np.concatenate([load_waveform(path) for path in paths])
    assert len(heard) == 120 * 640 and np.abs(heard - waveform[: len(heard)]).max() < 1e-3


def test_a_missing_ffmpeg_is_said_once_and_only_costs_the_live_view(monkeypatch, caplog):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    can_stream.cache_clear()
    try:
        assert not can_stream() and not can_stream()
        assert [record.message for record in caplog.records if "ffmpeg" in record.message] == caplog.messages
        assert len(caplog.messages) == 1
    finally:
        can_stream.cache_clear()


# ---- comparison ----


def test_variants_differ_in_one_thing_only(pipeline, inputs):
    job = audio_job(pipeline, str(inputs.portrait), str(inputs.speech), OPTIONS)
    assert [v.job.options.num_steps for v in make_variants("steps", job)] == [4, 10, 25]
    assert {v.job.options.seed for v in make_variants("guidance", job)} == {5}
    free, held = make_variants("pose", job, pose=MotionControls(yaw=10))
    assert free.job.controls is None and held.job.controls.yaw == 10
    for kind in ("portraits", "pose", "nothing"):
        with pytest.raises(InputError):
            make_variants(kind, job)


def test_two_portraits_move_in_step(pipeline, host, inputs, tmp_path):
    job = audio_job(pipeline, str(inputs.portrait), str(inputs.speech), OPTIONS)
    other = audio_job(pipeline, str(inputs.other), str(inputs.speech), OPTIONS)
    variants = make_variants("portraits", job, other)
    folder = folder_in(tmp_path)
    result = list(run_comparison(variants, make_renderer(host), folder, host.describe()))[-1]
    assert isinstance(result, Comparison) and len(result.rows()) == 2
    stages = [report["seconds"] for report in result.reports]
    assert "motion_generation" in stages[0] and "motion_generation" not in stages[1]
    assert [path.name for path in folder.iterdir()] == ["comparison.mp4"]
    frames = list(read_frames(result.video))
    assert len(frames) == 25 and frames[0].shape == (128, 256, 3) and probe_video(result.video).has_audio


def test_grid_keeps_shape_and_order():
    grid = SideBySide(["a", "b", "c", "d"], (128, 128), limit=64)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    frame = grid.compose([np.full((32, 64, 3), colour, np.uint8) for colour in colours])
    assert frame.shape == (128, 192, 3)
    assert tuple(frame[32, 32]) == colours[0] and tuple(frame[96, 32]) == colours[3]
    assert tuple(frame[2, 60]) == (0, 0, 0)  # a wide picture is not stretched


# ---- preview ----


def test_faces_are_judged_in_words(pipeline):
    image = draw_face(DrawnFace(), 512)
    reports = describe_faces(image, pipeline.framing.detector.detect(image), CropConfig(), 256)
    assert [report.index for report in reports] == [0]
    assert reports[0].crop == pipeline.framing.of_picture(image) or reports[0].crop.side > 0
    small = describe_faces(image, pipeline.framing.detector.detect(image), CropConfig(), 4096)
    assert small[0].level == "fair" and "enlarged" in " ".join(small[0].remarks)
    x0, y0, x1, y1 = reports[0].box
    assert face_at(reports, (x0 + x1) / 2, (y0 + y1) / 2) == 0 and face_at(reports, 1, 1) is None
    picture, scale = draw(image, reports, 0, reports[0].crop)
    assert picture.shape == (512, 512, 3) and scale == 1.0


def test_squares_can_be_corrected():
    box = CropBox(100, 50, 200)
    assert adjusted(box, 100, 0, 0, (400, 400)) == box
    assert adjusted(box, 50, 0, 0, (400, 400)) == CropBox(150, 100, 100)
    assert adjusted(box, 100, 10, 10, (400, 400)) == CropBox(120, 30, 200)
    assert square_at(10, 20, (100, 300), 50) == CropBox(-15, -5, 50)
    assert crop_text(None) == "none" and crop_text(box) == "100,50,200"


def test_a_crop_belongs_to_its_picture(pipeline):
    image = draw_face(DrawnFace())
    reports = describe_faces(image, pipeline.framing.detector.detect(image), CropConfig(), 64)
    framed = Framed("a.png", reports=reports, hand=CropBox(0, 0, 64), crop="0,0,64")
    assert crop_for(framed, "a.png") == "0,0,64" and crop_for(framed, "b.png") == "auto"
    assert choices(framed) == ["Face 1", WHOLE, BY_HAND]
    assert base_square(framed, BY_HAND) == CropBox(0, 0, 64) and base_square(framed, WHOLE) is None
    assert "No face" in verdict_html(Framed("c.png"), WHOLE, None)


# ---- snippets ----

CALL = Call(
    "animate_audio",
    {"portrait": "/x/my face.png", "speech": "/x/a.wav", "steps": 4, "seed": 7, "yaw": -12.0, "pitch": None,
     "expressiveness": 50, "crop": "auto", "label": True, "paste_back": False},
)  # fmt: skip


def test_python_snippet_is_a_program():
    tree = ast.parse(python_snippet(CALL, "http://127.0.0.1:7860/"))
    call = next(n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.keywords)
    given = {k.arg: k.value for k in call.keywords}
    assert ast.literal_eval(given["yaw"]) == -12.0 and ast.literal_eval(given["api_name"]) == "/animate_audio"
    assert "pitch" not in given and given["portrait"].args[0].value == "my face.png"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_curl_snippet_is_shell():
    text = curl_snippet(CALL, "http://127.0.0.1:7860/")
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).returncode == 0
    assert "'files=@my face.png'" in text and '"seed": 7' in text


def test_command_line_snippet_is_understood_by_the_command_line():
    import shlex

    words = shlex.split(cli_snippet(CALL, "tiny").replace("\\\n", " "))
    arguments = build_parser().parse_args(words[1:])
    assert isinstance(arguments, argparse.Namespace)
    assert (arguments.seed, arguments.yaw, arguments.expressiveness, arguments.label) == (7, -12.0, 0.5, True)
    assert arguments.portrait == ["my face.png"] and not arguments.paste_back


# ---- models, samples, words ----


def test_models_fall_back_with_a_note():
    asked = []

    def loader(preset, device):
        asked.append(preset)
        if preset != "tiny":
            raise WeightsError("the Hub cannot be reached; try later")
        return random_pipeline()

    host = ModelHost(Settings(preset="base", device="cpu"), loader)
    assert host.describe()["preset"] == "tiny" and "base" in host.note and asked == ["base", "tiny"]


def test_models_that_cannot_be_loaded_are_an_error_not_a_wait():
    def loader(preset, device):
        raise WeightsError("weights are missing; fetch them")

    host = ModelHost(Settings(preset="tiny"), loader)
    with pytest.raises(ImTalkerError, match="missing"):
        host.pipeline()
    assert not host.is_ready


def test_only_samples_are_kept(inputs, tmp_path, pipeline, host):
    samples = Samples([inputs.portrait], [inputs.speech], [])
    results = SampleResults(samples, tmp_path / "kept")
    files = [str(inputs.portrait), str(inputs.speech)]
    key = results.key("w", files, {"seed": 1})
    assert key and key != results.key("w", files, {"seed": 2}) and key != results.key("v", files, {"seed": 1})
    own = str(portrait_file(tmp_path / "own.png", 2))
    assert results.key("w", [own, files[1]], {}) is None
    job = audio_job(pipeline, *files, OPTIONS)
    run = finish(run_clip(job, make_renderer(host), folder_in(tmp_path), host.describe(), beside=True))
    target = folder_in(tmp_path, "again")
    assert results.fetch(key, target) is None
    results.keep(key, run)
    again = results.fetch(key, target)
    assert again is not None and again.report == run.report
    assert again.video.read_bytes() == run.video.read_bytes()
    results.keep("half", replace(run, report=run.report | {"stopped": True}))
    assert results.fetch("half", target) is None


def test_names_and_pairs():
    assert title(Path("a_calm-voice.wav")) == "A calm voice"
    a, b, c = Path("a"), Path("b"), Path("c")
    assert pairs([a, b, c], [a, b], 3) == [(a, a), (b, b), (c, a)] and pairs([a], [], 2) == []


def test_words_escape_and_read_well(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert (
        sentence(f"picture {tmp_path}/0af3/me.txt is no picture; save it") == "Picture me.txt is no picture; save it."
    )
    assert "<script>" not in status("<script>") and "aria-valuenow='50'" in status("x", 0.5)
    assert progress_words(50, 100, 4.0) == "Drawing 2.0 of 4.0 s, 50 %, about 4 s left"
    report = {
        "seconds": {"rendering": 1.0, "<b>": 0.5}, "total_seconds": 2.0, "first_frame_seconds": None, "frames": 50,
        "frames_per_second": 25.0, "times_real_time": 1.0, "duration_seconds": 2.0, "device": "<CPU>",
        "precision": "float32", "preset": "tiny", "width": 64, "height": 64, "software": "imtalker", "stopped": True,
    }  # fmt: skip
    html = timing_table(report)
    assert "<CPU>" not in html and "Drawing the frames" in html and "0.50 s" in html
    row = {"variant": "<x>", "motion_seconds": 0.1} | report
    assert "&lt;x&gt;" in comparison_table([row], report)
    assert "Stopped" in finished_words(report)


def test_settings_come_from_the_environment():
    settings = Settings.from_environment({"IMTALKER_PRESET": "base", "IMTALKER_MCP": "1", "SPACE_ID": "a/b"})
    assert (settings.preset, settings.mcp, settings.space, settings.device) == ("base", True, "a/b", "auto")
    with pytest.raises(ValueError):
        Settings.from_environment({"IMTALKER_MAX_SECONDS": "-1"})


def test_content_credentials_need_both_files():
    from imtalker.demo.runs.credentials import Signer

    assert Signer.from_settings(Settings()).sign is not None
    with pytest.raises(WeightsError, match="both"):
        Signer.from_settings(Settings(c2pa_cert="a.pem"))


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


def test_stop_flags_are_per_run():
    stops = Stops()
    one, two = stops.open(), stops.open()
    stops.request(one)
    assert stops.is_requested(one) and not stops.is_requested(two)
    stops.close(one)
    stops.request(one)
    assert not stops.is_requested(one) and not stops.is_requested(None)
