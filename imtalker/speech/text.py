"""The text that is to be spoken: cleaned, and refused in words where no voice could read it."""

import re
import unicodedata
from pathlib import Path

from imtalker.config import Limits
from imtalker.errors import InputError

MAX_CHARACTERS = 10_000  # some ten minutes
VOICES = ("heart", "emma", "fenrir", "fable", "kore")  # of hibari-tts; the first one is part of that package
DEFAULT_VOICE = VOICES[0]
SPEED = Limits(0.5, 2)  # 1: the voice's own pace
UNUSABLE = {"Cc", "Cs", "Co", "Cn"}  # control, half a character, private, unassigned
WORD = re.compile(r"[^\W\d_]+")


def check_text(text: str, voice: str = DEFAULT_VOICE, speed: float = 1.0) -> str:
    """The text as it is spoken: composed characters, no control characters, no blanks around it.

    Numbers, dates, amounts and signs are read out by the voice; emoji are passed over.

    Args:
        text: English, 10 000 characters at most.
        voice: one of ``VOICES``.
        speed: 0.5 to 2.

    Raises:
        InputError: empty or overlong text, nothing in it that is spoken, another script, unknown voice or speed.
    """
    if voice not in VOICES:
        raise InputError(f"voice is {voice!r:.60}; choose one of {', '.join(VOICES)}")
    SPEED.check("speed", speed)
    if not isinstance(text, str):
        raise InputError(f"the text is of type {type(text).__name__}; give a string")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"the text has {len(text)} characters; the limit is {MAX_CHARACTERS}, cut it into parts")
    composed = unicodedata.normalize("NFC", text)
    usable = (c if c in "\n\t" or unicodedata.category(c) not in UNUSABLE else " " for c in composed)
    cleaned = "".join(usable).strip()
    if not cleaned:
        raise InputError("the text is empty; write what is to be said")
    foreign = [word for word in WORD.findall(cleaned) if _is_foreign(word)]
    if foreign:
        raise InputError(
            f"the text has words in another script ({foreign[0][:20]!r}); "
            "the voices read English, write it in Latin letters"
        )
    return cleaned


def read_text(path: str | Path) -> str:
    """The text in a file (UTF-8, with or without a byte order mark).

    Raises:
        InputError: missing or empty file, too long, or in another encoding.
    """
    from imtalker.media.container import existing_file  # loads FFmpeg, which the command line's help does not need

    file = existing_file(path, "text file")
    most = 4 * MAX_CHARACTERS + 3  # bytes: no character of UTF-8 has more than four
    if file.stat().st_size > most:
        raise InputError(
            f"text file {path} has {file.stat().st_size} bytes; the limit is {MAX_CHARACTERS} characters, "
            "cut it into parts"
        )
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"text file {path} is not UTF-8 ({error.reason}); save it as plain text in UTF-8") from error
    except OSError as error:
        raise InputError(f"text file {path} cannot be read ({error.strerror}); check its permissions") from error


def _is_foreign(word: str) -> bool:
    """Whether a word is not in Latin letters. A single Greek letter is a sign with a name, as in 5 µm."""
    scripts = [_script(letter) for letter in word]
    return scripts.count("GREEK") > 1 or any(script not in ("LATIN", "GREEK", "MODIFIER") for script in scripts)


def _script(letter: str) -> str:
    plain = unicodedata.normalize("NFKC", letter)[0]  # full-width and mathematical letters are Latin, too
    return unicodedata.name(plain, "?").split()[0]
