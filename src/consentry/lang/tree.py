"""The tree of one policy file: what the author wrote, before any name is looked up.

Every declaration has the one shape of the language: `Head` (name, text, tags, standard keys) and a
block. Spans never take part in equality, so a tree equals the tree of its formatted text. Lists
keep the author's order.
"""

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


# --- expressions -----------------------------------------------------------------------------


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


# --- clauses ---------------------------------------------------------------------------------


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
    GOVERNS = "governs"
    VERSION = "version"


ClauseValue: TypeAlias = (
    tuple[PartyRef, ...] | tuple[Name, ...] | Expr | DurationRef | Text | Literal | MaskRef | Name
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause. What `value` is depends on `word`:

    who, to: PartyRefs · may, data, for, via, on, reuses: Names · when, unless, governs: an Expr
    (`governs otherwise`: a Name) · keep, consent lasts: DurationRef · from, until: a DATE Literal ·
    basis: Names (in a purpose one name, `second` the regime of `under`) · lifts: Name · owner,
    cite, version: Text · notice: Text, `second` the Text of `material since` · as: MaskRef.
    """

    word: ClauseWord
    value: ClauseValue
    second: Name | Text | None = None
    word_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)


# --- declarations ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MissionField:
    """`controller "Acme" in "DE"`, `contact "…"`, `page "…"`."""

    name: Name
    value: Text
    country: Text | None = None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    """`mission "…" { … }`."""

    head: Head
    fields: tuple[MissionField, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """One pack of a `use`, with its pinned version."""

    name: Name
    version: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """`use gdpr, ccpa "2026.1"`."""

    packs: tuple[Used, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeDecl:
    """`country: text?`, `langs: list of text = ["en"]`. `type` is the first word, `item_type` the
    one after `of`."""

    name: Name
    type: Name
    item_type: Name | None = None
    is_optional: bool = False
    default: Expr | None = None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """`attributes subject { … }`; `head.name` is the owner."""

    head: Head
    attributes: tuple[AttributeDecl, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDecl:
    """`set partners = [ … ]`."""

    head: Head
    value: ListLiteral
    span: Span = field(compare=False, repr=False)


class WordKind(StrEnum):
    """Declarations of single words."""

    TAG = "tag"
    ACTION = "action"
    CHANNEL = "channel"
    REASON = "reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordDecl:
    """`tag loyalty "…"`, `channel email is electronic`."""

    kind: WordKind
    head: Head
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDecl:
    """A node of the data tree; top-level ones are introduced by `data`."""

    head: Head
    children: tuple[DataDecl, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeDecl:
    """A purpose with its clauses and children."""

    head: Head
    clauses: tuple[Clause, ...]
    children: tuple[PurposeDecl, ...]
    span: Span = field(compare=False, repr=False)


class RuleWord(StrEnum):
    """Declarations that share the clauses of a rule."""

    PERMIT = "permit"
    FORBID = "forbid"
    MASK = "mask"
    OBLIGE = "oblige"
    NEVER = "never"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDecl:
    """`permit`, `forbid`, `mask`, `oblige`, `never`, `exception`."""

    word: RuleWord
    head: Head
    clauses: tuple[Clause, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeDecl:
    """A law: clauses (`governs`, `from`, `until`, `version`), its sets and its rules."""

    head: Head
    clauses: tuple[Clause, ...]
    sets: tuple[SetDecl, ...]
    rules: tuple[RuleDecl, ...]
    span: Span = field(compare=False, repr=False)


# --- policy tests ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyValue:
    """`country = "DE"`."""

    key: Name
    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFacts:
    """`given subject { country = "DE" }`; also principal, context, resource, recipient, signal,
    controller."""

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
    received: a DATE or TIME Literal."""

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
class TestDecl:
    """A policy test: givens in order, one `at`, then pairs of `check` and `expect`."""

    head: Head
    facts: tuple[GivenFacts, ...]
    events: tuple[GivenEvent, ...]
    at: Literal | None
    checks: tuple[tuple[Check, Expect], ...]
    span: Span = field(compare=False, repr=False)


Declaration: TypeAlias = (
    Mission
    | Use
    | Attributes
    | SetDecl
    | WordDecl
    | DataDecl
    | PurposeDecl
    | RuleDecl
    | RegimeDecl
    | TestDecl
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A `#` comment, kept for the printer. `is_own_line` tells whether it stands alone."""

    text: str
    is_own_line: bool
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One parsed file."""

    file: str
    declarations: tuple[Declaration, ...]
    comments: tuple[Comment, ...] = field(default=(), compare=False)
