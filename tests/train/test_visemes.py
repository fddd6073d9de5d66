"""Visemes: what rules the mouth at each moment, lips in pauses, and targets found again in lips that follow them."""

import numpy as np
import pytest

from imtalker.config import SAMPLE_RATE
from imtalker.train.puppet.controls import VISEME_TARGETS
from imtalker.train.speech.phonemes import Segment
from imtalker.train.speech.viseme_fit import NAMES, SpokenClip, clip_of, fit_visemes, lips_of, present_targets
from imtalker.train.speech.visemes import LIP_CLOSING, VISEMES, dominances, mouth_track
from imtalker.weights.load import bundled_basis


def sentence(*parts: tuple[str, float]) -> list[Segment]:
    """Phonemes with their lengths in s, one after the other."""
    ends = np.cumsum([seconds for _, seconds in parts])
    return [Segment(name, float(end) - seconds, float(end)) for (name, seconds), end in zip(parts, ends, strict=True)]


def babble(rng: np.random.Generator, count: int) -> list[Segment]:
    return sentence(*((str(rng.choice(list(VISEMES))), float(rng.uniform(0.05, 0.15))) for _ in range(count)))


def test_shares_of_each_moment_add_up_to_one() -> None:
    segments = babble(np.random.default_rng(0), 60)
    time = np.linspace(0, segments[-1].end, 150)
    shares = dominances(segments, time, NAMES)
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)


def test_a_silent_clip_rests() -> None:
    assert all(np.abs(curve).max() == 0 for curve in mouth_track([], 25).values())


@pytest.mark.parametrize(("seconds", "lips"), [(0.12, "open"), (0.6, "parted"), (2.0, "closed")])
def test_lips_close_in_long_pauses_only(seconds: float, lips: str) -> None:
    segments = sentence(("aa", 0.3), ("sil", seconds), ("aa", 0.3))
    jaw = mouth_track(segments, round((seconds + 0.6) * 25))["jaw"]
    spoken, middle = jaw.max(), jaw[len(jaw) // 2]
    low, high = {"open": (0.7, 1.0), "parted": (0.2, 0.5), "closed": (0.0, 0.02)}[lips]
    assert low * spoken <= middle <= high * spoken


def test_lips_stay_parted_after_speech_and_part_before_it() -> None:
    jaw = mouth_track(sentence(("sil", 1.0), ("m", 0.2), ("sil", 2.0), ("m", 0.2), ("sil", 1.0)), 110)["jaw"]
    parted = 0.9 * VISEME_TARGETS["PAUSE"][0]
    assert jaw[[3, 10, 50, 60, 105]].max() < 0.01  # at rest: before 0.7 s, from 1.8 to 2.8 s, from 4 s on
    assert jaw[[21, 34, 75, 90]].min() > parted  # a breath from 0.7 and 2.9 s on, parted from 1.2 and 3.5 s on


def test_what_could_not_be_aligned_does_not_count_as_silence() -> None:
    def hear(start: float, sound: np.ndarray) -> list[Segment]:
        return [] if start > 0 else [Segment("aa", 0.5, 1.0)]

    waveform = np.random.default_rng(0).standard_normal(20 * SAMPLE_RATE).astype(np.float32)
    clip = clip_of(np.ones((500, 2)), waveform, hear)
    known = np.isfinite(clip.lips[:, 0])
    assert 8 * 25 <= known.sum() <= 14 * 25
    assert known[: known.sum()].all()
    assert clip.segments == (Segment("aa", 0.5, 1.0),)


def test_fit_finds_what_lips_follow_whoever_speaks_and_however_late_the_sound_is() -> None:
    rng = np.random.default_rng(1)
    prior = present_targets()
    truth = prior * (0.6, 0.7) + rng.normal(0, 0.5, prior.shape)
    people = np.array([[3.0, 50.0], [5.0, 56.0]])
    clips = []
    for person, shift in zip(people, (-2, 3), strict=True):
        segments = [s for s in babble(rng, 900) if s.phoneme not in LIP_CLOSING]
        time = (np.arange(int(segments[-1].end * 25)) + 0.5 - shift) / 25
        lips = person + dominances(segments, time, NAMES) @ truth + rng.normal(0, 0.3, (len(time), 2))
        clips.append(SpokenClip(lips, tuple(segments)))
    fitted, own, frames = fit_visemes(clips, prior)
    often = frames > 20
    assert often.sum() > 15
    # a person's own mouth and what all visemes add cannot be told apart: only differences count
    offset = (fitted - truth)[often].mean(0)
    assert np.abs(fitted - truth - offset)[often].mean() < 0.4 * np.abs(prior - truth)[often].mean()
    np.testing.assert_allclose(own + offset, people, atol=0.5)


def test_lips_are_read_in_millimetres() -> None:
    rest = bundled_basis().face
    opened = rest.copy()
    opened[[87, 14, 317], 1] -= 0.5
    assert lips_of(np.stack([opened, rest]))[:, 0] == pytest.approx(
        [lips_of(rest[None])[0, 0] + 5, lips_of(rest[None])[0, 0]]
    )
