"""Offset and fit of a person's mouth to the sound: found where they are, and not where they are not."""

import numpy as np
import pytest

from imtalker.dubbing.speech_fit import REACH, fit_speech, offset_of, sampled

FRAMES = 400


def smooth(rng: np.random.Generator, width: int, channels: int) -> np.ndarray:
    noise = rng.normal(size=(FRAMES + width - 1, channels))
    curve = np.stack([np.convolve(column, np.ones(width), "valid") for column in noise.T], 1)
    return (curve - curve.mean(0)) / curve.std(0)


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, np.ndarray]:
    """Features (T, 12), and a generated mouth (T, 2) that follows some of them."""
    rng = np.random.default_rng(0)
    features = smooth(rng, 4, 12)
    return features, features[:, :2] + 0.5 * smooth(rng, 4, 2)


@pytest.mark.parametrize("fps", [25, 30, 6.25])
@pytest.mark.parametrize("offset", [-0.24, 0.0, 0.2])
def test_the_offset_of_a_persons_own_sound_is_found(speech, fps, offset):
    times = np.arange(round(12 * fps)) / fps
    own = sampled(speech[1], times - offset) + 0.5 * np.random.default_rng(1).normal(size=(len(times), 2))
    assert offset_of(own, times, speech[1]) == pytest.approx(offset, abs=0.03)


def test_foreign_sound_a_still_mouth_and_few_frames_have_none(speech):
    times = np.arange(FRAMES) / 25
    assert offset_of(smooth(np.random.default_rng(5), 4, 2), times, speech[1]) is None
    assert offset_of(np.ones((FRAMES, 2)), times, speech[1]) is None
    assert offset_of(speech[1], times, np.zeros((FRAMES, 2))) is None
    assert offset_of(speech[1][:5], times[:5], speech[1]) is None


def test_what_the_person_does_for_certain_sounds_is_fitted_and_holds_elsewhere(speech):
    features, generated = speech
    own = 0.3 * generated + features[:, 4:6]
    own = (own - own.mean(0)) / own.std(0)
    half = FRAMES // 2
    fit = fit_speech(own[:half], np.arange(half) / 25, generated[:half], features[:half])
    assert fit is not None
    predicted = fit.standard(generated[half - REACH :], features[half - REACH :])
    assert len(predicted) == half - REACH
    for i in (0, 1):
        told = np.corrcoef(predicted[:, i], own[half:-REACH, i])[0, 1]
        assert told > 0.7 and told > np.corrcoef(generated[half:-REACH, i], own[half:-REACH, i])[0, 1] + 0.2
        assert predicted[:, i].std() == pytest.approx(1, abs=0.25)  # as lively as the person


def test_where_the_sound_tells_nothing_more_or_the_clip_is_short_nothing_is_fitted(speech):
    features, generated = speech
    times = np.arange(FRAMES) / 25
    unrelated = 0.5 * generated + smooth(np.random.default_rng(7), 4, 2)
    assert fit_speech(unrelated, times, generated, features) is None
    assert fit_speech(features[:100, 4:6], times[:100], generated, features) is None


def test_tracks_are_read_between_their_frames_and_held_beyond():
    track = np.arange(5.0)[:, None]
    times = np.array([-1.0, 0.0, 0.02, 0.16, 9.0])
    np.testing.assert_allclose(sampled(track, times)[:, 0], [0, 0, 0.5, 4, 4])
    np.testing.assert_allclose(sampled(track[:1], times)[:, 0], 0)
