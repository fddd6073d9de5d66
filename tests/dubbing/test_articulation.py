"""Lips open as the person's do; closures stay closed whatever the person's way is."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from imtalker.dubbing.articulation import FURTHEST, LEAST_GAP, WHOLE, Articulation, opened_difference, own_articulation
from imtalker.dubbing.mouth_space import lip_gap, mouth_space, parted_lips
from imtalker.dubbing.references import References
from tests.support.sample_media import write_video

REST = References(0, np.zeros(32, np.float32))


def mouths(gaps: np.ndarray) -> torch.Tensor:
    """Motion (T, 32) whose lips are ``gaps`` cm apart."""
    motion = torch.zeros(len(gaps), 32)
    motion[:, 8:31] = torch.from_numpy(np.stack([parted_lips(float(gap)) for gap in gaps]))
    return motion


def applied(way: Articulation, motion: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(way.apply(iter([motion[None]]), REST)), 1)[0]


def test_as_generated_is_untouched():
    motion = torch.randn(6, 32)
    torch.testing.assert_close(applied(Articulation(), motion), motion)


def test_closed_lips_stay_closed_and_open_ones_follow_the_person():
    gaps = np.array([-0.02, 0.0, 0.05, WHOLE, 0.8])
    opened = applied(Articulation(opened=parted_lips(0.5)), mouths(gaps))
    new = lip_gap(opened).numpy()
    np.testing.assert_allclose(new[:2], gaps[:2], atol=1e-5)
    assert 0.05 < new[2] < 0.3
    np.testing.assert_allclose(new[3:], gaps[3:] + 0.5, atol=0.06)  # but for what lies above the nose
    assert (np.diff(new) > 0).all()
    np.testing.assert_array_equal(opened[:, :8], mouths(gaps)[:, :8])


def test_a_factor_scales_about_closed_lips():
    gaps = np.array([0.0, 0.2, 0.6])
    new = lip_gap(applied(Articulation(1.3), mouths(gaps)))
    np.testing.assert_allclose(new, 1.3 * gaps, atol=0.03)


def test_a_person_who_opens_further_does_so_in_the_result():
    generated = mouths(np.concatenate([np.zeros(40), np.full(160, 0.4)]))
    seen = mouths(np.concatenate([np.zeros(20), np.full(180, 0.9)]))
    difference = opened_difference(seen, generated)
    assert float(difference @ mouth_space().gap) == pytest.approx(0.5, rel=0.1)
    np.testing.assert_array_equal(opened_difference(generated[:40], generated), 0)  # never open: nothing is known
    few = opened_difference(seen[20:22], generated)
    assert 0 < float(few @ mouth_space().gap) < 0.2


def test_what_cannot_be_is_not_believed():
    wild = torch.zeros(100, 32)
    wild[:, 8:31] = 100 * torch.from_numpy(mouth_space().deviation * np.sign(mouth_space().gap))
    difference = opened_difference(wild, mouths(np.full(100, 0.4)))
    assert (np.abs(difference) <= FURTHEST * mouth_space().deviation + 1e-6).all()
    narrow = opened_difference(mouths(np.full(100, 0.15)), mouths(np.full(100, 1.5)))
    assert float(narrow @ mouth_space().gap) == pytest.approx(LEAST_GAP, abs=1e-4)


def test_a_silent_clip_tells_nothing(tmp_path):
    clip = write_video(tmp_path / "v.mp4", frames=50)
    nothing = own_articulation(SimpleNamespace(), clip, mouths(np.linspace(0, 1, 50)).numpy(), 25.0, REST, None)  # pyright: ignore[reportArgumentType]
    assert nothing.factor == 1 and not nothing.opened.any()
