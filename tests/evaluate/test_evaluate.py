"""Protocols, tables and pages, on drawn faces and a small random pipeline."""

import json
from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np
import pytest

from imtalker.cli import build_parser, run_command
from imtalker.commands.output import write_numbers
from imtalker.errors import InputError, OutputError
from imtalker.evaluate import protocols, recording_offset
from imtalker.evaluate.ablation import ABLATIONS, ablate
from imtalker.evaluate.av_offset import AvOffset, shift_sound
from imtalker.evaluate.comparison import face_hull, mouth_box, sharpness
from imtalker.evaluate.dataset import read_dataset
from imtalker.evaluate.evaluation import evaluate
from imtalker.evaluate.metrics import METRICS, MODES, PAPER, metrics_of
from imtalker.evaluate.phonemes import PhonemeTrack
from imtalker.evaluate.protocols import Evaluator, controls_of
from imtalker.evaluate.reference_networks import load_reference_networks
from imtalker.evaluate.report_html import html_page
from imtalker.evaluate.report_text import ablation_table, text_table
from imtalker.evaluate.scoring import curve_correlation
from imtalker.evaluate.svg import line_plot, log_plot, stacked_bar, strip_plot
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.mesh import LIPS
from imtalker.media.audio import load_waveform
from imtalker.media.video import read_frames
from imtalker.pipeline.animation import Animation, FrameChunk
from imtalker.pipeline.timing import Timings
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import write_video
from tests.support.standin import small_pipeline

