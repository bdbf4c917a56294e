"""Which word a misspelt one was meant to be, so that reading goes on as if it stood there.

A repair is only ever a guess for reading on: the misspelt word has been reported by then, and
nothing that has an error is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lark import Lark
from lark.exceptions import UnexpectedToken

from consentry.lang.situation import Situation, is_reserved_name, nearest_keyword
from consentry.lang.tokens import Piece
from consentry.lang.words import words_of

if TYPE_CHECKING:
    from lark.parsers.lalr_interactive_parser import InteractiveParser

MAX_READ_AGAIN: Final = 2_000
"""Pieces of one declaration that are read a second time at most, to judge the word before."""


def retyped(piece: Piece, terminal: str) -> Piece:
    """The same piece in the same place, taken for another terminal: what is built of it reads its
    `value`, while its text remains as written.
    """
    made = str.__new__(Piece, piece)
    made.type, made.start_pos = terminal, piece.start_pos
    made.value = piece.value if terminal == "NAME" else words_of(terminal).strip("`")
    made.line, made.column = piece.line, piece.column
    made.end_line, made.end_pos, made.end_column = piece.end_line, piece.end_pos, piece.end_column
    made.file, made.problems = piece.file, piece.problems
    return made


def read_again(lark: Lark, pieces: Sequence[Piece]) -> InteractiveParser:
    """A parser that stands behind `pieces`, which it has read without a mistake.

    A parser that refused a piece has reduced what it held, and knows no more what could have
    followed.
    """
    state = lark.parse_interactive()
    for piece in pieces:
        state.feed_token(piece)
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """How to read on: `state` stands behind `pieces`, the declaration's as they were taken.

    `wrong` is the misspelt piece and `situation` that in which it stood. With `ends_before` the
    declaration that was open ends before `wrong`, which starts the next one. Without `is_next_read`
    the word after `wrong` is misspelt too, and is still to be read.
    """

    wrong: Piece
    situation: Situation
    state: InteractiveParser
    pieces: list[Piece]
    ends_before: bool = False
    is_next_read: bool = True


def find_repair(
    lark: Lark, pieces: list[Piece], wrong: Piece, situation: Situation
) -> Repair | None:
    """The keyword that was meant by `wrong`, which cannot stand behind `pieces`, or by the word
    before it; None when neither is a misspelling. `situation` need not say what is accepted.
    """
    if len(pieces) > MAX_READ_AGAIN:
        return None
    state = read_again(lark, pieces)
    situation = replace(situation, accepted=_accepted(state))
    meant = _taken_for(wrong, situation)
    if meant is None:
        return _find_repair_before(lark, pieces, wrong, situation)
    taken = retyped(wrong, meant)
    ends_before = bool(pieces) and meant not in situation.accepted
    if ends_before:
        state, pieces = lark.parse_interactive(), []
    state.feed_token(taken)
    return Repair(
        wrong=wrong,
        situation=situation,
        state=state,
        pieces=[*pieces, taken],
        ends_before=ends_before,
    )


def _accepted(state: InteractiveParser) -> frozenset[str]:
    # Lark gives this method no types.
    return frozenset(state.accepts())  # type: ignore[no-untyped-call]


def _taken_for(wrong: Piece, situation: Situation) -> str | None:
    """The terminal that the piece itself was meant to be."""
    if wrong.type == "NAME":
        return nearest_keyword(str(wrong), situation.accepted)
    if wrong.type == "ASSIGN" and "EQ" in situation.accepted:
        return "EQ"
    return "NAME" if is_reserved_name(wrong, situation) else None


def _find_repair_before(
    lark: Lark, pieces: list[Piece], wrong: Piece, situation: Situation
) -> Repair | None:
    if len(pieces) < 2 or pieces[-1].type != "NAME":
        return None
    before = pieces[-1]
    state = read_again(lark, pieces[:-1])
    accepted = _accepted(state)
    meant = nearest_keyword(str(before), accepted)
    if meant is None or meant not in accepted:
        return None
    taken = retyped(before, meant)
    read = [*pieces[:-1], taken]
    try:
        state.feed_token(taken)
        is_misspelt_too = _is_misspelt(wrong, _accepted(state))
        if not is_misspelt_too:
            state.feed_token(wrong)
            read.append(wrong)
    except UnexpectedToken:
        return None
    stood = replace(situation, before=pieces[-2], accepted=accepted)
    return Repair(
        wrong=before, situation=stood, state=state, pieces=read, is_next_read=not is_misspelt_too
    )


def _is_misspelt(piece: Piece, accepted: frozenset[str]) -> bool:
    """Whether a word that cannot stand here is near to a keyword that can."""
    if piece.type != "NAME" or piece.type in accepted:
        return False
    return nearest_keyword(str(piece), accepted) in accepted
