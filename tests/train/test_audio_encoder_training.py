"""Speech corpus and audio encoder training: labels, mouth tracks, augmentation, a run that learns and resumes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from imtalker.config import SAMPLE_RATE, SpectralEncoderConfig
from imtalker.errors import InputError
from imtalker.generator.spectral_encoder import SpectralEncoder
from imtalker.train import audio_encoder as audio_training
from imtalker.train.audio_data import AudioTrainingConfig, split_corpus
from imtalker.train.audio_encoder import build_loop, export
from imtalker.train.loop import LoopConfig
from imtalker.train.options import read_config
from imtalker.train.puppet.controls import MOUTH_NAMES, VISEME_TARGETS
from imtalker.train.speech.augmentation import augment
from imtalker.train.speech.corpus import load_corpus, save_utterances
from imtalker.train.speech.phonemes import INDEX, Segment, frame_labels, from_arpabet, from_ipa
from imtalker.train.speech.sentences import sentence
from imtalker.train.speech.visemes import mouth_track
from imtalker.weights.file import load_module
from tests.support.resuming import assert_resumed_equals_uninterrupted
from tests.support.tone_speech import TINY, tone_speech


@pytest.fixture
def config(tmp_path):
    rng = np.random.default_rng(0)
    save_utterances(tmp_path / "corpus" / "flite_tone.npz", [tone_speech(rng) for _ in range(12)])
    loop = LoopConfig(steps=100, learning_rate=1e-2, warmup_steps=5, log_every=5, save_every=50, validate_every=100)
    return AudioTrainingConfig(
        corpus=str(tmp_path / "corpus"),
        encoder=TINY,
        loop=loop,
        batch_size=4,
        seconds=(1.0, 1.5),
        holdout_every=6,
        augmentation=0.0,
        music_pieces=2,
        dropout=0.0,
    )


def test_training_lowers_the_loss_and_finds_held_out_phonemes(tmp_path, config):
    loop = build_loop(config, tmp_path / "out", cpu=True)
    with torch.no_grad():
        first = audio_training.recogniser_loss(loop.raw, loop.make_batch(0, np.random.default_rng(1)), 0)
    numbers = loop.run()
    assert numbers["audio/phonemes"] < 0.3 * float(first["phonemes"])
    assert numbers["validation/synthetic_phonemes"] > 0.8
    assert numbers["validation/synthetic_jaw_correlation"] > 0.8


def test_resumed_equals_uninterrupted(tmp_path, config):
    config = replace(config, loop=replace(config.loop, steps=6))
    assert_resumed_equals_uninterrupted(
        lambda out: build_loop(config, out, cpu=True), tmp_path / "whole", tmp_path / "parts", 3, "recogniser"
    )


def test_exported_encoder_loads_and_gives_the_same_features(tmp_path, config):
    loop = build_loop(config, tmp_path, cpu=True)
    export(loop, config, tmp_path)
    encoder, found, _ = load_module(tmp_path / "audio_encoder.safetensors", SpectralEncoderConfig, SpectralEncoder)
    assert found == TINY
    speech = torch.randn(SAMPLE_RATE)
    expected = loop.ema["recogniser"].encoder.encode(speech)
    torch.testing.assert_close(encoder.encode(speech), expected, atol=0.02, rtol=0.02)


def test_frame_labels_are_shares_of_the_frame():
    labels = frame_labels([Segment("m", 0.0, 0.05), Segment("aa", 0.05, 0.08)], 3)
    assert labels[0, INDEX["m"]] == pytest.approx(1)
    assert labels[1, INDEX["m"]] == pytest.approx(0.25)
    assert labels[1, INDEX["aa"]] == pytest.approx(0.75)
    assert labels[2, INDEX["sil"]] == pytest.approx(1)


def test_every_closure_is_reached_even_between_open_vowels():
    for width in (0.02, 0.04, 0.1):
        for start in np.linspace(0.3, 0.34, 9):
            segments = [Segment("aa", 0, start), Segment("b", start, start + width)]
            segments.append(Segment("aa", start + width, 0.8))
            track = mouth_track(segments, 20)
            assert track["close"].max() == 1
            assert track["jaw"].max() > 0.3


def test_lips_round_before_the_rounded_vowel_is_heard():
    track = mouth_track([Segment("s", 0, 0.4), Segment("uw", 0.4, 0.8)], 20)
    before = track["pucker"][9]  # 0.36 to 0.40 s: still the s
    rounded = VISEME_TARGETS["UW"][MOUTH_NAMES.index("pucker")]
    assert before > 0.15 * rounded
    assert track["pucker"][14] == pytest.approx(rounded, rel=0.05)


def test_phoneme_inventories_are_mapped():
    assert [from_arpabet(s) for s in ("pau", "AH0", "ax", "NG")] == ["sil", "ah", "ah", "ng"]
    timed = [("t", 0.0, 0.1), ("ʃ", 0.1, 0.2), ("ˈ", 0.2, 0.21), ("a", 0.21, 0.3), ("ɪ", 0.3, 0.4), (" ", 0.4, 0.6)]
    assert [s.phoneme for s in from_ipa(timed)] == ["ch", "ay", "sil"]


def test_augmentation_keeps_length_and_is_deterministic():
    speech = tone_speech(np.random.default_rng(3)).waveform
    for seed in range(8):
        a, b = (augment(speech, np.random.default_rng(seed)) for _ in range(2))
        assert len(a) == len(speech)
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def test_sentences_vary_and_are_reproducible():
    first = [sentence(np.random.default_rng(i)) for i in range(20)]
    assert first == [sentence(np.random.default_rng(i)) for i in range(20)]
    assert len(set(first)) > 15


def test_split_keeps_whole_voices_out(config):
    corpus = load_corpus(config.corpus)
    train, kept = split_corpus(corpus, replace(config, holdout_voices=("flite:tone",)))
    assert (len(train), len(kept)) == (0, 12)


def test_missing_corpus_and_bad_options_are_told(tmp_path):
    with pytest.raises(InputError, match="no speech corpus"):
        load_corpus(tmp_path)
    (tmp_path / "bad.json").write_text('{"stepz": 3}')
    with pytest.raises(InputError, match="stepz"):
        read_config(AudioTrainingConfig, tmp_path / "bad.json")
