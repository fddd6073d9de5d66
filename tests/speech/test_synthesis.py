"""Text to speech: what can be said is said the same way every time, what cannot is refused in words."""

import numpy as np
import pytest

from imtalker.errors import InputError, WeightsError
from imtalker.speech.synthesis import MAX_PHONEMES, _parts, load_engine, synthesise
from imtalker.speech.text import MAX_CHARACTERS, VOICES, check_text, read_text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \n\t\x00", "empty"),
        ("a" * (MAX_CHARACTERS + 1), str(MAX_CHARACTERS)),
        ("Привет, как дела?", "another script"),
        ("Hello 世界", "another script"),
        ("Ελλάδα", "another script"),
        ("مرحبا", "another script"),
    ],
)
def test_a_text_nobody_can_say_is_refused(text, words):
    with pytest.raises(InputError, match=words):
        check_text(text)


@pytest.mark.parametrize(
    "text", ["5 µm or π", "naïve café", "don’t", "Straße", "\U0001d407\U0001d41e", "😀 at 7:30 pm"]
)
def test_latin_letters_numbers_and_signs_pass(text):
    assert check_text(f"  {text}\n") == text


def test_unknown_voices_and_speeds_are_named():
    with pytest.raises(InputError, match=", ".join(VOICES)):
        check_text("Hello.", "nobody")
    for speed in (0.1, 9, float("nan")):
        with pytest.raises(InputError, match="speed"):
            check_text("Hello.", speed=speed)


def test_text_files(tmp_path):
    file = tmp_path / "words.txt"
    file.write_bytes("\ufeffGood day, café.".encode())
    assert read_text(file) == "Good day, café."
    for content in (b"", b"caf\xe9", b"a" * (5 * MAX_CHARACTERS)):
        file.write_bytes(content)
        with pytest.raises(InputError):
            read_text(file)
    with pytest.raises(InputError, match="does not exist"):
        read_text(tmp_path / "nowhere.txt")


@pytest.mark.parametrize("sentence", ["a" * 1001, "word " * 300, "short"])
def test_long_sentences_are_divided_and_nothing_is_lost(sentence):
    parts = list(_parts(sentence))
    assert all(0 < len(part) <= MAX_PHONEMES for part in parts)
    assert "".join(parts).replace(" ", "") == sentence.replace(" ", "")


class TestEngine:
    """With the engine itself."""

    @pytest.fixture(autouse=True)
    def engine(self):
        pytest.importorskip("hibari")
        load_engine.cache_clear()

    def test_our_list_of_voices_is_the_engines(self):
        from hibari.voices import VOICES as THEIRS

        assert tuple(sorted(THEIRS)) == tuple(sorted(VOICES)) and THEIRS[VOICES[0]]["bundled"]

    def test_the_same_text_is_the_same_sound_sentence_by_sentence(self):
        text = "Good day. It is 7:30 😀."
        first, again = list(synthesise(text)), list(synthesise(text))
        assert len(first) == 2 and all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert all(s.dtype == np.float32 and 0.05 < np.abs(s).max() <= 1 for s in first)
        assert sum(map(len, synthesise(text, speed=2))) < 0.8 * sum(map(len, first))

    @pytest.mark.parametrize("text", ["😀😀", "...", "?!", "❤️"])
    def test_nothing_to_be_spoken(self, text):
        with pytest.raises(InputError, match="nothing to be spoken"):
            synthesise(text)

    def test_a_voice_that_cannot_be_fetched(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
        monkeypatch.setattr("hibari.voices.BASE_URL", "http://127.0.0.1:9/")
        with pytest.raises(WeightsError, match="connect once, or take voice heart"):
            synthesise("Hello.", "emma")
        assert not list(tmp_path.iterdir())

    def test_a_damaged_voice(self, monkeypatch, tmp_path):
        from hibari.voices import VOICES as THEIRS

        monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
        (tmp_path / THEIRS["emma"]["file"]).write_bytes(b"noise")
        with pytest.raises(WeightsError, match="damaged"):
            synthesise("Hello.", "emma")
