"""Hearing: music is no speech, an encoder grows without forgetting, splits go by speaker, tables of recordings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.train.audio_data import READERS_KEPT_OUT, AudioBatches, AudioTrainingConfig, split_corpus
from imtalker.train.grow_audio import grow
from imtalker.train.music import music
from imtalker.train.speech.corpus import Utterance, plausible, read_table
from imtalker.train.speech.phonemes import INDEX, Segment
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
    config = AudioTrainingConfig(batch_size=4, no_speech=1.0, shares=())
    batch = AudioBatches(speech, config)(0, np.random.default_rng(1))
    assert (batch["phonemes"][..., INDEX["sil"]] == 1).all()
    assert batch["waveform"].std() > 0.5
    assert batch["mouth"].abs().max() < 1e-6


def test_backgrounds_leave_the_labels_alone() -> None:
    rng = np.random.default_rng(0)
    speech = [tone_speech(rng) for _ in range(3)]
    quiet = AudioTrainingConfig(batch_size=2, no_speech=0.0, babble=0.0, music=0.0, augmentation=0.0, shares=())
    loud = replace(quiet, babble=1.0)
    plain, mixed = (AudioBatches(speech, c)(0, np.random.default_rng(2)) for c in (quiet, loud))
    assert torch.equal(plain["phonemes"][0], mixed["phonemes"][0])
    assert not torch.equal(plain["waveform"][0], mixed["waveform"][0])


def test_a_grown_encoder_hears_nearly_what_the_small_one_heard() -> None:
    torch.manual_seed(0)
    small = AudioEncoder(TINY).eval()
    speech = torch.randn(1, SAMPLE_RATE * 2)
    wide = replace(TINY, intermediate_size=2 * TINY.intermediate_size)
    deep = replace(wide, num_hidden_layers=TINY.num_hidden_layers + 1)
    far = replace(TINY, conv_kernel=(TINY.conv_kernel[0], TINY.conv_kernel[1] + 4, *TINY.conv_kernel[2:]))
    with torch.inference_mode():
        before = small.encode(speech)
        change = before - before.mean(1, keepdim=True)
        for config, allowed in ((wide, 1e-4), (deep, 0.3)):
            after = grow(small, config, speech).eval().encode(speech)
            assert (after - before).norm() < allowed * change.norm()
        # A wider kernel sees one step more on each side and says the same.
        convolved = (e.wav2vec2.feature_extractor.conv_layers for e in (small, grow(small, far, speech).eval()))
        (first, second, *_), (same, wider, *_) = convolved
        torch.testing.assert_close(wider(same(speech[:, None])), second(first(speech[:, None]))[..., 1:-1])
    with pytest.raises(InputError, match="grow"):
        grow(small, replace(TINY, intermediate_size=TINY.intermediate_size // 2), speech)
    with pytest.raises(InputError, match="hidden_size"):
        grow(small, replace(TINY, hidden_size=2 * TINY.hidden_size), speech)


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
