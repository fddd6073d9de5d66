"""Motion generator training: control tracks, clips, a run that learns and resumes, scores."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from imtalker.config import GeneratorConfig
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.train.audio_encoder import PhonemeRecogniser
from imtalker.train.generator import GeneratorTrainingConfig, build_loop, export
from imtalker.train.loop import LoopConfig
from imtalker.train.motion.clips import MotionClips, voice_shares
from imtalker.train.motion.control_tracks import clip_controls, loudness, puppet_controls
from imtalker.train.motion.head_and_eyes import Style, head_and_eyes
from imtalker.train.motion.scores import closures, lag_correlation
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.speech.corpus import save_utterances
from imtalker.train.speech.phonemes import Segment
from imtalker.weights.file import load_module, save_weights
from tests.support.resuming import assert_resumed_equals_uninterrupted
from tests.support.tone_speech import TINY, tone_speech

GENERATOR = GeneratorConfig(
    audio_dim=32,
    statistics_dim=15,
    speech_attention=True,
    condition_dim=16,
    hidden_dim=32,
    num_layers=1,
    num_heads=2,
    mlp_ratio=2,
    motion_layout="explicit",
    hears_lips=True,
)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(0)
    save_utterances(folder / "corpus" / "flite_tone.npz", [tone_speech(rng) for _ in range(4)])
    torch.manual_seed(0)
    save_weights(PhonemeRecogniser(TINY).encoder, TINY, folder / "audio_encoder.safetensors")
    return GeneratorTrainingConfig(
        corpus=str(folder / "corpus"),
        audio_encoder=str(folder / "audio_encoder.safetensors"),
        generator=GENERATOR,
        loop=LoopConfig(steps=120, learning_rate=5e-3, warmup_steps=5, log_every=5, validate_every=200),
        batch_size=8,
        clips=2,
        variants=2,
        validation_clips=1,
    )


@pytest.fixture(scope="module")
def clips(config, tmp_path_factory):
    """A folder with the clips, made once."""
    out = tmp_path_factory.mktemp("clips")
    build_loop(config, out, cpu=True)
    return out / "clips.npz"


@pytest.fixture
def out(clips, tmp_path):
    shutil.copy(clips, tmp_path)
    return tmp_path


def test_training_lowers_the_loss(out, config):
    loop = build_loop(config, out, cpu=True)
    batch = loop.make_batch(0, np.random.default_rng(1))

    def loss() -> float:
        torch.manual_seed(1)  # the same noise and the same times
        with torch.no_grad():
            return float(loop.objectives[0].loss(loop.raw, batch, 0)["loss"])

    first = loss()
    numbers = loop.run()
    assert loss() < 0.9 * first
    assert np.isfinite(numbers["validation/gap_amplitude"])


def test_resumed_equals_uninterrupted(out, config):
    config = replace(config, batch_size=2, validation_clips=0, loop=replace(config.loop, steps=4))
    shutil.copytree(out, out / "parts")
    assert_resumed_equals_uninterrupted(
        lambda folder: build_loop(config, folder, cpu=True), out, out / "parts", 2, "generator"
    )


def test_exported_generator_loads(out, config):
    loop = build_loop(config, out, cpu=True)
    export(loop, config, out)
    generator, found, _ = load_module(out / "generator.safetensors", GeneratorConfig, MotionGenerator)
    assert found == GENERATOR
    assert (generator.typical > 0).all() and generator.readout.abs().sum(0).gt(0).all()


def test_clips_hold_aligned_arrays(clips):
    clips = MotionClips.load(clips)
    total = int(clips.frames.sum())
    assert clips.waveform.shape == (total * 640,)
    assert clips.measured.shape == (2, 2, 7) and clips.asked.shape == (2, 2, 9)
    assert clips.motion.shape == (2, total, 32)
    assert clips.gaze.shape == (2, total, 2)
    assert clips.close.shape == (total,)
    assert clips.portrait.shape == (2, 2, 32)


def test_lips_meet_in_every_closure_and_rest_closed_in_silence():
    space = MotionSpace.load()
    segments = [Segment("sil", 0, 0.6)]
    for i in range(6):
        start = 0.6 + 0.25 * i
        segments += [Segment("aa", start, start + 0.17), Segment("m", start + 0.17, start + 0.25)]
    controls = clip_controls(np.random.default_rng(0), segments, np.ones(55), Style.sample(np.random.default_rng(1)))
    gap = space.mouth_gap(space.encode(puppet_controls(controls)))
    closed, asked = closures(gap, segments)
    assert (closed, asked) == (6, 6)
    assert gap[:6].max() < 0.1  # then a breath is taken
    assert gap.max() > 0.5


def test_head_returns_to_rest_and_eyes_hold_the_camera():
    style = replace(Style.sample(np.random.default_rng(0)), pose=(8.0, -3.0, 1.0), gaze=(0.0, 0.0), head=1.0)
    energy = np.abs(np.sin(np.arange(3000) / 7))
    track = head_and_eyes(np.random.default_rng(2), energy, style)
    assert track["yaw"].mean() == pytest.approx(8, abs=1.5)
    assert np.median(np.abs(track["gaze_x"])) < 1.5
    blinks_per_minute = (np.diff(track["blinkL"] > 0.5) == 1).sum() / 2 / 2 * 1.0
    assert 5 < blinks_per_minute < 40
    assert np.abs(np.diff(track["yaw"])).max() < 3


def test_still_style_has_a_still_head():
    style = replace(Style.sample(np.random.default_rng(0)), head=0.0)
    track = head_and_eyes(np.random.default_rng(2), np.ones(100), style)
    assert track["pitch"].std() < 1e-6


def test_lag_is_found_with_its_sign():
    rng = np.random.default_rng(0)
    asked = np.convolve(rng.standard_normal(300), np.ones(5), "same")
    score, lag = lag_correlation(np.roll(asked, 2), asked)
    assert lag == 2
    assert score > 0.9


def test_loudness_has_one_value_per_frame():
    assert loudness(np.ones(1601, np.float32)).shape == (3,)


def test_voices_speak_as_often_as_their_group_says() -> None:
    voices = [("lj", 60.0), ("espeak:a", 30.0), ("espeak:b", 90.0), ("other", 10.0)]
    share = voice_shares(voices, [("lj", 0.4), ("espeak", 0.2), ("absent", 0.3)])
    assert share.sum() == pytest.approx(1)
    assert share[0] / (share[1] + share[2]) == pytest.approx(2)
    assert share[2] / share[1] == pytest.approx(3)
    assert share[3] / share[0] == pytest.approx(0.3 / 0.4)
    np.testing.assert_allclose(voice_shares(voices, ()), np.array([60, 30, 90, 10]) / 190)
