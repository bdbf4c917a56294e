"""The tree of policy tests: `given`, `at`, `check`, `expect`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from consentry.diagnostics.span import Span
from consentry.lang.tree_clauses import PartyRef
from consentry.lang.tree_expressions import Expr, Head, Literal, Name, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyValue:
    """`country = "DE"`."""

    key: Name
    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFacts:
    """`given subject { country = "DE" }`; also principal, context, resource, recipient, signal,
    controller.
    """

    owner: Name
    values: tuple[KeyValue, ...]
    span: Span = field(compare=False, repr=False)


class EventWord(StrEnum):
    """Words between an event's verb and its date."""

    BY = "by"
    UNDER = "under"
    UNDER_NOTICE = "under notice"
    FOR = "for"
    IS = "is"
    VIA = "via"
    TO = "to"
    DATA = "data"
    UNTIL = "until"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPart:
    """One part of a given event. by: Name · under: Name (a regime) · under notice: Text · for
    (children the notice listed), is (qualities), via, data: Names · to: PartyRefs · until,
    received: a DATE or TIME Literal.
    """

    word: EventWord
    value: Name | Text | tuple[Name, ...] | tuple[PartyRef, ...] | Literal
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenEvent:
    """`given gave marketing under notice "2026-03" on 2026-03-10`.

    `verb` is one of gave, refused, withdrew, asked, objected, …; `what` a purpose or a tag, None
    for a track that reaches everything. `on` is a DATE (its midnight UTC) or TIME Literal.
    """

    verb: Name
    what: Name | None
    parts: tuple[EventPart, ...]
    on: Literal
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`check service "m" { region = "DE" } may contact customer.email for marketing via email`."""

    principal: PartyRef
    facts: tuple[KeyValue, ...]
    action: Name
    data: tuple[Name, ...]
    purpose: Name
    channel: Name | None = None
    recipient: PartyRef | None = None
    recipient_facts: tuple[KeyValue, ...] = ()
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """`expect deny consent_withdrawn with offer_withdrawal`. `reason` may be left out."""

    effect: Name
    reason: Name | None = None
    obligations: tuple[Name, ...] = ()
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """`given "DE", 1990-04-01 expect permit`: a value for each column, and what is expected."""

    values: tuple[Expr, ...]
    expect: Expect
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTable:
    """A `check` and the `cases` in which it is made; `columns` name what differs between them."""

    check: Check
    columns: tuple[Name, ...]
    rows: tuple[CaseRow, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestDecl:
    """A policy test: givens in order, one `at`, then pairs of `check` and `expect`, and tables."""

    head: Head
    facts: tuple[GivenFacts, ...]
    events: tuple[GivenEvent, ...]
    at: Literal | None
    checks: tuple[tuple[Check, Expect], ...]
    tables: tuple[CheckTable, ...] = ()
    span: Span = field(compare=False, repr=False)
