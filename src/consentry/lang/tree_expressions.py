"""The tree of names and expressions; `tree.py` holds the rest and re-exports these."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from consentry.diagnostics.span import Span
from consentry.model.values import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A word or a dotted path, and where it stands."""

    text: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string literal, unescaped."""

    value: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands before a declaration's block. `name` is None only for `mission`."""

    name: Name | None
    text: Text | None = None
    tags: tuple[Name, ...] = ()
    standard: tuple[Name, ...] = ()


class LiteralKind(StrEnum):
    """The type of a literal, by the word of the language."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    DATE = "date"
    TIME = "time"
    CLOCK = "clock"
    DURATION = "duration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A constant. TIME holds microseconds since the epoch, CLOCK minutes since midnight,
    NUMBER int or Decimal, DURATION a `Duration` (`unit` keeps the author's word for printing).
    """

    kind: LiteralKind
    value: str | int | Decimal | bool | date | Duration
    written: str = field(default="", compare=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A name used as a value: `subject.country`, `now`, a set, an enumerated word."""

    name: Name
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListItem:
    """An item of a list or set, with its dates of effect where it carries any."""

    value: Expr
    from_: date | None = None
    until: date | None = None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLiteral:
    """`[a, b, c]`."""

    items: tuple[ListItem, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`age(x)`, `consented(purpose, quality, …)`."""

    function: Name
    arguments: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """A chain of two or more operands; flat, so that a long chain is not deep."""

    operands: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    """A chain of two or more operands; flat."""

    operands: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """`not x`."""

    operand: Expr
    span: Span = field(compare=False, repr=False)


class CompareOp(StrEnum):
    """Operators between two values."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    WITHIN = "within"
    OVERLAPS = "overlaps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """`left OP right`. `operator_span` is the operator's own."""

    op: CompareOp
    left: Expr
    right: Expr
    operator_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Is:
    """`purpose is marketing`, `data is user.contact`, `consent is explicit`."""

    left: Expr
    name: Name
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """`text like "TEST-*"`: `*` any run, `?` one character; nothing else is special."""

    left: Expr
    pattern: Text
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """`now between 09:00 and 17:00 in "Europe/Berlin"`, or any ordered values without a zone."""

    value: Expr
    low: Expr
    high: Expr
    zone: Text | None = None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Has:
    """`has subject.born`."""

    name: Name
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """`left + right` or `left - right` on dates, times and durations."""

    sign: int
    left: Expr
    right: Expr
    span: Span = field(compare=False, repr=False)


Expr: TypeAlias = (
    Literal
    | Ref
    | ListLiteral
    | Call
    | And
    | Or
    | Not
    | Compare
    | Is
    | Like
    | Between
    | Has
    | Arithmetic
)
