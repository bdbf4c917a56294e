"""Policy text to tree, with recovery: one mistake gives one message, the next one its own.

The parser starts afresh at each declaration. After a mistake it goes on at the next declaration
that stands outside of all braces (`data` and `purpose` are clauses as well as declarations), or at
one that stands at the margin, where a block was left open.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from lark import Lark
from lark.exceptions import UnexpectedToken

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source, Span
from consentry.lang.build import TreeBuilder
from consentry.lang.explain import explain, explain_end, explain_unclosed
from consentry.lang.problems import Problems
from consentry.lang.repair import find_repair
from consentry.lang.situation import Situation
from consentry.lang.text_checks import check_text
from consentry.lang.tokens import Patterns, Piece, Scanner, build_patterns, read_comments
from consentry.lang.tree import Declaration, Module
from consentry.lang.words import END, HARD_STARTERS, STARTERS

if TYPE_CHECKING:
    from lark.parsers.lalr_interactive_parser import InteractiveParser

START_RULE: Final = "declaration"
_OPENERS: Final = frozenset({"LBRACE", "LPAR", "LBRACKET"})
_CLOSERS: Final = frozenset({"RBRACE", "RPAR", "RBRACKET"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on one file. `max_depth` counts open brackets and `not`s around a place."""

    max_bytes: int = 1024 * 1024
    max_declarations: int = 20_000
    max_depth: int = 64
    max_diagnostics: int = 50


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseResult:
    """The declarations that could be read, and what is wrong with the rest, by place."""

    module: Module
    diagnostics: tuple[Diagnostic, ...]
    is_whole: bool = True
    """Whether the module holds every declaration, be it that misspelt words were taken for others;
    where not, a name that nothing declares may be one that was lost.
    """

    @property
    def has_errors(self) -> bool:
        """Whether anything is wrong with the file."""
        return any(diagnostic.is_error for diagnostic in self.diagnostics)


def read_grammar() -> str:
    """The text of the grammar, which is package data."""
    return resources.files("consentry.lang").joinpath("grammar.lark").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class _Machinery:
    """The built grammar: immutable once made, shared by all parses of the process."""

    lark: Lark
    patterns: Patterns


@cache
def _machinery() -> _Machinery:
    lark = Lark(
        read_grammar(),
        parser="lalr",
        lexer="basic",
        start=START_RULE,
        transformer=TreeBuilder(),
    )
    return _Machinery(lark, build_patterns(lark.terminals, lark.ignore_tokens))


def parse_module(source: Source, limits: Limits = DEFAULT_LIMITS) -> ParseResult:
    """Reads one file; never raises, whatever the text is."""
    problems = Problems(limits.max_diagnostics)
    size = len(source.text.encode("utf-8", "surrogatepass"))
    if size > limits.max_bytes:
        problems.error(
            "P113",
            f"the file is too large: {size} bytes",
            Span(source.name, 0, 0, 1, 1),
            label=f"a policy file has at most {limits.max_bytes} bytes",
            try_this="split it into several files; they form one policy set",
        )
        empty = Module(file=source.name, declarations=())
        return ParseResult(module=empty, diagnostics=problems.diagnostics(), is_whole=False)
    check_text(source, problems)
    return _Reader(source, limits, problems).read()


