"""A syntax error in the author's words: what stands where something else was expected."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Span
from consentry.lang.odd_text import cut
from consentry.lang.situation import Situation, is_keyword, is_reserved_name, nearest_keyword
from consentry.lang.tokens import Piece
from consentry.lang.words import (
    COMPARISONS,
    END,
    PURPOSE_PARTS,
    REGIME_PARTS,
    RULE_CLAUSES,
    STARTERS,
    TEST_PARTS,
    expectation,
    words_of,
)

_BLOCK_WORDS: Final = (RULE_CLAUSES, PURPOSE_PARTS, REGIME_PARTS, TEST_PARTS)
_OPERATOR_WORDS: Final = frozenset(
    words_of(one).strip("`") for one in COMPARISONS | {"_AND", "_OR"}
)
# What a clause is about, where its first word is missing.
_CLAUSE_IDEAS: Final = {
    "WHO": "a party",
    "TO": "a party",
    "MAY": "an action",
    "DATA": "data",
    "FOR": "a purpose",
    "VIA": "a channel",
    "BASIS": "a basis",
    "ON": "a reason",
    "LIFTS": "the name of a forbid",
    "REUSES": "a purpose",
    "IS": "a tag",
    "AS": "a standard key",
}


def shown(piece: Piece) -> str:
    """The piece as the author wrote it, cut when it is long."""
    return f"`{cut(str(piece))}`"


def _error(code: str, title: str, span: Span, label: str = "", try_this: str = "") -> Diagnostic:
    return Diagnostic(code=code, title=title, span=span, label=label, help=try_this)


def _did_you_mean(word: str | None) -> str:
    return f"did you mean `{word}`?" if word else ""


def _nearest(piece: Piece, accepted: frozenset[str]) -> str | None:
    """The keyword that a plain word was meant to be."""
    meant = nearest_keyword(str(piece), accepted) if piece.type == "NAME" else None
    return None if meant is None else words_of(meant).strip("`")


def explain(piece: Piece, situation: Situation) -> Diagnostic:
    """The one diagnostic for a piece that cannot stand where it stands."""
    if situation.first is None:
        return _explain_start(piece)
    accepted = situation.accepted
    if piece.type == "ASSIGN" and "EQ" in accepted:
        title = "`=` gives a value and compares nothing"
        return _error("P120", title, piece.span, try_this="did you mean `==`?")
    if piece.type == "NAME" and any(parts <= accepted for parts in _BLOCK_WORDS):
        return _explain_clause(piece, accepted)
    if is_reserved_name(piece, situation):
        return _error(
            "P111",
            f"`{piece}` is a reserved word",
            piece.span,
            "a name is expected here",
            f"choose another name, such as `my_{piece}`",
        )
    if piece.type in COMPARISONS and "_AND" in accepted:
        return _error(
            "P120",
            f"a second {shown(piece)} in one comparison",
            piece.span,
            "comparisons do not form chains",
            "join two comparisons with `and`",
        )
    near = _nearest(piece, accepted)
    if near is not None and END in accepted and near.upper() in STARTERS - accepted:
        return _explain_start(piece)
    label = expectation(accepted)
    before = situation.before.type if situation.before is not None else ""
    if "NAME" in accepted and before in _CLAUSE_IDEAS:
        label = f"expected {_CLAUSE_IDEAS[before]}"
    return _error("P120", f"unexpected {shown(piece)}", piece.span, label, _did_you_mean(near))


def _explain_start(piece: Piece) -> Diagnostic:
    """What stands where a declaration should start."""
    if piece.type == "RBRACE":
        return _error("P120", "`}` closes nothing", piece.span, "no block is open here")
    if piece.type == "NAME":
        near = _nearest(piece, STARTERS)
        return _error(
            "P121",
            f"unknown declaration {shown(piece)}",
            piece.span,
            "no declaration starts with this word",
            _did_you_mean(near),
        )
    if is_keyword(piece):
        return _error(
            "P120",
            f"`{piece}` stands outside of a block",
            piece.span,
            "expected a declaration",
            "a clause stands between the `{` and `}` of its declaration",
        )
    return _error("P120", f"unexpected {shown(piece)}", piece.span, "expected a declaration")


def _explain_clause(piece: Piece, accepted: frozenset[str]) -> Diagnostic:
    """A plain word where a block wants a clause, or an expression an operator."""
    near = _nearest(piece, accepted)
    if near is not None and near in _OPERATOR_WORDS:
        return _error(
            "P120", f"unexpected {shown(piece)}", piece.span, "expected an operator",
            _did_you_mean(near),
        )  # fmt: skip
    try_this = _did_you_mean(near)
    if near is None and "_COMMA" in accepted:
        try_this = "a comma separates the items of a list"
    return _error(
        "P122",
        f"unknown clause {shown(piece)}",
        piece.span,
        "no clause starts with this word",
        try_this,
    )


def explain_unclosed(piece: Piece, situation: Situation) -> Diagnostic:
    """A declaration that starts while the block before it is still open."""
    first, brace = situation.first, situation.open_brace
    assert first is not None
    diagnostic = _error(
        "P123",
        f"`{piece}` stands inside the block of `{first}`",
        piece.span,
        "expected `}` before this",
    )
    if brace is None:
        return diagnostic
    return Diagnostic(
        code=diagnostic.code,
        title=diagnostic.title,
        span=diagnostic.span,
        label=diagnostic.label,
        related=((brace.span, "this block is not closed"),),
    )


def explain_end(situation: Situation) -> Diagnostic:
    """A file that ends in the middle of a declaration."""
    first, before, brace = situation.first, situation.before, situation.open_brace
    assert first is not None
    assert before is not None
    if brace is not None:
        return _error(
            "P123",
            f"the file ends inside the block of `{first}`",
            brace.span,
            "this block is not closed",
        )
    return _error(
        "P120",
        f"the file ends in the middle of `{first}`",
        before.span,
        expectation(situation.accepted - {END}).replace("expected", "after this expected"),
    )
