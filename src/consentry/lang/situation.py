"""Where the parser stood when a piece did not fit, and what that says about the piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from consentry.diagnostics.suggest import closest
from consentry.lang.tokens import Piece
from consentry.lang.words import END, STARTERS, words_of

_NAME_PLACES: Final = frozenset({"DATA", "ATTRIBUTES"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The declaration's first piece (None: none has begun), the piece before the wrong one, the
    innermost open brace, and the terminals that could have followed.
    """

    first: Piece | None
    before: Piece | None
    open_brace: Piece | None
    accepted: frozenset[str]


def nearest_keyword(word: str, accepted: Iterable[str]) -> str | None:
    """The terminal of the keyword that `word` is a misspelling of; None when none is near.

    `accepted` are the terminals that could stand here; where the declaration could end, a keyword
    that starts the next one could stand here too.
    """
    terminals = set(accepted) - {"NAME", "PATH"}
    if END in terminals:
        terminals |= STARTERS
    by_word = {words_of(terminal).strip("`"): terminal for terminal in terminals}
    near = closest(word, (text for text in by_word if text.isalpha()))
    return None if near is None else by_word[near]


def is_keyword(piece: Piece) -> bool:
    """Whether the piece is a reserved word."""
    return piece.type not in {"NAME", "PATH"} and str(piece).isalpha()


def is_reserved_name(piece: Piece, situation: Situation) -> bool:
    """Whether the piece is a reserved word where a name is wanted."""
    before, first = situation.before, situation.first
    if "NAME" not in situation.accepted or not is_keyword(piece) or not before or not first:
        return False
    return before.type in STARTERS | {"_COMMA"} or first.type in _NAME_PLACES