class _Reader:
    """One parse. Owned by one call; holds where the parser stands."""

    def __init__(self, source: Source, limits: Limits, problems: Problems) -> None:
        machinery = _machinery()
        self._lark = machinery.lark
        self._source = source
        self._limits = limits
        self._problems = problems
        self._comments: list[Piece] = []
        self._scanner = Scanner(source, machinery.patterns, problems, self._comments)
        self._declarations: list[Declaration] = []
        self._state: InteractiveParser | None = None
        self._first: Piece | None = None
        self._before: Piece | None = None
        # The pieces of the open declaration, to read it again with a word taken for another.
        self._pieces: list[Piece] = []
        self._is_skipping = False
        self._is_whole = True
        # Whether odd text in the open declaration, already told, explains what does not fit.
        self._is_explained = False
        self._braces: list[Piece] = []
        # `}` that will come for blocks given up at a declaration at the margin.
        self._strays = 0
        self._nesting: list[int] = []
        self._nots = 0
        self._depth = 0

    def read(self) -> ParseResult:
        told = self._problems.count
        for piece in self._scanner.pieces():
            is_odd = self._problems.count > told
            if len(self._declarations) >= self._limits.max_declarations:
                self._refuse_more(piece)
                break
            self._take(piece, is_odd=is_odd)
            self._before = piece
            told = self._problems.count
        else:
            self._is_explained |= self._problems.count > told
            self._end()
        module = Module(
            file=self._source.name,
            declarations=tuple(self._declarations),
            comments=read_comments(self._source, self._comments),
        )
        diagnostics = self._problems.diagnostics()
        return ParseResult(module=module, diagnostics=diagnostics, is_whole=self._is_whole)

    def _take(self, piece: Piece, *, is_odd: bool) -> None:
        """One piece: ends, starts or goes on with a declaration. `is_odd`: its text, or what was
        stepped over before it, has been told to be wrong.
        """
        self._is_explained |= is_odd
        if self._is_skipping:
            if not self._starts_again(piece):
                self._track_braces(piece)
                return
            self._reset()
        elif (
            self._state is not None
            and not self._braces
            and self._is_complete(piece)
            # A plain word starts nothing: it may be a misspelt part of what is still open.
            and ((piece.type == "NAME" and self._mend(piece)) or not self._finish_or_recover(piece))
        ):
            self._track_braces(piece)
            return
        if self._state is None:
            if piece.type == "RBRACE" and self._strays:
                self._strays -= 1
                return
            self._is_explained = is_odd
            self._state = self._lark.parse_interactive()
        if not self._is_too_deep(piece):
            self._feed(piece)
        self._track_braces(piece)

    def _feed(self, piece: Piece) -> None:
        assert self._state is not None
        told = self._problems.count
        try:
            self._state.feed_token(piece)
        except UnexpectedToken:
            self._recover(piece, is_read_wrong=self._problems.count > told)
        else:
            self._note(piece)

    def _note(self, piece: Piece) -> None:
        self._pieces.append(piece)
        if self._first is None:
            self._first = piece

    def _recover(self, piece: Piece, *, is_read_wrong: bool = False) -> None:
        """Reports the piece, unless odd text in this declaration explains it, or what stands before
        the piece has just been told to be wrong; reads on as if the word stood there that was
        meant, or else skips to the next declaration.
        """
        if self._mend(piece):
            return
        is_quiet = self._is_explained or is_read_wrong
        is_full = self._problems.is_full
        situation = self._situation(with_accepted=not (is_quiet or is_full))
        is_start = self._first is not None and self._is_start_after_mistake(piece)
        is_inside = is_start or self._is_misplaced_start(piece)
        if not is_quiet:
            unclosed = is_inside and bool(self._braces)
            self._problems.add(
                explain_unclosed(piece, situation) if unclosed else explain(piece, situation)
            )
        if is_start:
            self._strays += len(self._braces)
            self._braces.clear()
            self._reset()
            self._is_explained = False
            self._state = self._lark.parse_interactive()
            self._is_whole = False
            self._feed(piece)
        else:
            self._is_whole = False
            self._is_skipping = True

    def _mend(self, piece: Piece) -> bool:
        """Whether this word or the one before it is a misspelt keyword, so that reading goes on."""
        if self._problems.is_full:
            return False
        # After a number a misspelt keyword has been taken for a unit of time, and been told as one.
        unit = self._problems.take_back("P110", self._pieces[-1].span) if self._pieces else None
        if not self._mend_quietly(piece):
            if unit is not None:
                self._problems.add(unit)
            return False
        return True

    def _mend_quietly(self, piece: Piece) -> bool:
        if self._is_explained:
            return False
        situation = self._situation(with_accepted=False)
        repair = find_repair(self._lark, self._pieces, piece, situation)
        if repair is None:
            return False
        self._problems.add(explain(repair.wrong, repair.situation))
        if repair.ends_before:
            self._finish()
        self._state, self._pieces = repair.state, repair.pieces
        self._first = self._pieces[0]
        if not repair.is_next_read:
            self._feed(piece)
        return True

    def _is_misplaced_start(self, piece: Piece) -> bool:
        """A declaration on a line of its own inside a block, where none can stand."""
        return piece.type in HARD_STARTERS and self._is_first_on_line(piece) and bool(self._braces)

    def _is_start_after_mistake(self, piece: Piece) -> bool:
        """Whether the wrong piece is itself the start of the next declaration."""
        if not self._is_first_on_line(piece):
            return False
        if not self._braces:
            return piece.type in STARTERS
        return piece.type in HARD_STARTERS and self._is_at_margin(piece)

    def _starts_again(self, piece: Piece) -> bool:
        """Whether reading goes on here after a mistake."""
        if piece.type not in STARTERS:
            return False
        after_block = self._before is not None and self._before.type == "RBRACE"
        if not self._braces:
            return after_block or self._is_first_on_line(piece)
        if piece.type not in HARD_STARTERS or not self._is_first_on_line(piece):
            return False
        if not self._is_at_margin(piece):
            return False
        self._strays += len(self._braces)
        self._braces.clear()
        return True

    def _is_first_on_line(self, piece: Piece) -> bool:
        return self._before is None or self._before.line != piece.line

    def _is_at_margin(self, piece: Piece) -> bool:
        """Whether the piece stands no further in than the declaration that is open."""
        margin = self._first.column if self._first is not None else 1
        return (piece.column or 1) <= (margin or 1)

    def _is_complete(self, piece: Piece) -> bool:
        """Whether the declaration may end before this piece, and cannot go on with it.

        A state's choices are those of all places that look alike, so what cannot go
        on with a declaration outside of braces is asked for first.
        """
        choices = self._choices()
        ends_here = piece.type in STARTERS or piece.type == "RBRACE"
        return END in choices and (ends_here or piece.type not in choices)

    def _choices(self) -> Container[str]:
        assert self._state is not None
        # Lark gives this method no types; what it gives back is the state's own table.
        choices: Container[str] = self._state.choices()  # type: ignore[no-untyped-call]
        return choices

    def _finish_or_recover(self, piece: Piece) -> bool:
        is_finished = self._finish()
        if not is_finished:
            self._recover(piece)
        return is_finished

    def _finish(self) -> bool:
        """Ends the declaration; False when it turns out to be incomplete after all."""
        assert self._state is not None
        try:
            declaration = self._state.feed_token(Piece(END, ""))
        except UnexpectedToken:
            return False
        self._declarations.append(declaration)
        self._reset()
        return True

    def _reset(self) -> None:
        """Ready for the next declaration."""
        self._state = None
        self._first = None
        self._pieces = []
        self._is_skipping = False
        self._nesting.clear()
        self._nots = 0
        self._depth = 0

    def _end(self) -> None:
        """The end of the file, which may stand in the middle of a declaration."""
        if self._state is None or self._is_skipping:
            return
        if END in self._choices() and not self._braces and self._finish():
            return
        if not self._is_explained:
            self._problems.add(explain_end(self._situation(with_accepted=True)))

    def _situation(self, *, with_accepted: bool) -> Situation:
        assert self._state is not None
        # Lark gives this method no types.
        accepted = self._state.accepts() if with_accepted else ()  # type: ignore[no-untyped-call]
        return Situation(
            first=self._first,
            before=self._before,
            open_brace=self._braces[-1] if self._braces else None,
            accepted=frozenset(accepted),
        )

    def _track_braces(self, piece: Piece) -> None:
        if piece.type == "LBRACE":
            self._braces.append(piece)
        elif piece.type == "RBRACE" and self._braces:
            self._braces.pop()

    def _is_too_deep(self, piece: Piece) -> bool:
        """Counts brackets and `not`s around the piece; reports the first that is one too many."""
        if piece.type == "NOT":
            self._nots += 1
        elif piece.type in _OPENERS:
            self._nesting.append(self._nots + 1)
            self._depth += self._nots + 1
            self._nots = 0
        elif piece.type in _CLOSERS:
            self._depth -= self._nesting.pop() if self._nesting else 0
            self._nots = 0
        else:
            self._nots = 0
            return False
        if self._depth + self._nots <= self._limits.max_depth:
            return False
        self._problems.error(
            "P112",
            f"nested deeper than {self._limits.max_depth} levels",
            piece.span,
            label="this is one too many",
            try_this="give a part of it a declaration of its own",
        )
        self._is_skipping = True
        return True

    def _refuse_more(self, piece: Piece) -> None:
        self._problems.error(
            "P113",
            f"the file is too large: more than {self._limits.max_declarations} declarations",
            piece.span,
            label="this is one too many",
            try_this="split it into several files; they form one policy set",
        )
