"""The tree of one policy file: what the author wrote, before any name is looked up.

Every declaration has the one shape of the language: `Head` (name, text, tags, standard keys) and a
block. Spans never take part in equality, so a tree equals the tree of its formatted text. Lists
keep the author's order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from consentry.diagnostics.span import Span
from consentry.lang.tree_clauses import (
    Clause,
    ClauseValue,
    ClauseWord,
    DurationRef,
    MaskRef,
    PartyRef,
)
from consentry.lang.tree_expressions import (
    And,
    Arithmetic,
    Between,
    Call,
    Compare,
    CompareOp,
    Expr,
    Has,
    Head,
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
from consentry.lang.tree_tests import (
    CaseRow,
    Check,
    CheckTable,
    EventPart,
    EventWord,
    Expect,
    GivenEvent,
    GivenFacts,
    KeyValue,
    TestDecl,
)

__all__ = [
    "And",
    "Arithmetic",
    "AttributeDecl",
    "Attributes",
    "Between",
    "Call",
    "CaseRow",
    "Check",
    "CheckTable",
    "Clause",
    "ClauseValue",
    "ClauseWord",
    "Comment",
    "Compare",
    "CompareOp",
    "DataDecl",
    "Declaration",
    "DurationRef",
    "EventPart",
    "EventWord",
    "Expect",
    "Expr",
    "GivenEvent",
    "GivenFacts",
    "Has",
    "Head",
    "Is",
    "KeyValue",
    "Like",
    "ListItem",
    "ListLiteral",
    "Literal",
    "LiteralKind",
    "MaskRef",
    "Mission",
    "MissionField",
    "Module",
    "Name",
    "Not",
    "Or",
    "PartyRef",
    "PurposeDecl",
    "Ref",
    "RegimeDecl",
    "RuleDecl",
    "RuleWord",
    "SetDecl",
    "TestDecl",
    "Text",
    "Use",
    "Used",
    "WordDecl",
    "WordKind",
]


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
    one after `of`.
    """

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
