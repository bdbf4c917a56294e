"""What is known about a diagnostic code: its title, its page, a bad and a good example."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where a code comes from, by its first letter."""

    SYNTAX = "P"
    NAMES = "R"
    TYPES = "T"
    CONSENT = "C"
    FILES = "F"
    WARNING = "W"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeInfo:
    """One code of the registry.

    `title` is short and in lower case. `explanation` is two to four sentences for the docs page.
    `bad` is a whole small policy set that triggers the code, `good` the same one mended.
    """

    code: str
    title: str
    explanation: str
    bad: str
    good: str

    @property
    def stage(self) -> Stage:
        """The stage that reports it."""
        return Stage(self.code[0])
