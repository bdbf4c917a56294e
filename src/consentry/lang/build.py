# ruff: noqa: D102 -- methods are named after the rules of the grammar, which say what they are
"""Declarations, clauses and policy tests from reduced grammar rules; see `build_expressions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consentry.diagnostics.span import Span
from consentry.lang import literals
from consentry.lang.build_expressions import (
    Children,
    find_name,
    find_text,
    name_of,
    span_over,
    text_of,
)
from consentry.lang.build_tests import Block, Headed, TestBuilder, block_of
from consentry.lang.depth import check_depth
from consentry.lang.tokens import Piece
from consentry.lang.tree import (
    AttributeDecl,
    Attributes,
    Clause,
    ClauseWord,
    DataDecl,
    Head,
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
    Use,
    Used,
    WordDecl,
    WordKind,
)


@dataclass(slots=True)
class _Marks:
    """`is …` or `as …`."""

    word: Piece
    names: tuple[Name, ...]

    @property
    def span(self) -> Span:
        return self.word.span.to(self.names[-1].span)


class TreeBuilder(TestBuilder):
    """Rules of declarations; the whole language together with its base."""

    # Heads.

    def head(self, c: Children) -> Headed:
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
        return Headed(head, span_over(name, last))

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
        block = block_of(rest)
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

    def _data(self, headed: Headed, block: Children, first: Any) -> DataDecl:
        children = tuple(block[0].items) if block else ()
        last = block[0] if block else headed
        return DataDecl(head=headed.head, children=children, span=span_over(first, last))

    def data_block(self, c: Children) -> Block:
        return block_of(c)

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
        block = block_of(rest)
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
            value = self.piece_value(value)
        elif word.type in {"WHEN", "UNLESS", "GOVERNS"}:
            check_depth(value, word.problems)
        last = value[-1] if isinstance(value, tuple) else value
        return _clause(ClauseWord(word.value), value, word, last)

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
