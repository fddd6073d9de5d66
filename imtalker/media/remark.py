"""Remarks on what goes in: nothing that stops a run, but what a person should know, with what to do about it."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["note", "fair", "poor"]


@dataclass(frozen=True)
class Remark:
    """One remark.

    ``code`` is for programs and does not change; ``words`` are for people and say what to do. ``level`` is "fair" where
    the result is likely to suffer and "poor" where little can be expected; "note" where it need not.
    """

    code: str
    words: str
    level: Level = "fair"

    def __str__(self) -> str:
        return self.words
