"""The tree of clauses: what stands inside the block of a rule, a purpose or a regime."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from consentry.diagnostics.span import Span
from consentry.lang.tree_expressions import Expr, Literal, Name, Text
from consentry.model.values import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRef:
    """`service "mailer"`, `role "support"`, `anyone`."""

    kind: Name
    name: Text | None = None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationRef:
    """`90 days`: the length, and the words as written."""

    value: Duration
    written: str = field(default="", compare=False)
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRef:
    """`last 4`: the function's name and its argument."""

    function: Name
    argument: int | None = None
    span: Span = field(compare=False, repr=False)


class ClauseWord(StrEnum):
    """The words that start a clause of a rule, a purpose or a regime."""

    WHO = "who"
    MAY = "may"
    DATA = "data"
    FOR = "for"
    VIA = "via"
    TO = "to"
    BASIS = "basis"
    WHEN = "when"
    UNLESS = "unless"
    ON = "on"
    FROM = "from"
    UNTIL = "until"
    LIFTS = "lifts"
    KEEP = "keep"
    OWNER = "owner"
    CITE = "cite"
    AS = "as"
    CONSENT_LASTS = "consent lasts"
    NOTICE = "notice"
    REUSES = "reuses"
    BENEFIT = "benefit"
    GOVERNS = "governs"
    VERSION = "version"


ClauseValue: TypeAlias = (
    tuple[PartyRef, ...] | tuple[Name, ...] | Expr | DurationRef | Text | Literal | MaskRef | Name
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause; what `value` is depends on `word`.

    who, to: PartyRefs · may, data, for, via, on, reuses: Names · when, unless, governs: an Expr
    (`governs otherwise`: a Name) · keep, consent lasts: DurationRef · from, until: a DATE Literal ·
    basis: Names (in a purpose one name, `second` the regime of `under`) · lifts: Name · owner,
    cite, benefit, version: Text · notice: Text, `second` the Text of `material since` ·
    as: MaskRef.
    """

    word: ClauseWord
    value: ClauseValue
    second: Name | Text | None = None
    word_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)
