"""A table of cases as single checks: each row says what it changes of the one above it.

A column is a fact by its path (`subject.country`), or one of the words of `WORDS`: what the check
asks about, or `now`, the instant. A cell `absent` leaves the fact or the channel out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consentry.diagnostics.span import Span
from consentry.lang.tree import (
    CaseRow,
    Check,
    CheckTable,
    Expect,
    Expr,
    GivenFacts,
    KeyValue,
    Literal,
    LiteralKind,
    Name,
    Ref,
)

ABSENT: Final = "absent"
WORDS: Final = ("action", "data", "purpose", "channel", "now")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCase:
    """One row: its check, the facts that it adds and takes away, and its own instant.

    `dropped` are facts as (owner, name). `at` None: the test's own.
    """

    check: Check
    facts: tuple[GivenFacts, ...]
    dropped: frozenset[tuple[str, str]]
    at: Literal | None
    expect: Expect
    span: Span


def expand(table: CheckTable) -> Iterator[TableCase]:
    """The rows that have a value for each column; the compiler reports the others."""
    for row in table.rows:
        if len(row.values) == len(table.columns):
            yield _case(table.check, table.columns, row)


def is_absent(cell: Expr) -> bool:
    """Whether a cell says that its fact is left out."""
    return isinstance(cell, Ref) and cell.name.text == ABSENT


def is_moment(cell: Expr) -> bool:
    """Whether a cell is a date or a time."""
    return isinstance(cell, Literal) and cell.kind in (LiteralKind.DATE, LiteralKind.TIME)


def _case(check: Check, columns: Sequence[Name], row: CaseRow) -> TableCase:
    facts: list[GivenFacts] = []
    dropped: set[tuple[str, str]] = set()
    at: Literal | None = None
    for column, cell in zip(columns, row.values, strict=True):
        owner, _, name = column.text.partition(".")
        if name:
            dropped.add((owner, name))
            check = _without(check, owner, name)
            if not is_absent(cell):
                facts.append(_fact(column, owner, name, cell))
        elif column.text == "now" and isinstance(cell, Literal):
            at = cell
        elif isinstance(cell, Ref):
            check = _varied(check, column.text, cell)
    return TableCase(
        check=replace(check, span=row.span),
        facts=tuple(facts),
        dropped=frozenset(dropped),
        at=at,
        expect=row.expect,
        span=row.span,
    )


def _fact(column: Name, owner: str, name: str, cell: Expr) -> GivenFacts:
    key = KeyValue(key=Name(text=name, span=column.span), value=cell, span=cell.span)
    return GivenFacts(owner=Name(text=owner, span=column.span), values=(key,), span=cell.span)


def _without(check: Check, owner: str, name: str) -> Check:
    """The check without a fact that a column speaks of."""
    if owner == "principal":
        return replace(check, facts=tuple(f for f in check.facts if f.key.text != name))
    if owner == "recipient":
        left = tuple(f for f in check.recipient_facts if f.key.text != name)
        return replace(check, recipient_facts=left)
    return check


def _varied(check: Check, word: str, cell: Ref) -> Check:
    match word:
        case "action":
            return replace(check, action=cell.name)
        case "data":
            return replace(check, data=(cell.name,))
        case "purpose":
            return replace(check, purpose=cell.name)
        case "channel":
            return replace(check, channel=None if is_absent(cell) else cell.name)
        case _:
            return check
