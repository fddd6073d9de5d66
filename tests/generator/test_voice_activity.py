"""Whether a sound is speech: the bundled voices are, music, noise, hum and silence are not."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from imtalker.errors import WeightsError
from imtalker.generator import voice_activity as module
from imtalker.generator.voice_activity import CHUNK, VoiceActivity, sound_remarks, speech_probabilities
from imtalker.media.audio import load_waveform

ASSETS = Path(__file__).resolve().parents[2] / "assets"
RATE = 16_000
needs_weights = pytest.mark.skipif(importlib.util.find_spec("silero_vad") is None, reason="silero-vad is not installed")


def sounds() -> dict[str, np.ndarray]:
    """Three seconds each without a voice."""
    time, rng = np.arange(3 * RATE) / RATE, np.random.default_rng(1)
    chords = sum(np.sin(2 * np.pi * f * time) * np.exp(-3 * (time % 0.5)) for f in (220, 277, 330, 440)) * 0.15
    drums = rng.normal(0, 0.3, len(time)) * np.exp(-25 * (time % 0.25))
    beats = rng.random(len(time) // 160).repeat(160) > 0.5
    found = {
        "music": chords + drums,
        "noise": rng.normal(0, 0.2, len(time)),
        "applause": rng.normal(0, 0.3, len(time)) * beats,
        "hum": 0.05 * np.sin(2 * np.pi * 50 * time),
        "almost silent": rng.normal(0, 1e-3, len(time)),
    }
    return {name: samples.astype(np.float32) for name, samples in found.items()}


@needs_weights
@pytest.mark.parametrize("name", sounds())
def test_sounds_without_a_voice_are_remarked(name):
    (remark,) = sound_remarks(sounds()[name])
    assert remark.code == "little_speech" and "of 3.0 s" in remark.words


@needs_weights
@pytest.mark.parametrize("file", sorted(path.name for path in (ASSETS / "speech").glob("*.wav")))
def test_voices_are_not(file):
    speech = load_waveform(ASSETS / "speech" / file)
    assert (speech_probabilities(speech) > 0.5).mean() > 0.7
    quiet = np.random.default_rng(0).normal(0, 1e-4, 2 * RATE).astype(np.float32)
    for sound in (speech, np.concatenate([quiet, speech[: 2 * RATE]]), speech * 0.1, (speech * 20).clip(-1, 1)):
        assert sound_remarks(sound) == ()


def test_long_sounds_are_judged_in_pieces(monkeypatch):
    """The network sees the same whatever is encoded at a time."""
    torch.manual_seed(0)
    network = VoiceActivity().eval()
    network.basis.normal_(0, 0.1)
    waveform = torch.randn(20 * CHUNK + 77)
    whole = network(waveform)
    monkeypatch.setattr(module, "BATCH", 3)
    assert whole.shape == (21,) and torch.allclose(network(waveform), whole, atol=1e-6)
    assert torch.allclose(network(waveform[: 10 * CHUNK]), whole[:10], atol=1e-6)  # nothing after a chunk matters


def test_without_the_package_nothing_is_said(monkeypatch):
    module.voice_activity.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="silero-vad"):
        module.voice_activity()
    assert sound_remarks(np.zeros(RATE, np.float32)) == ()
