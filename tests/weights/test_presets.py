"""Presets are values that name what they are made of."""

import pytest

from imtalker.errors import InputError
from imtalker.weights.presets import BASE_REVISION, PRESET_NAMES, get_preset


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_every_name_gives_its_preset(name: str) -> None:
    preset = get_preset(name)
    assert preset.name == name
    assert preset.renderer.motion_dim == preset.generator.motion_dim == 32
    assert preset.generator.audio_dim == preset.audio.hidden_size
    assert preset.generator.feature_dim == preset.audio.feature_dim


def test_revisions_differ_as_documented() -> None:
    v1, v2 = get_preset("base-v1"), get_preset("base")
    assert (v1.renderer.input_size, v2.renderer.input_size) == (256, 512)
    assert (v1.generator.position, v2.generator.position) == ("additive", "rotary")
    assert (v1.generator.attention_band, v2.generator.attention_band) == (5, None)


def test_revision_comes_from_the_environment_when_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMTALKER_BASE_REVISION", raising=False)
    assert {file.revision for file in get_preset("base").files} == {BASE_REVISION}
    monkeypatch.setenv("IMTALKER_BASE_REVISION", "abc123")
    assert {file.revision for file in get_preset("base").files} == {"abc123"}


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown preset 'huge'; choose one of tiny, base"):
        get_preset("huge")
