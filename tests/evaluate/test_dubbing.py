"""Evaluation of dubbing: metrics whose value is known, and the whole command on synthetic clips."""

import json
import time

import numpy as np
import pytest

from imtalker.cli import main
from imtalker.evaluate.dub_metrics import detail, gradient, leak, outside_difference, paired_leak, patch_masks, unrest
from imtalker.evaluate.dub_report import BARS, COLUMNS, DubReport
from imtalker.evaluate.dubbing import _dubbed, _Watched
from imtalker.media.audio import load_waveform
from imtalker.pipeline.workers import Workers
from tests.support.dubbing import CopyEngine, talking_clip, talking_frame
from tests.support.sample_media import write_video
from tests.support.standin import save_small_models, small_pipeline

FPS = 25.0


def test_leak_is_what_is_left_of_the_old_mouth():
    rng = np.random.default_rng(0)
    old, asked, noise = rng.normal(size=(3, 2000))
    assert abs(leak(asked + 0.3 * noise, old, asked, FPS)) < 0.05
    assert leak(asked + old, old, asked, FPS) == pytest.approx(1, abs=1e-6)
    assert leak(asked + 0.5 * old + 0.5 * noise, old, asked, FPS) == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert leak(old, old, old + 0.01 * noise, FPS) > 0.9  # nothing but the old mouth
    assert np.isnan(leak(old[:4], old[:4], old[:4], FPS))
    gaps = np.where(np.arange(2000) % 3 == 0, np.nan, asked + 0.3 * noise)
    assert abs(leak(gaps, old, asked, FPS)) < 0.1
    drift = 3 * np.sin(np.arange(2000) / 60)  # a head that nods, in both clips
    assert abs(leak(asked + 0.3 * noise + drift, old + drift, asked, FPS)) < 0.1


def test_two_old_mouths_tell_a_leak_that_one_cannot():
    rng = np.random.default_rng(0)
    asked, noise = rng.normal(size=80), rng.normal(size=(2, 80))
    old = np.stack([rng.normal(size=80) + asked**2, rng.normal(size=80)])
    bent = asked + 0.5 * asked**2  # lips that open more the wider is asked
    assert leak(bent + 0.05 * noise[0], old[0], asked, FPS) > 0.5
    assert abs(paired_leak(bent + 0.05 * noise, old, asked)) < 0.05
    assert paired_leak(bent + 0.05 * noise + 0.3 * old, old, asked) > 0.3
    assert paired_leak(old, old, asked) == pytest.approx(1)
    old[:, 3] = np.nan
    assert np.isfinite(paired_leak(bent + old, old, asked))
    assert np.isnan(paired_leak(old[:, :4], old[:, :4], asked[:4]))


def test_gradient_and_detail_and_unrest():
    frame = talking_frame(3)
    everywhere = np.ones(frame.shape[:2], bool)
    soft = np.repeat(frame.mean(2, keepdims=True), 3, 2).astype(np.uint8)[::2, ::2].repeat(2, 0).repeat(2, 1)
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 50, 0).repeat(3, 2)
    assert gradient(ramp, np.ones(ramp.shape[:2], bool)) == pytest.approx(2, abs=0.05)
    assert detail(frame, everywhere) > 0 and np.isnan(detail(frame, ~everywhere)) and detail(soft, everywhere) > 0
    steady = np.stack([ramp + i for i in range(5)])
    where = np.ones(steady.shape[:3], bool)
    assert unrest(steady, where) == 0
    trembling = np.stack([ramp + 4 * (i % 2) for i in range(5)])
    assert unrest(trembling, where) == pytest.approx(8, abs=0.1)


def test_change_outside_the_mask_is_seen():
    frame = talking_frame(0)
    points = np.array([[100, 100], [150, 100], [150, 150], [100, 150]], float)
    mask, rim = patch_masks(points, frame.shape[:2], 10.0)
    assert rim.any() and not rim[125, 125] and mask[125, 125] == 1
    inside, outside = frame.copy(), frame.copy()
    inside[120:130, 120:130] += 9
    outside[10, 10] += 7
    assert outside_difference(inside, frame, mask) == 0
    assert outside_difference(outside, frame, mask) == 7


