"""Where something stands in a policy text.

Lines and columns count from 1, as editors show them; offsets count characters from 0.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one file, end exclusive.

    `file` is the name the author knows the file by: relative to the policy folder, with `/`.
    """

    file: str
    start: int
    end: int
    line: int
    column: int

    def to(self, last: Span) -> Span:
        """The stretch from here through `last`, which must not start before this one."""
        return Span(self.file, self.start, last.end, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Source:
    """One policy file: the name authors know it by, and its text."""

    name: str
    text: str
