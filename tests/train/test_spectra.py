"""Augmented spectra: the timing is kept, the same numbers for the same seed, what lies beneath is as weak as asked."""

import numpy as np
import pytest

from imtalker.config import SAMPLES_PER_FRAME
from imtalker.generator.spectral_encoder import SPECTRA_PER_FRAME
from imtalker.train.audio_data import Sound, spectra
from imtalker.train.speech.phonemes import INDEX
from imtalker.train.speech.spectra import SILENT, add, at, augment_spectra, mask, noise, power
from tests.support.tone_speech import tone_speech


@pytest.fixture
def mel() -> np.ndarray:
    return spectra(tone_speech(np.random.default_rng(0)).waveform, 24).astype(np.float32)


def test_spectra_cover_the_frames_of_the_waveform() -> None:
    for samples in (640, 1000, 6400):
        frames = -(-samples // SAMPLES_PER_FRAME)
        assert spectra(np.random.default_rng(0).normal(size=samples), 24).shape == (SPECTRA_PER_FRAME * frames, 24)


def test_augmentation_keeps_the_length_and_is_the_same_for_the_same_seed(mel) -> None:
    changed = 0
    for seed in range(12):
        first, second = (augment_spectra(mel, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert first.shape == mel.shape and np.isfinite(first).all() and first.min() >= SILENT - 1e-3
        changed += not np.allclose(first, mel)
    assert changed > 8
    np.testing.assert_allclose(augment_spectra(mel, np.random.default_rng(0), strength=0.0), mel, atol=1e-3)


def test_what_is_added_is_as_weak_as_asked_and_quiet_beside_loud_changes_nothing(mel) -> None:
    other = noise(len(mel), mel.shape[1], np.random.default_rng(1))
    for decibels in (0.0, 6.0, 20.0):
        mixed = add(mel, other, decibels)
        assert power(mixed) / power(mel) == pytest.approx(1 + 10 ** (-decibels / 10), rel=1e-3)
    np.testing.assert_allclose(add(mel, other, 120.0), mel, atol=0.01)


def test_power_follows_gain(mel) -> None:
    assert power(mel + np.log(2)) == pytest.approx(4 * power(mel))


def test_masks_leave_most_as_it_was(mel) -> None:
    kept = [(mask(mel, np.random.default_rng(seed)) == mel).mean() for seed in range(20)]
    assert min(kept) > 0.5 and max(kept) == 1 and np.mean(kept) < 1


def test_rows_between_rows_are_interpolated_and_the_ends_repeated() -> None:
    values = np.arange(5, dtype=np.float32)[:, None]
    np.testing.assert_allclose(at(values, np.array([-3, 0.25, 2, 3.5, 9]))[:, 0], [0, 0.25, 2, 3.5, 4])


def test_labels_and_sound_of_a_piece_stay_together_at_any_start_and_speed() -> None:
    speech = tone_speech(np.random.default_rng(3))
    sound = Sound.of(speech, 24)
    loud = np.exp(sound.mel.astype(np.float32)).reshape(len(sound.labels), -1).mean(1) > 0.3
    assert (loud == (sound.labels[:, INDEX["sil"]] < 0.5)).mean() > 0.95  # windows see 10 ms beyond their frame
    for start, factor in ((0, 1.0), (20, 1.0), (10, 1.2), (-8, 0.85)):
        piece = sound.piece(start, factor, 30, np.random.default_rng(0))
        heard = np.exp(piece).reshape(30, -1).mean(1)
        position = start + (np.arange(30) + 0.5) * factor - 0.5
        inside = (position >= 0) & (position <= len(sound.labels) - 1)
        expected = at(np.exp(sound.mel.astype(np.float32)).reshape(len(sound.labels), -1).mean(1)[:, None], position)
        assert np.corrcoef(heard[inside], expected[inside, 0])[0, 1] > 0.97
        assert inside.all() or heard[~inside].max() < 0.1
