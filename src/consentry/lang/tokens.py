"""Text to pieces (tokens with their place). The patterns are the grammar's own terminals.

The scanner never stops: what is no token is reported, once, and stepped over or taken for what was
meant, so that the parser can go on. Keywords have word boundaries because words are matched whole
and looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from lark import Token
from lark.lexer import PatternStr, TerminalDef

from consentry.diagnostics.span import Source, Span
from consentry.lang import literals, odd_text
from consentry.lang.problems import Problems
from consentry.lang.tree import Comment

_NUMERIC: Final = frozenset({"NUMBER", "DATE", "TIME", "CLOCK"})
_WORDS: Final = frozenset({"NAME", "PATH"})
# Characters that may stand right after a word or a number; what else does is looked at closely.
_ENDS_WORD: Final = frozenset(" \n\t\r,{}()[]=:?<>!#\"+-.;'&|/*")
_ENDS_NUMBER: Final = _ENDS_WORD - {".", ":", "-", "+"}
_UNTERMINATED: Final = "UNTERMINATED"
_ODD: Final = "ODD"


class Piece(Token):
    """A token that knows its file and the problems of its parse, since callbacks know neither."""

    __slots__ = ("file", "problems")

    file: str
    problems: Problems

    @property
    def span(self) -> Span:
        """Where it stands."""
        start = self.start_pos or 0
        return Span(self.file, start, start + len(self), self.line or 1, self.column or 1)


@dataclass(frozen=True, slots=True)
class Patterns:
    """One pattern for all tokens, the keywords by their text, and what is only skipped."""

    pattern: re.Pattern[str]
    keywords: dict[str, str]
    ignored: frozenset[str]


def build_patterns(terminals: Iterable[TerminalDef], ignored: Iterable[str]) -> Patterns:
    """The scanner's patterns from the grammar's terminals, in Lark's own order of choice."""
    word = re.compile(r"[a-z_]+")
    keywords: dict[str, str] = {}
    others: list[TerminalDef] = []
    for terminal in terminals:
        text = terminal.pattern.value
        if isinstance(terminal.pattern, PatternStr) and word.fullmatch(text):
            keywords[text] = terminal.name
        else:
            others.append(terminal)
    others.sort(key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    groups = [f"(?P<{terminal.name}>{terminal.pattern.to_regexp()})" for terminal in others]
    groups += [rf'(?P<{_UNTERMINATED}>"[^\n]*)', rf"(?P<{_ODD}>.)"]
    return Patterns(re.compile("|".join(groups), re.DOTALL), keywords, frozenset(ignored))


@dataclass(slots=True)
class Scanner:
    """Cuts one source into pieces; `comments` fills while it runs."""

    source: Source
    patterns: Patterns
    problems: Problems
    comments: list[Piece]

    def pieces(self) -> Iterator[Piece]:
        """All pieces in order; spaces and comments are left out, comments are kept aside."""
        text, match_at = self.source.text, self.patterns.pattern.match
        keywords, ignored = self.patterns.keywords, self.patterns.ignored
        position, line, line_start, size = 0, 1, 0, len(text)
        while position < size:
            match = match_at(text, position)
            assert match is not None  # the last group matches any character
            kind, value = match.lastgroup or _ODD, match.group()
            if kind in ignored:
                if kind == "COMMENT":
                    self.comments.append(self._piece(kind, value, position, line, line_start))
                elif breaks := value.count("\n"):
                    line += breaks
                    line_start = position + value.rindex("\n") + 1
                position = match.end()
                continue
            if kind in _WORDS or kind in _NUMERIC or kind in {"STRING", _UNTERMINATED, _ODD}:
                kind, value = self._looked_at(kind, value, position, line, line_start)
            if kind:
                yield self._piece(keywords.get(value, kind), value, position, line, line_start)
            position += len(value)

    def _piece(self, kind: str, value: str, start: int, line: int, line_start: int) -> Piece:
        # PERF: Token's own constructor takes three times as long.
        piece = str.__new__(Piece, value)
        piece.type, piece.value, piece.start_pos = kind, value, start
        piece.line, piece.column = line, start - line_start + 1
        piece.end_line, piece.end_pos = line, start + len(value)
        piece.end_column = start + len(value) - line_start + 1
        piece.file, piece.problems = self.source.name, self.problems
        return piece

    def _looked_at(
        self, kind: str, value: str, start: int, line: int, line_start: int
    ) -> tuple[str, str]:
        """The kind and text to go on with, after reporting what is wrong; no kind: step over."""
        text = self.source.text
        after = text[start + len(value) : start + len(value) + 1]
        if kind in _WORDS and (not after or after in _ENDS_WORD):
            return kind, value
        if kind == "NUMBER" and (not after or after in _ENDS_NUMBER) and len(value) < 2:
            return kind, value
        if kind == "STRING" and "\\" not in value:
            return kind, value
        span = Span(self.source.name, start, start + len(value), line, start - line_start + 1)
        if kind in _WORDS:
            return odd_text.word(text, span, kind, value, self.problems)
        if kind in _NUMERIC:
            return odd_text.number(text, span, kind, value, self.problems)
        if kind == "STRING":
            self._check_escapes(value, span)
            return kind, value
        if kind == _UNTERMINATED:
            return odd_text.unterminated(span, value, self.problems)
        return odd_text.character(text, span, value, self.problems)

    def _check_escapes(self, value: str, span: Span) -> None:
        for bad in literals.find_bad_escapes(value):
            self.problems.error(
                "P106",
                f"bad escape `{odd_text.cut(value[bad.start : bad.end])}` in a string",
                Span(
                    span.file,
                    span.start + bad.start,
                    span.start + bad.end,
                    span.line,
                    span.column + bad.start,
                ),
                label=bad.why,
                try_this='escapes are `\\"`, `\\\\`, `\\n`, `\\t` and `\\u{20AC}`',
            )


def read_comments(source: Source, pieces: Iterable[Piece]) -> tuple[Comment, ...]:
    """The comments that were kept aside, with whether each has a line of its own."""
    text = source.text
    return tuple(
        Comment(
            text=str(piece).rstrip(),
            is_own_line=not text[text.rfind("\n", 0, start) + 1 : start].strip(),
            span=piece.span,
        )
        for piece in pieces
        for start in (piece.start_pos or 0,)
    )
