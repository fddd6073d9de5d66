"""Lips move as the person's do; closures stay closed whatever the person's way is."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

import imtalker.dubbing.own_articulation as learning
from imtalker.dubbing.articulation import Articulation, with_context
from imtalker.dubbing.lips import SpokenWindow
from imtalker.dubbing.mouth_space import lip_gap, mouth_space, mouth_width_direction, parted_lips
from imtalker.dubbing.own_articulation import own_articulation
from imtalker.dubbing.own_mouth import OwnMouth, SeenMouths, Spread, opening_and_width
from imtalker.dubbing.references import References
from imtalker.generator.motion_parts import EXPRESSION_CHANNELS
from tests.support.standin import small_pipeline

REST = References(0, np.zeros(32, np.float32), np.zeros((64, 2)), np.zeros(23))
LOUD = np.tile(np.array([0.1, -0.1], np.float32), 80_000)  # ten seconds without a pause
NUMBERS = np.random.default_rng(0)


def mouths(gaps: np.ndarray, widths: np.ndarray | float = 0.0) -> torch.Tensor:
    """Motion (T, 32) whose lips are ``gaps`` cm apart, and wider by ``widths``."""
    motion = torch.zeros(len(gaps), 32)
    wide = mouth_width_direction() * mouth_space().deviation ** 2
    wide = wide - parted_lips(float(wide @ mouth_space().gap))
    wide /= wide @ mouth_width_direction()
    expression = np.stack([parted_lips(float(gap)) for gap in gaps])
    motion[:, EXPRESSION_CHANNELS] = torch.from_numpy(expression + np.multiply.outer(widths * np.ones(len(gaps)), wide))
    return motion.float()


def spoken(motion: torch.Tensor, closing: np.ndarray | None = None) -> SpokenWindow:
    """With features of which the last two are the log-odds of a closure and of silence."""
    heard = torch.full((len(motion), 6), -8.0)
    if closing is not None:
        heard[torch.from_numpy(closing), 4] = 8.0
    return SpokenWindow(motion, heard)


def applied(way: Articulation, window: SpokenWindow, step: int = 1000) -> torch.Tensor:
    parts = (SpokenWindow(*(part[i : i + step] for part in window)) for i in range(0, len(window.motion), step))
    return torch.cat(list(way.apply(parts, REST)), 1)[0]


class Heard(NamedTuple):
    """A clip in which the person speaks, and what is generated for its sound."""

    seen: SeenMouths
    generated: SpokenWindow


@pytest.fixture(scope="module")
def heard() -> Heard:
    """Eight seconds; the person opens twice as far, is narrower, and her picture is 0.12 s late."""
    steps = np.convolve(NUMBERS.normal(size=204), np.ones(5) / 2, "valid")[:, None]
    other = np.convolve(NUMBERS.normal(size=204), np.ones(5) / 5, "valid")[:, None]
    track = np.concatenate([0.15 * steps + 0.4, 0.1 * other], 1)
    late = np.concatenate([np.repeat(track[:1], 3, 0), track[:-3]])
    own = mouths(2 * late[:, 0], late[:, 1] - 0.5)
    return Heard(SeenMouths(np.arange(len(own)) / 25, own.numpy()), spoken(mouths(track[:, 0], track[:, 1])))


def learned(heard: Heard, monkeypatch, seen: SeenMouths | None = None, fitted: bool = False) -> Articulation:
    """From the clip and its sound, for which the generator gives what is given."""
    monkeypatch.setattr(learning, "_spoken", lambda *_: heard.generated)
    return own_articulation(small_pipeline(), seen or heard.seen, LOUD, LOUD, REST, None, fitted)


def test_as_generated_is_untouched():
    motion = torch.randn(6, 32)
    torch.testing.assert_close(applied(Articulation(), spoken(motion)), motion)


def test_a_factor_scales_about_closed_lips():
    gaps = np.array([0.0, 0.2, 0.6])
    new = lip_gap(applied(Articulation(1.3), spoken(mouths(gaps))))
    np.testing.assert_allclose(new, 1.3 * gaps, atol=0.03)


def test_lips_get_to_where_the_persons_are_and_move_as_far(heard, monkeypatch):
    way = learned(heard, monkeypatch)
    assert way.own is not None and way.fit is None
    result = opening_and_width(applied(way, heard.generated))
    own = opening_and_width(torch.from_numpy(heard.seen.motion))
    np.testing.assert_allclose(result.mean(0), own.mean(0), atol=0.08)
    np.testing.assert_allclose(result.std(0) / own.std(0), 1, atol=0.25)
    generated = opening_and_width(heard.generated.motion)
    assert all(np.corrcoef(result[:, i], generated[:, i])[0, 1] > 0.98 for i in (0, 1))


def test_what_is_drawn_of_a_person_is_the_persons_mouth_at_every_opening(heard):
    own = OwnMouth.of(heard.seen.motion)
    numbers = own.spread.standard(opening_and_width(torch.from_numpy(heard.seen.motion)))
    again = own.lips(numbers, torch.from_numpy(heard.seen.motion))
    np.testing.assert_allclose(lip_gap(again), lip_gap(torch.from_numpy(heard.seen.motion)), atol=0.02)
    far = own.lips(np.full((1, 2), 100.0), torch.zeros(1, 32))
    nearer = own.lips(np.full((1, 2), 3.0), torch.zeros(1, 32))
    torch.testing.assert_close(far, nearer)  # nobody has seen that


def test_closures_close(heard, monkeypatch):
    way = learned(heard, monkeypatch)
    shut = heard.generated.motion.clone()
    shut[60:64] = mouths(np.zeros(4))
    kept = lip_gap(applied(way, spoken(shut))).numpy()
    assert np.abs(kept[60:64]).max() < 0.02  # what is generated shut stays so


def test_closures_are_no_deeper_and_no_wider_than_generated(heard, monkeypatch):
    """Of a person whose lips are always well apart: the further open of two generated mouths stays the further open."""
    apart = OwnMouth.of(mouths(0.2 * NUMBERS.normal(size=200) + 1.0, 0.1 * NUMBERS.normal(size=200)).numpy())
    way = Articulation(own=apart, generated=Spread(np.array([0.4, 0.0]), np.array([0.2, 0.1])))
    generated = np.concatenate([np.linspace(0.0, 0.8, 60), np.linspace(0.8, 0.0, 60)])
    closing = np.zeros(120, bool)
    closing[[30, 90]] = True  # heard, and not generated
    result = lip_gap(applied(way, spoken(mouths(generated), closing))).numpy()
    assert (np.diff(result[:60]) > 0).all() and (np.diff(result[60:]) < 0).all()
    np.testing.assert_allclose(result[[0, -1]], 0, atol=0.01)


def test_windows_give_what_the_whole_gives(heard, monkeypatch):
    way = learned(heard, monkeypatch, fitted=True)
    whole = applied(way, heard.generated)
    for step in (50, 7):
        torch.testing.assert_close(applied(way, heard.generated, step=step), whole, atol=1e-5, rtol=0)
    short = SpokenWindow(*(part[:3] for part in heard.generated))
    window, around = next(with_context(iter([short]), 5))
    assert len(window.motion) == 3 and len(around.motion) == 13
    torch.testing.assert_close(around.motion[:6], short.motion[:1].expand(6, -1))


@pytest.mark.parametrize("frames", [0, 5])
def test_too_little_tells_nothing(heard, monkeypatch, frames):
    few = SeenMouths(heard.seen.seconds[:frames], heard.seen.motion[:frames])
    assert learned(heard, monkeypatch, few).own is None
    still = SeenMouths(heard.seen.seconds, np.repeat(heard.seen.motion[:1], len(heard.seen.motion), 0))
    assert learned(heard, monkeypatch, still).own is None


@pytest.mark.parametrize("sound", [None, np.zeros(160_000, np.float32), LOUD[:8000]])
def test_without_the_persons_sound_the_new_speech_is_taken_as_it_is_generated(heard, monkeypatch, sound):
    asked = []
    monkeypatch.setattr(
        learning, "_spoken", lambda pipeline, waveform, *_: (asked.append(waveform), heard.generated)[1]
    )
    way = own_articulation(small_pipeline(), heard.seen, sound, LOUD, REST, None, True)
    assert way.own is not None and way.fit is None
    assert [len(waveform) for waveform in asked] == [128_000]


def test_with_somebody_elses_sound_nothing_is_fitted(heard, monkeypatch):
    track = np.convolve(np.random.default_rng(9).normal(size=204), np.ones(5) / 5, "valid")
    other = Heard(heard.seen, spoken(mouths(0.15 * track + 0.4, 0.1 * track[::-1])))
    assert learned(other, monkeypatch, fitted=True).fit is None


def test_deviations_found_in_few_frames_are_drawn_towards_what_is_believed():
    found, belief = Spread(np.zeros(2), np.ones(2)), Spread(np.ones(2), np.full(2, 3.0))
    few, many = found.doubted(10, belief), found.doubted(100_000, belief)
    assert (few.deviation > 2.5).all() and (many.deviation < 1.01).all() and (few.mean == 0).all()
