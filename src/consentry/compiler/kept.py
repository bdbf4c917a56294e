"""Trees of files that did not change, kept from one compilation to the next."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.span import Source
from consentry.lang.parse import ParseResult, parse_module

MAX_KEPT_CHARACTERS: Final = 4 * 1024 * 1024
"""Text whose trees are kept; a tree takes about forty times the memory of its text."""


class KeptTrees:
    """Reads files as `parse_module` does, and remembers those of the last policy set.

    A parse is a pure function of a name and a text, and its tree never changes, so a kept one is as
    good as a new one. Text beyond `max_characters` is read anew each time. Used by one thread.
    """

    def __init__(self, max_characters: int = MAX_KEPT_CHARACTERS) -> None:
        self._max_characters: Final = max_characters
        self._last: dict[Source, ParseResult] = {}
        self._asked: dict[Source, ParseResult] = {}
        self._characters = 0

    def parse(self, source: Source) -> ParseResult:
        """The tree and the problems of one file, kept or new."""
        result = self._last.get(source) or parse_module(source)
        self._characters += len(source.text)
        if self._characters <= self._max_characters:
            self._asked[source] = result
        return result

    def turn(self) -> None:
        """A policy set has been compiled: what it did not ask for is forgotten."""
        self._last, self._asked, self._characters = self._asked, {}, 0
