# ruff: noqa: D102 -- methods are named after the rules of the grammar, which say what they are
"""Policy tests from reduced grammar rules, and what they share with other declarations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consentry.diagnostics.span import Span
from consentry.lang.build_expressions import (
    Children,
    ExpressionBuilder,
    date_literal,
    name_of,
    span_over,
    text_of,
)
from consentry.lang.tokens import Piece
from consentry.lang.tree import (
    CaseRow,
    Check,
    CheckTable,
    EventPart,
    EventWord,
    Expect,
    GivenEvent,
    GivenFacts,
    Head,
    KeyValue,
    Literal,
    Name,
    TestDecl,
)


@dataclass(slots=True)
class Headed:
    """A head and where it stands; the tree's own heads carry no span."""

    head: Head
    span: Span


@dataclass(slots=True)
class Block:
    """What stands between braces, and where."""

    items: Sequence[Any]
    span: Span


@dataclass(slots=True)
class _At:
    """`at …` of a test."""

    word: Piece
    moment: Literal


@dataclass(slots=True)
class _Cases:
    """The heading and the rows of a table."""

    columns: tuple[Name, ...]
    rows: tuple[CaseRow, ...]
    span: Span


def block_of(children: Children) -> Block:
    """The block of `{`, items, `}`; left-out items are dropped."""
    items = [item for item in children[1:-1] if item is not None]
    return Block(items, span_over(children[0], children[-1]))


class TestBuilder(ExpressionBuilder):
    """Rules of policy tests."""

    def piece_value(self, piece: Piece) -> Any:
        """What a single terminal stands for as the value of a clause."""
        if piece.type == "DATE":
            return date_literal(piece)
        if piece.type == "STRING":
            return text_of(piece)
        return name_of(piece)

    def test_decl(self, c: Children) -> TestDecl:
        word, headed, *rest = c
        block = block_of(rest)
        ats = [item for item in block.items if isinstance(item, _At)]
        for again in ats[1:]:
            again.word.problems.error(
                "P124", "a test has one `at`", again.word.span, label="this is a second one"
            )
        return TestDecl(
            head=headed.head,
            facts=tuple(item for item in block.items if isinstance(item, GivenFacts)),
            events=tuple(item for item in block.items if isinstance(item, GivenEvent)),
            at=ats[0].moment if ats else None,
            checks=tuple(item for item in block.items if isinstance(item, tuple)),
            tables=tuple(item for item in block.items if isinstance(item, CheckTable)),
            span=span_over(word, block),
        )

    def facts(self, c: Children) -> Block:
        return block_of(c)

    def key_value(self, c: Children) -> KeyValue:
        return KeyValue(key=name_of(c[0]), value=c[2], span=span_over(c[0], c[2]))

    def given_facts(self, c: Children) -> GivenFacts:
        word, owner, block = c
        return GivenFacts(
            owner=name_of(owner), values=tuple(block.items), span=span_over(word, block)
        )

    def event_what(self, c: Children) -> Name:
        return name_of(c[0])

    def given_event(self, c: Children) -> GivenEvent:
        word, verb, what, *parts, _, moment = c
        return GivenEvent(
            verb=name_of(verb),
            what=what,
            parts=tuple(parts),
            on=moment,
            span=span_over(word, moment),
        )

    def event_part(self, c: Children) -> EventPart:
        word, value = c[0], c[-1]
        if isinstance(value, Piece):
            value = self.piece_value(value)
        kind = EventWord.UNDER_NOTICE if len(c) > 2 else EventWord(word.value)
        last = value[-1] if isinstance(value, tuple) else value
        return EventPart(word=kind, value=value, span=span_over(word, last))

    def at_clause(self, c: Children) -> _At:
        return _At(c[0], c[1])

    def check(self, c: Children) -> Check:
        word, principal, facts, _, action, data, _, purpose, _, channel, _, recipient, more = c
        last = next(one for one in (more, recipient, channel, purpose) if one is not None)
        return Check(
            principal=principal,
            facts=tuple(facts.items) if facts else (),
            action=action,
            data=data,
            purpose=purpose,
            channel=channel,
            recipient=recipient,
            recipient_facts=tuple(more.items) if more else (),
            span=span_over(word, last),
        )

    def expect(self, c: Children) -> Expect:
        word, effect, reason, _, obligations = c
        last = obligations[-1] if obligations else reason or effect
        return Expect(
            effect=name_of(effect),
            reason=reason,
            obligations=obligations or (),
            span=span_over(word, last),
        )

    def cases(self, c: Children) -> _Cases:
        word, columns, *rest = c
        return _Cases(columns, tuple(rest[1:-1]), span_over(word, rest[-1]))

    def case_row(self, c: Children) -> CaseRow:
        word, *values, expect = c
        return CaseRow(values=tuple(values), expect=expect, span=span_over(word, expect))

    def check_table(self, c: Children) -> CheckTable:
        check, cases = c
        return CheckTable(
            check=check,
            columns=cases.columns,
            rows=cases.rows,
            span=check.span.to(cases.span),
        )

    def check_pair(self, c: Children) -> tuple[Check, Expect]:
        return (c[0], c[1])
