# ruff: noqa: D102 -- methods are named after the rules of the grammar, which say what they are
"""Declarations, clauses and policy tests from reduced grammar rules; see `build_expressions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consentry.diagnostics.span import Span
from consentry.lang import literals
from consentry.lang.build_expressions import (
    Children,
    ExpressionBuilder,
    date_literal,
    find_name,
    find_text,
    name_of,
    span_over,
    text_of,
)
from consentry.lang.depth import check_depth
from consentry.lang.tokens import Piece
from consentry.lang.tree import (
    AttributeDecl,
    Attributes,
    Check,
    Clause,
    ClauseWord,
    DataDecl,
    EventPart,
    EventWord,
    Expect,
    GivenEvent,
    GivenFacts,
    Head,
    KeyValue,
    Literal,
    MaskRef,
    Mission,
    MissionField,
    Name,
    PartyRef,
    PurposeDecl,
    RegimeDecl,
    RuleDecl,
    RuleWord,
    SetDecl,
    TestDecl,
    Use,
    Used,
    WordDecl,
    WordKind,
)


@dataclass(slots=True)
class _Headed:
    """A head and where it stands; the tree's own heads carry no span."""

    head: Head
    span: Span


@dataclass(slots=True)
class _Block:
    """What stands between braces, and where."""

    items: Sequence[Any]
    span: Span


@dataclass(slots=True)
class _Marks:
    """`is …` or `as …`."""

    word: Piece
    names: tuple[Name, ...]

    @property
    def span(self) -> Span:
        return self.word.span.to(self.names[-1].span)


@dataclass(slots=True)
class _At:
    """`at …` of a test."""

    word: Piece
    moment: Literal


def _block(children: Children) -> _Block:
    """The block of `{`, items, `}`; left-out items are dropped."""
    items = [item for item in children[1:-1] if item is not None]
    return _Block(items, span_over(children[0], children[-1]))


