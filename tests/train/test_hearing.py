"""Hearing: music is no speech, an encoder grows without forgetting, splits go by speaker, tables of recordings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.generator.speech_encoder import num_video_frames
from imtalker.train.audio_data import (
    READERS_KEPT_OUT,
    AudioBatches,
    AudioTrainingConfig,
    split_corpus,
)
from imtalker.train.audio_encoder import PhonemeRecogniser
from imtalker.train.music import music
from imtalker.train.speech.corpus import Utterance, plausible, read_table
from imtalker.train.speech.phonemes import INDEX, Segment, frame_labels
from imtalker.train.teacher import WhisperFeatures, posteriors, save_posteriors, train_head, with_posteriors
from tests.support.tone_speech import TINY, tone_speech


def test_music_has_unit_power_and_is_the_same_for_the_same_seed() -> None:
    for seed in range(6):
        first, second = (music(3 * SAMPLE_RATE, np.random.default_rng(seed)) for _ in range(2))
        assert len(first) == 3 * SAMPLE_RATE and np.isfinite(first).all()
        assert first.std() == pytest.approx(1, abs=1e-3)
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, music(3 * SAMPLE_RATE, np.random.default_rng(99)))


def test_music_and_noise_alone_are_labelled_as_silence() -> None:
    rng = np.random.default_rng(0)
    speech = [tone_speech(rng) for _ in range(3)]
    config = AudioTrainingConfig(batch_size=4, no_speech=1.0, shares=(), music_pieces=2)
    batch = AudioBatches(speech, config)(0, np.random.default_rng(1))
    assert (batch["phonemes"][..., INDEX["sil"]] == 1).all()
    assert batch["mel"].std() > 0.5
    assert batch["mouth"].abs().max() < 1e-6


def test_backgrounds_leave_the_labels_alone() -> None:
    rng = np.random.default_rng(0)
    speech = [tone_speech(rng) for _ in range(3)]
    quiet = AudioTrainingConfig(
        batch_size=2, no_speech=0.0, babble=0.0, music=0.0, augmentation=0.0, shares=(), music_pieces=2
    )
    loud = replace(quiet, babble=1.0)
    plain, mixed = (AudioBatches(speech, c)(0, np.random.default_rng(2)) for c in (quiet, loud))
    assert torch.equal(plain["phonemes"][0], mixed["phonemes"][0])
    assert not torch.equal(plain["mel"][0], mixed["mel"][0])


def test_readers_kept_out_are_never_trained_on() -> None:
    segments = (Segment("aa", 0.0, 0.5),)
    readers = [*READERS_KEPT_OUT, "19", "27", "40"]
    speech = [Utterance(np.zeros(8000, np.float32), segments, "", f"libri251:{i}") for i in readers]
    train, kept = split_corpus(speech, AudioTrainingConfig(holdout_every=1000))
    assert {u.voice for u in train} == {"libri251:19", "libri251:40"}
    assert len(kept) == len(set(READERS_KEPT_OUT)) + 1 == 52


def test_alignments_of_a_wrong_text_are_refused() -> None:
    right = [Segment("aa", 0.1 * i, 0.1 * i + 0.1) for i in range(10)]
    assert plausible(right)
    assert not plausible([*right, Segment("iy", 1.0, 2.5)])
    assert not plausible([Segment("aa", 0.03 * i, 0.03 * i + 0.03) for i in range(10)])
    assert not plausible([])


def test_tables_without_the_needed_columns_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "none.tsv")
    (tmp_path / "bad.tsv").write_text("file\ttext\na.wav\thello\n")
    with pytest.raises(InputError, match="speaker"):
        read_table(tmp_path / "bad.tsv")
    (tmp_path / "good.tsv").write_text('file\tspeaker\ttext\na.wav\tx\t"Hello," she said\n')
    assert read_table(tmp_path / "good.tsv")[0]["text"] == '"Hello," she said'


@pytest.fixture
def heard(tmp_path):
    """A corpus of a few utterances, and what a teacher that is always right heard in them."""
    rng = np.random.default_rng(0)
    speech = [tone_speech(rng) for _ in range(4)]
    labels = [frame_labels(u.segments, num_video_frames(len(u.waveform))) for u in speech]
    save_posteriors(tmp_path / "teacher.npz", [x.astype(np.float16) for x in labels])
    return speech, tmp_path / "teacher.npz"


def test_without_weight_a_teacher_changes_nothing(heard) -> None:
    speech, path = heard
    config = AudioTrainingConfig(batch_size=4, shares=(), teacher_weight=0.0, music_pieces=2)
    with_teacher, without = (
        AudioBatches(u, config)(3, np.random.default_rng(3)) for u in (with_posteriors(speech, path), speech)
    )
    assert all(torch.equal(with_teacher[name], without[name]) for name in without)


def test_a_teacher_that_hears_the_aligned_phonemes_says_what_the_labels_say(heard) -> None:
    speech, path = heard
    config = AudioTrainingConfig(batch_size=6, shares=(), no_speech=0.0, teacher_weight=1.0, music_pieces=2)
    told, labels = (
        AudioBatches(u, config)(5, np.random.default_rng(5)) for u in (with_posteriors(speech, path), speech)
    )
    assert torch.equal(told["mel"], labels["mel"]) and torch.equal(told["voicing"], labels["voicing"])
    torch.testing.assert_close(told["phonemes"].sum(-1), torch.ones(told["phonemes"].shape[:2]))
    # Another speed moves the frames' borders a little, nothing else.
    assert (told["phonemes"].argmax(-1) == labels["phonemes"].argmax(-1)).float().mean() > 0.9


def test_posteriors_of_another_corpus_and_missing_teachers_are_refused(heard, tmp_path) -> None:
    speech, path = heard
    with pytest.raises(InputError, match="another corpus"):
        with_posteriors(speech[:-1], path)
    with pytest.raises(InputError, match=r"imtalker\.train\.teacher"):
        with_posteriors(speech, tmp_path / "none.npz")
    with pytest.raises(InputError, match=r"faster-whisper|no Whisper model"):
        WhisperFeatures(tmp_path)


def test_a_teacher_learns_phonemes_from_features_that_tell_them() -> None:
    rng = np.random.default_rng(0)
    labels = [np.eye(40, dtype=np.float32)[np.repeat(rng.integers(0, 40, 30), 4)] for _ in range(6)]
    basis = rng.normal(size=(40, 16))
    features = [(x @ basis).astype(np.float16) for x in labels]
    head = train_head(features[:5], labels[:5], steps=40, batch=2)
    found = posteriors(head, features[5])
    assert found.shape == labels[5].shape and (found.argmax(1) == labels[5].argmax(1)).mean() > 0.5


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    recogniser, speech = PhonemeRecogniser(TINY, dropout=0.5), torch.randn(1, 100, TINY.mel_bands)
    assert not torch.equal(*(recogniser(speech)[0] for _ in range(2)))
    recogniser.eval()
    torch.testing.assert_close(*(recogniser(speech)[0] for _ in range(2)))
