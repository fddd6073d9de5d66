"""Remarks on what goes in: nothing that stops a run, but what a person should know, with what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """One remark.

    ``code`` is for programs and does not change; ``words`` are for people and say what to do.
    """

    code: str
    words: str

    def __str__(self) -> str:
        return self.words