class TreeBuilder(ExpressionBuilder):
    """Rules of declarations; the whole language together with its base."""

    # Heads.

    def head(self, c: Children) -> _Headed:
        name, text, *marks = c
        tags: tuple[Name, ...] = ()
        standard: tuple[Name, ...] = ()
        last = text if text is not None else name
        for mark in marks:
            last = mark
            if mark.word.type == "IS":
                tags = mark.names
            else:
                standard = mark.names
        head = Head(name=name_of(name), text=find_text(text), tags=tags, standard=standard)
        return _Headed(head, span_over(name, last))

    word_head = head

    def tags(self, c: Children) -> _Marks:
        return _Marks(c[0], c[1])

    standard = tags

    # Declarations.

    def mission(self, c: Children) -> Mission:
        word, text, *rest = c
        head = Head(name=None, text=find_text(text))
        return Mission(head=head, fields=tuple(rest[1:-1]), span=span_over(word, rest[-1]))

    def mission_field(self, c: Children) -> MissionField:
        name, value, _, country = c
        return MissionField(
            name=name_of(name),
            value=text_of(value),
            country=find_text(country),
            span=span_over(name, country if country is not None else value),
        )

    def use(self, c: Children) -> Use:
        last = c[-1].version or c[-1].name
        return Use(packs=tuple(c[1:]), span=span_over(c[0], last))

    def used(self, c: Children) -> Used:
        return Used(name=name_of(c[0]), version=find_text(c[1]))

    def attributes(self, c: Children) -> Attributes:
        word, headed, *rest = c
        block = _block(rest)
        return Attributes(
            head=headed.head, attributes=tuple(block.items), span=span_over(word, block)
        )

    def attribute(self, c: Children) -> AttributeDecl:
        name, _, type_name, _, item_type, optional, _, default = c
        last = next(one for one in (default, optional, item_type, type_name) if one is not None)
        return AttributeDecl(
            name=name_of(name),
            type=name_of(type_name),
            item_type=item_type,
            is_optional=optional is not None,
            default=default,
            span=span_over(name, last),
        )

    def set_decl(self, c: Children) -> SetDecl:
        return SetDecl(head=c[1].head, value=c[3], span=span_over(c[0], c[3]))

    def word_decl(self, c: Children) -> WordDecl:
        return WordDecl(kind=WordKind(c[0].value), head=c[1].head, span=span_over(c[0], c[1]))

    def data_decl(self, c: Children) -> DataDecl:
        return self._data(c[1], c[2:], c[0])

    def data_node(self, c: Children) -> DataDecl:
        return self._data(c[0], c[1:], c[0])

    def _data(self, headed: _Headed, block: Children, first: Any) -> DataDecl:
        children = tuple(block[0].items) if block else ()
        last = block[0] if block else headed
        return DataDecl(head=headed.head, children=children, span=span_over(first, last))

    def data_block(self, c: Children) -> _Block:
        return _block(c)

    purpose_block = data_block
    rule_block = data_block

    def purpose_decl(self, c: Children) -> PurposeDecl:
        word, headed, *block = c
        items = block[0].items if block else ()
        return PurposeDecl(
            head=headed.head,
            clauses=tuple(item for item in items if isinstance(item, Clause)),
            children=tuple(item for item in items if isinstance(item, PurposeDecl)),
            span=span_over(word, block[0] if block else headed),
        )

    def regime_decl(self, c: Children) -> RegimeDecl:
        word, headed, *rest = c
        block = _block(rest)
        return RegimeDecl(
            head=headed.head,
            clauses=tuple(item for item in block.items if isinstance(item, Clause)),
            sets=tuple(item for item in block.items if isinstance(item, SetDecl)),
            rules=tuple(item for item in block.items if isinstance(item, RuleDecl)),
            span=span_over(word, block),
        )

    def rule_decl(self, c: Children) -> RuleDecl:
        word, headed, *block = c
        return RuleDecl(
            word=RuleWord(word.value),
            head=headed.head,
            clauses=tuple(block[0].items) if block else (),
            span=span_over(word, block[0] if block else headed),
        )

    # Clauses.

    def value_clause(self, c: Children) -> Clause:
        word, value = c
        if isinstance(value, Piece):
            value = self._piece_value(value)
        elif word.type in {"WHEN", "UNLESS", "GOVERNS"}:
            check_depth(value, word.problems)
        last = value[-1] if isinstance(value, tuple) else value
        return _clause(ClauseWord(word.value), value, word, last)

    def _piece_value(self, piece: Piece) -> Any:
        if piece.type == "DATE":
            return date_literal(piece)
        if piece.type == "STRING":
            return text_of(piece)
        return name_of(piece)

    def basis_clause(self, c: Children) -> Clause:
        word, name, _, regime = c
        second = find_name(regime)
        return _clause(ClauseWord.BASIS, (name,), word, second or name, second)

    def lasts_clause(self, c: Children) -> Clause:
        return _clause(ClauseWord.CONSENT_LASTS, c[2], c[0], c[2], word_end=c[1])

    def notice_clause(self, c: Children) -> Clause:
        word, version, _, _, since = c
        second = find_text(since)
        return _clause(ClauseWord.NOTICE, text_of(version), word, second or version, second)

    def mask_clause(self, c: Children) -> Clause:
        word, function, number = c
        argument = None
        if number is not None:
            value = literals.number_of(number.value)
            if isinstance(value, int):
                argument = value
            else:
                number.problems.error(
                    "P107",
                    f"bad number `{number.value}`",
                    number.span,
                    label="a mask takes a whole number",
                )
        last = number if number is not None else function
        span = span_over(function, last)
        mask = MaskRef(function=name_of(function), argument=argument, span=span)
        return _clause(ClauseWord.AS, mask, word, last)

    def parties(self, c: Children) -> tuple[PartyRef, ...]:
        return tuple(c)

    def party(self, c: Children) -> PartyRef:
        kind, name = c
        last = name if name is not None else kind
        return PartyRef(kind=name_of(kind), name=find_text(name), span=span_over(kind, last))

    # Tests.

    def test_decl(self, c: Children) -> TestDecl:
        word, headed, *rest = c
        block = _block(rest)
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
            span=span_over(word, block),
        )

    def facts(self, c: Children) -> _Block:
        return _block(c)

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
            value = self._piece_value(value)
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

    def check_pair(self, c: Children) -> tuple[Check, Expect]:
        return (c[0], c[1])


def _clause(
    word: ClauseWord,
    value: Any,
    first: Piece,
    last: Any,
    second: Any = None,
    *,
    word_end: Piece | None = None,
) -> Clause:
    word_span = first.span if word_end is None else span_over(first, word_end)
    return Clause(
        word=word, value=value, second=second, word_span=word_span, span=span_over(first, last)
    )
