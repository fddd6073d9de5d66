"""Counterfactual clips: the same head and eyes frame by frame, the mouth and the sound of another sentence."""

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="moderngl is not installed (pip install .[train])")
pytest.importorskip("scipy", reason="scipy is not installed (pip install .[train])")

from imtalker.config import SAMPLE_RATE
from imtalker.train.speech.phonemes import Segment
from imtalker.train.speech.visemes import mouth_track
from tools.synthetic_people import clips
from tools.synthetic_people.clips import COUNTERFACTUAL_SCRIPTS, ClipScript, perform, perform_other


@pytest.fixture
def spoken(monkeypatch):
    """Speech without a voice: every letter is a phoneme of 0.1 s."""

    def finished_speech(text, voice, speed, silence):
        phonemes = ["m" if letter in "mbp" else "ah" for letter in text]
        segments = [Segment(p, 0.1 * i, 0.1 * (i + 1)) for i, p in enumerate(phonemes)]
        noise = np.random.default_rng(len(text)).normal(0, 0.1, int(0.1 * SAMPLE_RATE) * len(text))
        return noise.astype(np.float32), segments

    monkeypatch.setattr(clips, "finished_speech", finished_speech)


@pytest.mark.parametrize("other", ["mamamamama", "ma", "mamamamamamamamamamamamamama"])
def test_only_the_mouth_and_the_sound_are_different(spoken, other):
    script = ClipScript("clip", 7, "none", "aaaaaaaaaaaaaaaa", other_text=other)
    play = perform(script)
    counterfactual = perform_other(script, play)
    assert counterfactual.num_frames == play.num_frames
    assert len(counterfactual.waveform) == len(play.waveform)
    mouth = mouth_track(play.segments, play.num_frames).keys()
    for name, track in play.controls.items():
        if name not in mouth:
            np.testing.assert_array_equal(counterfactual.controls[name], track, name)
    assert any(not np.array_equal(counterfactual.controls[name], play.controls[name]) for name in mouth)


def test_a_performance_can_be_repeated(spoken):
    script = ClipScript("clip", 7, "none", "mama said so")
    first, second = perform(script), perform(script)
    for name, track in first.controls.items():
        np.testing.assert_array_equal(second.controls[name], track)


def test_every_script_of_the_set_has_another_sentence():
    assert len({script.name for script in COUNTERFACTUAL_SCRIPTS}) == len(COUNTERFACTUAL_SCRIPTS) == 6
    assert all(script.other_text and script.other_text != script.text for script in COUNTERFACTUAL_SCRIPTS)