def test_the_table_has_all_bars_and_baselines(tmp_path, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "clips").mkdir()
    save_small_models(tmp_path / "weights")
    talking_clip(tmp_path / "clips" / "a.mp4", 14, sound=True)
    talking_clip(tmp_path / "clips" / "a-other.mp4", 14, picture=lambda i: talking_frame(i + 3), sound=True)
    write_video(tmp_path / "clips" / "empty.mp4", frames=14, sound=True)
    arguments = ["--mode", "dub", "--data", str(tmp_path / "clips"), "--preset", str(tmp_path / "weights")]
    assert main(["evaluate", *arguments, "--json", str(tmp_path / "n.json")]) == 1  # one clip had to be skipped
    table = capsys.readouterr().out
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert list(numbers["clips"]) == ["a"] and numbers["skipped"][0].startswith("empty")
    assert all(bar.title in table for bar in BARS) and all(kind in table for kind in COLUMNS)
    dubbed = numbers["clips"]["a"]["dubbed"]
    assert dubbed["outside"] == 0
    assert {"self_psnr", "seam", "flicker", "identity", "truth_psnr", "truth_lmd", "motion_psnr"} <= dubbed.keys()
    assert "truth_psnr" in numbers["clips"]["a"]["old mouth"]
    assert main(["evaluate", *arguments, "--html", str(tmp_path / "p.html")]) == 2
    assert main(["evaluate", *arguments, "--sounds", "0"]) == 2
    assert main(["evaluate", "--mode", "self", "--sounds", "2"]) == 2


def test_every_clip_says_the_words_of_as_many_others_as_asked_for(tmp_path, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "clips").mkdir()
    save_small_models(tmp_path / "weights")
    for shift, name in enumerate("abc"):
        talking_clip(tmp_path / "clips" / f"{name}.mp4", 8, picture=lambda i, s=shift: talking_frame(i + s), sound=True)
    arguments = ["--mode", "dub", "--data", str(tmp_path / "clips"), "--preset", str(tmp_path / "weights")]
    assert main(["evaluate", *arguments, "--sounds", "2", "--json", str(tmp_path / "n.json")]) == 0
    assert "other sounds each: 2" in capsys.readouterr().out
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert {"self_lmd", "identity", "correlation_gain"} <= numbers["clips"]["a"]["dubbed"].keys()


class HesitantEngine(CopyEngine):
    """Takes longer for a group of frames than for the one after it."""

    def draw(self, frames, landmarks, motion, references):
        patches = super().draw(frames, landmarks, motion, references)
        time.sleep(0.2 / self.drawn)
        return patches


def test_what_is_watched_is_in_the_order_of_the_frames_however_many_threads_draw(tmp_path):
    pipeline = small_pipeline()
    pipeline.workers, pipeline.batch_size = Workers(3), 2
    clip = talking_clip(tmp_path / "a.mp4", 12, sound=True)
    result = _dubbed(pipeline, clip, load_waveform(clip)[:7680], _Watched(HesitantEngine()))
    drawn = result.drawn
    assert [at for at, _, _ in drawn] == list(range(12))
    for _, row, lower in drawn:
        np.testing.assert_array_equal(row.lower[0], lower)
    assert np.all(np.diff([row.to_image[0, 0, 2] for _, row, _ in drawn]) > 0)  # the face drifts to the right
    assert pipeline.workers.count == 3


def test_clips_count_alike_and_every_sound_tells_how_sure_their_mean_is():
    rows = {
        "a": [{"dubbed": {"leak": 0.1, "self_lmd": 1.0}}, {"dubbed": {"leak": 0.3}}],
        "b": [{"dubbed": {"leak": 0.5}}],
    }
    report = DubReport("some", rows, (), 1.0)
    assert report.mean("dubbed", "leak") == pytest.approx((0.2 + 0.5) / 2)
    assert report.error("dubbed", "leak") == pytest.approx(np.std([0.1, 0.3, 0.5], ddof=1) / np.sqrt(3))
    assert report.mean("dubbed", "self_lmd") == 1.0 and np.isnan(report.error("dubbed", "self_lmd"))
    assert np.isnan(report.mean("old mouth", "leak"))