FRAMES = 26


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two talking clips (one with a shirt of another colour), a broken one, one that is too short, a text."""
    path = tmp_path_factory.mktemp("clips")

    def picture(index: int, **how) -> np.ndarray:
        return draw_face(DrawnFace(gap=3 + 3 * np.sin(index / 2), shift=index * 0.2, **how), 192)

    write_video(path / "a.mp4", frames=FRAMES, sound=True, picture=picture)
    write_video(path / "b.mp4", frames=FRAMES, sound=True, picture=lambda i: picture(i + 5, skin=(150, 105, 80)))
    write_video(path / "short.mp4", frames=4, sound=True, picture=picture)
    (path / "broken.mp4").write_bytes(b"not a video")
    (path / "notes.txt").write_text("ignored")
    truth = {"yaw": [2.0] * FRAMES, "pitch": [0.0] * FRAMES, "roll": [0.0] * FRAMES}
    (path / "a.json").write_text(json.dumps(truth))
    return path


@pytest.fixture(autouse=True)
def heard(monkeypatch):
    """Speech that asks for what the drawn mouths do; no recogniser is needed."""
    times = (np.arange(60) + 0.5) / 50
    cues = PhonemeTrack(0.5 + 0.5 * np.sin(times * 25 / 2 - 0.25), np.array([0.38]))
    for module in (protocols, recording_offset):
        monkeypatch.setattr(module, "recognise_phonemes", lambda waveform: cues)


class Mirror:
    """A pipeline that returns the driving clip itself, a little brighter: what a perfect model would make."""

    def __init__(self) -> None:
        real = small_pipeline()
        self.framing, self.preset, self.models, self.device = real.framing, real.preset, real.models, real.device
        self.asked: list = []
        self._real = real

    def encode_source(self, portrait, crop):
        return self._real.encode_source(portrait, crop=crop)

    def encode_driver(self, video, crop):
        return self._real.encode_driver(video, crop=crop)

    def animate_from_video(self, portrait, clip) -> Animation:
        return self._animation(read_frames(clip.path))

    def animate_from_audio(self, portrait, audio, controls, options) -> Animation:
        self.asked.append((controls, options))
        return self._animation(iter([portrait.image] * FRAMES))

    def _animation(self, frames: Iterator[np.ndarray]) -> Animation:
        timings = Timings()
        brighter = (np.clip(frame.astype(int) + 2, 0, 255).astype(np.uint8) for frame in islice(frames, FRAMES))
        chunks = (FrameChunk(frame[None], i, FRAMES) for i, frame in enumerate(timings.iterate("rendering", brighter)))
        return Animation(chunks, FRAMES, (192, 192), {}, timings)


def evaluator(pipeline=None) -> Evaluator:
    return Evaluator(pipeline or Mirror(), load_reference_networks(None))


def test_dataset_names_what_it_skips(folder, tmp_path):
    dataset = read_dataset(folder, with_sound=True)
    assert [clip.name for clip in dataset.clips] == ["a", "b", "short"]
    assert dataset.clips[0].truth is not None and dataset.clips[1].truth is None
    assert [skip.name for skip in dataset.skipped] == ["broken.mp4"]
    assert len(read_dataset(folder, limit=1).clips) == 1
    with pytest.raises(InputError, match="not a folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no video files"):
        read_dataset(tmp_path)
    write_video(tmp_path / "silent.mp4", frames=3)
    with pytest.raises(InputError, match=r"silent\.mp4: has no sound"):
        read_dataset(tmp_path, with_sound=True)


def test_a_file_beside_a_clip_counts_as_truth_only_where_it_holds_angles(tmp_path):
    write_video(tmp_path / "clip.mp4", frames=3)
    for content, truth in (('{"yaw": "x", "title": "me", "gx": [1, 2.5]}', {"gaze_x": [1, 2.5]}), ("[1]", None)):
        (tmp_path / "clip.json").write_text(content)
        assert read_dataset(tmp_path).clips[0].truth == truth
    (tmp_path / "clip.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        read_dataset(tmp_path)


def test_numbers_go_where_they_are_asked_for(tmp_path, capsys):
    parse = lambda given: build_parser().parse_args(["evaluate", *given])  # noqa: E731
    assert [parse(given).json for given in ([], ["--json"], ["--json", "a"])] == [None, "-", "a"]
    write_numbers({"a": 1}, "table", "-")
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    write_numbers({"a": 1}, "table", str(tmp_path / "n.json"))
    assert capsys.readouterr().out == "table\n" and json.loads((tmp_path / "n.json").read_text()) == {"a": 1}


def test_a_perfect_model_scores_perfectly_in_self_reenactment(folder):
    report = evaluate(evaluator(), read_dataset(folder), "self")
    mean = {key: summary.mean for key, summary in report.summary.items()}
    assert mean["psnr"] == pytest.approx(20 * np.log10(255 / 2), abs=0.5)
    assert mean["ssim"] > 0.99 and mean["csim"] > 0.9
    assert mean["aed"] < 0.02 and mean["apd"] < 1 and mean["lmd"] < 0.3 and mean["gaze_mae"] < 4
    assert mean["flicker"] < 0.5 and mean["head_range"] < 10
    for region in ("face", "mouth", "512"):
        assert mean[f"psnr_{region}"] == pytest.approx(20 * np.log10(255 / 2), abs=1) and mean[f"ssim_{region}"] > 0.98
    assert mean["sharpness"] == pytest.approx(1, abs=0.02)
    copied = {key: summary.mean for key, summary in report.copied.items()}
    assert copied["psnr"] < mean["psnr"] - 5 and copied["psnr_mouth"] < copied["psnr"] and copied["ssim"] < mean["ssim"]
    assert copied["lmd"] > mean["lmd"] and copied["sharpness"] == pytest.approx(1, abs=0.1)
    assert [skip.name for skip in report.skipped] == ["broken.mp4", "short.mp4"]
    assert "at least 12 are needed" in report.skipped[1].reason
    assert set(report.unavailable) == {"lpips", "fid"} and "--weights" in report.unavailable["lpips"]
    assert 0 <= report.measuring_errors["pose"] < 10
    text = text_table(report)
    assert f"{copied['psnr']:.2f}" in text
    assert "LPIPS not available" in text and "not comparable with the paper" in text and "28.458" in text
    content = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert [clip["clip"] for clip in content["clips"]] == ["a", "b"]
    assert next(m for m in content["metrics"] if m["key"] == "fid")["mean"] is None
    page = html_page([report])
    assert page.count("data:image/jpeg;base64,") >= 2 * 17 and "<svg" in page
    assert "http" not in page and "<script" not in page


def test_standing_still_scores_as_the_copy_of_the_first_frame(folder):
    """A model that returns its portrait has the numbers that stand in the column beside every result."""

    class Still(Mirror):
        def animate_from_video(self, portrait, clip) -> Animation:
            return self._animation(iter([next(iter(read_frames(clip.path)))] * FRAMES))

    report = evaluate(evaluator(Still()), read_dataset(folder, limit=1), "self")
    for key in ("psnr", "ssim", "psnr_face", "ssim_face", "psnr_512", "aed", "apd", "lmd"):
        assert report.summary[key].mean == pytest.approx(report.copied[key].mean, rel=0.1, abs=0.1), key
    assert np.isnan(report.summary["lid_correlation"].mean) or abs(report.summary["lid_correlation"].mean) < 0.8


def test_regions_of_a_face_and_what_lies_in_them():
    points = np.zeros((478, 3), np.float32)
    points[:, 0], points[:, 1] = np.linspace(60, 200, 478), 100 + 60 * np.sin(np.arange(478))
    points[list(LIPS), 0] = np.linspace(100, 140, len(LIPS))
    points[list(LIPS), 1] = 150
    face = FaceLandmarks(points, np.zeros(52, np.float32))
    hull, mouth = face_hull(face, 256), mouth_box(face, 256)
    assert hull[100, 130] and not hull[20, 20] and not hull[:, :59].any()
    rows, columns = np.nonzero(mouth)
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (90, 150, 140, 160)
    picture = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    assert sharpness(picture, hull) > 3 * sharpness(cv2.GaussianBlur(picture, (0, 0), 2), hull)
    assert np.isnan(sharpness(picture, np.zeros((256, 256), bool)))


def test_correlation_of_curves_leaves_gaps_out():
    a = np.array([0, 1, np.nan, 3, 4.0])
    assert curve_correlation(a, 2 * a + 1) == pytest.approx(1) and curve_correlation(a, -a) == pytest.approx(-1)
    assert np.isnan(curve_correlation(a, np.full(5, 2.0))) and np.isnan(curve_correlation(a[:2], a[:2]))


def test_cross_reenactment_compares_with_driver_and_person(folder):
    report = evaluate(evaluator(), read_dataset(folder), "cross")
    assert [(score.clip, score.source) for score in report.scores] == [("a", "b"), ("b", "a")]
    values = report.scores[0].values
    assert values["aed"] < 0.02 and "psnr" not in values
    with pytest.raises(InputError, match="1 usable clips"):
        evaluate(evaluator(), read_dataset(folder, limit=1), "cross")


def test_audio_protocol_and_its_ablations(folder, monkeypatch):
    dataset = read_dataset(folder, with_sound=True, limit=1)
    mirror = Mirror()
    report = evaluate(evaluator(mirror), dataset, "audio")
    assert mirror.asked == [(None, None)]
    # The recording follows its sound, the still result does not move at all.
    assert report.recorded["lip_correlation"].mean > 0.8 and report.recorded["lip_offset"].mean < 60
    assert report.summary["lip_correlation"].mean < 0.5 and report.summary["head_range"].mean < 1

    asked = []

    def score(self, mode, target, source, options, controls):
        asked.append((options, controls))
        return report.scores[0]

    monkeypatch.setattr(Evaluator, "score", score)
    rows = ablate(evaluator(mirror), dataset, "steps")
    assert [row.setting for row in rows] == [setting.name for setting in ABLATIONS["steps"].settings]
    assert [options.num_steps for options, _ in asked] == [5, 10, 50]
    asked.clear()
    rows = ablate(evaluator(mirror), dataset, "conditions")
    given = [(c is not None and c.yaw is not None, c is not None and c.gaze_x is not None) for _, c in asked]
    assert given == [(False, False), (True, False), (False, True), (True, True)]
    assert "+Pose, Gaze" in ablation_table(rows) and "Ablation" in html_page(rows)


def test_what_is_heard_and_spoken_is_in_step_with_the_picture(folder, monkeypatch):
    clip = read_dataset(folder, with_sound=True, limit=1).clips[0]
    sound = load_waveform(clip.path)
    for seconds in (0.12, -0.08):
        found = AvOffset(seconds, seconds, 1.0)
        monkeypatch.setattr(recording_offset, "av_offset", lambda *_, found=found: found)
        prepared = evaluator().prepare(clip, "audio")
        np.testing.assert_array_equal(prepared.sound, shift_sound(sound, seconds))
        assert prepared.recorded["av_offset"] == 1000 * seconds


def test_controls_come_from_the_truth_where_it_is_known(folder):
    with_truth, without = (evaluator().prepare(clip, "self") for clip in read_dataset(folder).clips[:2])
    controls = controls_of(with_truth, pose=True, gaze=False)
    assert controls is not None and np.allclose(controls.yaw, 2) and controls.gaze_x is None
    measured = controls_of(without, pose=True, gaze=True)
    assert measured is not None and len(measured.yaw) == FRAMES and np.isfinite(measured.gaze_y).all()
    assert controls_of(without, pose=False, gaze=False) is None


def test_clips_without_a_face_are_refused(tmp_path):
    write_video(tmp_path / "wall.mp4", frames=20)
    with pytest.raises(InputError, match="shows no face"):
        evaluate(evaluator(), read_dataset(tmp_path), "self")


def test_command_runs_a_real_pipeline(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("imtalker.pipeline.talking_head.load_pipeline", lambda *_, size: small_pipeline())
    out = [str(tmp_path / name) for name in ("r.json", "r.html")]
    command = ["evaluate", "--data", str(folder), "--max-seconds", "0.5", "--clips", "1", "--crop", "--json", out[0]]
    assert run_command([*command, "--html", out[1]]) == 0
    assert "self protocol, 1 clips" in capsys.readouterr().out
    content = json.loads((tmp_path / "r.json").read_text())
    assert content[0]["clips"][0]["frames"] == 12
    values = content[0]["clips"][0]["values"]
    assert values["psnr"] > 3 and 0 <= values["ghost_cells"] <= 100
    with pytest.raises(OutputError, match="cannot be written"):
        run_command([*command[:-1], str(tmp_path / "none" / "r.json")])


def test_bundled_clips_and_weights_work_together(tmp_path, capsys):
    dataset = read_dataset("bundled", with_sound=True)
    assert len(dataset.clips) >= 4 and not dataset.skipped
    for clip in dataset.clips:
        assert clip.truth is not None and {"yaw", "pitch", "roll", "gaze_x", "gaze_y"} <= set(clip.truth)
    command = ["evaluate", "--data", "bundled", "--clips", "1", "--max-seconds", "0.6", "--preset", "tiny"]
    assert run_command([*command, "--html", str(tmp_path / "r.html")]) == 0
    assert "preset tiny" in capsys.readouterr().out
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert dataset.clips[0].name in page


def test_catalogue_is_complete():
    assert len({metric.key for metric in METRICS}) == len(METRICS)
    for mode in MODES:
        keys = {metric.key for metric in metrics_of(mode)}
        assert set(PAPER[mode]) <= keys
    assert all(metric.definition and metric.source and metric.note for metric in METRICS)


def test_plots_survive_gaps_and_name_their_data():
    assert "clip &lt;1&gt;" in strip_plot([1.0, np.nan, 2.0], ["clip <1>", "b", "c"])
    assert strip_plot([np.nan], ["a"]) == "" == line_plot({"a": np.full(3, np.nan)}, 25, "dB")
    plot = line_plot({"a": np.array([1, np.nan, 2.0]), "b": np.ones(3)}, 25, "dB", {"a": "best"})
    assert plot.count("<polyline") == 2 and "best: a" in plot
    assert stacked_bar({}, "ms") == "" and "rendering" in stacked_bar({"rendering": 2.0, "crop": 1.0}, "ms")
    assert log_plot({}, "x", "y") == "" and log_plot({"a": [(1, 10), (2, 30)]}, "x", "y").count("<circle") == 2
