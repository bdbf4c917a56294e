# ruff: noqa: D102 -- methods are named after the rules of the grammar, which say what they are
"""Names, literals and expressions from reduced grammar rules.

The parser calls a method here whenever it reduces the rule of that name, bottom up and one at a
time, so that building never recurses, however deep the text is. `Any` stays inside this module and
`build.py`: children of a rule are pieces (tokens) and what other methods here gave back.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final, TypeAlias

from lark import Token, Transformer

from consentry.diagnostics.span import Span
from consentry.diagnostics.suggest import closest
from consentry.lang import literals
from consentry.lang.odd_text import cut
from consentry.lang.tokens import Piece
from consentry.lang.tree_clauses import DurationRef
from consentry.lang.tree_expressions import (
    And,
    Arithmetic,
    Between,
    Call,
    Compare,
    CompareOp,
    Expr,
    Has,
    Is,
    Like,
    ListItem,
    ListLiteral,
    Literal,
    LiteralKind,
    Name,
    Not,
    Or,
    Ref,
    Text,
)
from consentry.model.values import Duration

Children: TypeAlias = list[Any]

_UNKNOWN_DAY: Final = date(2000, 1, 1)


def name_of(piece: Piece) -> Name:
    """A word or path as a name."""
    return Name(text=str(piece.value), span=piece.span)


def find_name(piece: Piece | None) -> Name | None:
    """The name, or None for what was left out."""
    return None if piece is None else name_of(piece)


def text_of(piece: Piece) -> Text:
    """A string literal as a text."""
    return Text(value=literals.text_of(piece.value), span=piece.span)


def find_text(piece: Piece | None) -> Text | None:
    """The text, or None for what was left out."""
    return None if piece is None else text_of(piece)


def day_of(piece: Piece) -> date:
    """The day of a DATE piece; some day where it was reported as wrong."""
    return literals.find_date(piece.value) or _UNKNOWN_DAY


def date_literal(piece: Piece) -> Literal:
    """A DATE piece as a literal."""
    return Literal(kind=LiteralKind.DATE, value=day_of(piece), written=piece.value, span=piece.span)


def span_over(first: Any, last: Any) -> Span:
    """From the start of one child to the end of another."""
    start: Span = first.span
    return start.to(last.span)


class ExpressionBuilder(Transformer[Token, Any]):
    """Rules of names and expressions."""

    def any_name(self, c: Children) -> Name:
        return name_of(c[0])

    def names(self, c: Children) -> tuple[Name, ...]:
        return tuple(c)

    def duration(self, c: Children) -> DurationRef:
        number, unit = c
        count = literals.number_of(number.value)
        length = Duration()
        if not isinstance(count, int):
            number.problems.error(
                "P107",
                f"bad number `{cut(number.value)}`",
                number.span,
                label="a length of time is a whole number",
            )
        else:
            length = self._length(number, unit, count)
        written = f"{number.value} {unit.value}"
        return DurationRef(value=length, written=written, span=span_over(number, unit))

    def _length(self, number: Piece, unit: Piece, count: int) -> Duration:
        found = literals.find_duration(count, unit.value)
        if found is None:
            near = closest(unit.value, literals.UNIT_WORDS)
            meant = None if near is None else literals.find_duration(count, near)
            unit.problems.error(
                "P110",
                f"unknown unit of time `{cut(unit.value)}`",
                unit.span,
                label="a length of time is counted in seconds, minutes, hours, days, ... years",
                try_this=f"did you mean `{near}`?" if near else "",
            )
            return meant or Duration()
        if literals.is_too_long(found):
            number.problems.error(
                "P107",
                "the length of time is out of range",
                span_over(number, unit),
                label=f"at most {literals.MAX_DURATION_YEARS} years",
            )
            return Duration()
        return found

    # Literals.

    def text(self, c: Children) -> Literal:
        piece = c[0]
        value = literals.text_of(piece.value)
        return Literal(kind=LiteralKind.TEXT, value=value, written=piece.value, span=piece.span)

    def number(self, c: Children) -> Literal:
        piece = c[0]
        value = literals.number_of(piece.value)
        return Literal(kind=LiteralKind.NUMBER, value=value, written=piece.value, span=piece.span)

    def negative(self, c: Children) -> Literal:
        minus, piece = c
        value = literals.number_of(piece.value)
        span = span_over(minus, piece)
        if not value:
            piece.problems.error(
                "P107", f"bad number `-{piece.value}`", span, label="zero has no sign"
            )
        written = f"-{piece.value}"
        return Literal(kind=LiteralKind.NUMBER, value=-value, written=written, span=span)

    def date(self, c: Children) -> Literal:
        return date_literal(c[0])

    def time(self, c: Children) -> Literal:
        piece = c[0]
        value = literals.find_time(piece.value) or 0
        return Literal(kind=LiteralKind.TIME, value=value, written=piece.value, span=piece.span)

    def clock(self, c: Children) -> Literal:
        piece = c[0]
        value = literals.find_clock(piece.value) or 0
        return Literal(kind=LiteralKind.CLOCK, value=value, written=piece.value, span=piece.span)

    def duration_literal(self, c: Children) -> Literal:
        length: DurationRef = c[0]
        return Literal(
            kind=LiteralKind.DURATION, value=length.value, written=length.written, span=length.span
        )

    def flag(self, c: Children) -> Literal:
        piece = c[0]
        value = piece.type == "TRUE"
        return Literal(kind=LiteralKind.FLAG, value=value, written=piece.value, span=piece.span)

    # Operands.

    def reference(self, c: Children) -> Ref:
        return Ref(name=c[0], span=c[0].span)

    def parenthesised(self, c: Children) -> Expr:
        inner: Expr = c[1]
        return inner

    def call(self, c: Children) -> Call:
        return Call(function=name_of(c[0]), arguments=tuple(c[2:-1]), span=span_over(c[0], c[-1]))

    def list_literal(self, c: Children) -> ListLiteral:
        items = tuple(item for item in c[1:-1] if item is not None)
        return ListLiteral(items=items, span=span_over(c[0], c[-1]))

    def list_item(self, c: Children) -> ListItem:
        value, _, from_, _, until = c
        last = until or from_ or value
        return ListItem(
            value=value,
            from_=None if from_ is None else day_of(from_),
            until=None if until is None else day_of(until),
            span=span_over(value, last),
        )

    def arithmetic(self, c: Children) -> Arithmetic:
        left, sign, right = c
        number = 1 if sign.type == "PLUS" else -1
        return Arithmetic(sign=number, left=left, right=right, span=span_over(left, right))

    # Conditions.

    def compare(self, c: Children) -> Compare:
        left, sign, right = c
        return Compare(
            op=CompareOp(sign.value),
            left=left,
            right=right,
            operator_span=sign.span,
            span=span_over(left, right),
        )

    def is_(self, c: Children) -> Is:
        return Is(left=c[0], name=c[2], span=span_over(c[0], c[2]))

    def like(self, c: Children) -> Like:
        return Like(left=c[0], pattern=text_of(c[2]), span=span_over(c[0], c[2]))

    def between(self, c: Children) -> Between:
        value, _, low, high, _, zone = c
        last = zone if zone is not None else high
        return Between(
            value=value, low=low, high=high, zone=find_text(zone), span=span_over(value, last)
        )

    def has(self, c: Children) -> Has:
        return Has(name=c[1], span=span_over(c[0], c[1]))

    def not_(self, c: Children) -> Not:
        return Not(operand=c[1], span=span_over(c[0], c[1]))

    def and_chain(self, c: Children) -> And:
        operands: list[Expr] = []
        for operand in c:
            operands.extend(operand.operands if isinstance(operand, And) else (operand,))
        return And(operands=tuple(operands), span=span_over(c[0], c[-1]))

    def or_chain(self, c: Children) -> Or:
        operands: list[Expr] = []
        for operand in c:
            operands.extend(operand.operands if isinstance(operand, Or) else (operand,))
        return Or(operands=tuple(operands), span=span_over(c[0], c[-1]))
