"""The lines of an excerpt: gutter, source line, carets, with tabs and wide characters in line."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from consentry.diagnostics.span import Source, Span

TAB_WIDTH: Final = 4
MAX_LINE_WIDTH: Final = 160
"""Longer lines are cut around the underline, in columns of the terminal."""
_LEFT_OF_UNDERLINE: Final = 40
# Control, format, surrogate and private characters, and separators of lines.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


@dataclass(frozen=True)
class Lines:
    """A source by its lines. Offsets past the end stand for the end."""

    source: Source

    @cached_property
    def starts(self) -> list[int]:
        """Offset of the first character of each line."""
        starts = [0]
        find, at = self.source.text.find, 0
        while (at := find("\n", at) + 1) > 0:
            starts.append(at)
        return starts

    def number(self, offset: int) -> int:
        """The line an offset stands on, from 1."""
        return bisect_right(self.starts, offset)

    def text(self, number: int) -> str:
        """The text of a line, without its end."""
        start = self.starts[number - 1]
        end = self.source.text.find("\n", start)
        return self.source.text[start : end if end >= 0 else None].rstrip("\r")


def shown_width(character: str) -> int:
    """Columns that a character takes on a terminal."""
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if unicodedata.combining(character) else 1


def shown_text(text: str) -> str:
    """The text as it can be shown: tabs as spaces, what cannot be seen as its code point.

    A direction control in a policy must not reorder the terminal that reports it.
    """
    if text.isascii() and text.isprintable():
        return text
    pieces: list[str] = []
    for character in text:
        if character == "\t":
            pieces.append(" " * TAB_WIDTH)
        elif unicodedata.category(character) in _INVISIBLE:
            pieces.append(f"<U+{ord(character):04X}>")
        else:
            pieces.append(character)
    return "".join(pieces)


def columns(text: str) -> int:
    """Columns that a text takes once it is shown."""
    shown = shown_text(text)
    return len(shown) if shown.isascii() else sum(shown_width(character) for character in shown)


@dataclass(frozen=True, slots=True)
class Marked:
    """One line of source and what is marked in it: `carets` after `indent` columns."""

    number: int
    text: str
    indent: int
    carets: int


def marked_line(lines: Lines, span: Span) -> Marked:
    """The span's first line with its part of the span underlined, at least one caret."""
    number = lines.number(min(span.start, len(lines.source.text)))
    text = lines.text(number)
    start = min(span.start - lines.starts[number - 1], len(text))
    end = min(max(span.end - lines.starts[number - 1], start), len(text))
    left, right = 0, len(text)
    if len(text) > MAX_LINE_WIDTH:
        left = max(0, start - _LEFT_OF_UNDERLINE)
        right = min(len(text), left + MAX_LINE_WIDTH)
        end = min(end, right)
    head, tail = ("..." if left else ""), ("..." if right < len(text) else "")
    return Marked(
        number=number,
        text=head + shown_text(text[left:right]) + tail,
        indent=len(head) + columns(text[left:start]),
        carets=max(1, columns(text[start:end])),
    )
