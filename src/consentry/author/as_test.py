"""A case as a policy test in canonical format, ready to be pasted into a file of policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from consentry.author.cases import reads as dim
from consentry.author.cases.questions import FactValue, Who, Whom
from consentry.author.cases.spaces import Case
from consentry.author.scenario import DATA_SUBJECT_ID, VERBS
from consentry.diagnostics.span import Span
from consentry.lang.printer import format_module
from consentry.lang.tree import (
    Check,
    EventPart,
    EventWord,
    Expect,
    Expr,
    GivenEvent,
    GivenFacts,
    Head,
    KeyValue,
    ListItem,
    ListLiteral,
    Literal,
    LiteralKind,
    Module,
    Name,
    PartyRef,
    TestDecl,
    Text,
)
from consentry.model.consent import Author, ConsentEvent
from consentry.model.decision import Effect
from consentry.model.program import Program
from consentry.model.values import MICROS_PER_DAY, Duration, datetime_of

_NOWHERE: Final = Span("", 0, 0, 1, 1)
_WORDS: Final = {kind: verb for verb, kind in VERBS.items()}
_OWNERS: Final = ("subject", "context", "resource", "signal", "recipient")


def case_as_test(
    case: Case, program: Program, *, name: str, title: str, effect: Effect, reason: str = ""
) -> str:
    """The case as a `test` that expects `effect`; `program` knows the types of attributes."""
    types = {spec.path: spec.type for spec in program.attributes}
    facts = {owner: list(_facts(case, owner, types)) for owner in (*_OWNERS, "principal")}
    whom = case.said.get(dim.RECIPIENT)
    recipient, more = _recipient(whom if isinstance(whom, Whom) else None, facts["recipient"])
    owners = [owner for owner in _OWNERS if facts[owner] and owner != "recipient"]
    given = [_given(owner, facts[owner]) for owner in owners]
    if recipient is None and more:
        given.append(_given("recipient", more))
        more = []
    who = case.said.get(dim.PRINCIPAL)
    principal, own = _principal(who if isinstance(who, Who) else Who())
    channel = case.said.get(dim.CHANNEL)
    check = Check(
        principal=principal,
        facts=(*own, *facts["principal"]),
        action=_name(case.key.action),
        data=(_name(case.key.leaf),),
        purpose=_name(case.key.purpose),
        channel=_name(str(channel)) if channel is not None else None,
        recipient=recipient,
        recipient_facts=tuple(more),
        span=_NOWHERE,
    )
    expect = Expect(
        effect=_name(effect.value), reason=_name(reason) if reason else None, span=_NOWHERE
    )
    test = TestDecl(
        head=Head(name=_name(name), text=Text(value=title, span=_NOWHERE)),
        facts=tuple(given),
        events=tuple(_event(event) for event in case.history.events(case.now_us)),
        at=_moment(case.now_us),
        checks=((check, expect),),
        span=_NOWHERE,
    )
    return format_module(Module(file="", declarations=(test,)))


def _facts(case: Case, owner: str, types: Mapping[str, str]) -> Iterator[KeyValue]:
    built_in = {dim.COLLECTED_AT: "time", dim.COLLECTED_FOR: "list of text"}
    for path, value in sorted(case.said.items()):
        if value is None or isinstance(value, Who | Whom) or path.partition(".")[0] != owner:
            continue
        if path == dim.SUBJECT_ID and value == DATA_SUBJECT_ID:
            continue
        type_name = built_in.get(path) or types.get(path, "text")
        if "." in path:
            yield _pair(path.partition(".")[2], value, type_name)


def _given(owner: str, facts: list[KeyValue]) -> GivenFacts:
    return GivenFacts(owner=_name(owner), values=tuple(facts), span=_NOWHERE)


def _principal(who: Who) -> tuple[PartyRef, list[KeyValue]]:
    facts = []
    if who.roles:
        facts.append(_pair("roles", tuple(sorted(who.roles)), "list of text"))
    if who.controller is not None:
        facts.append(_pair("controller", who.controller, "text"))
    return _party(who.kind, who.id), facts


def _recipient(
    whom: Whom | None, attributes: list[KeyValue]
) -> tuple[PartyRef | None, list[KeyValue]]:
    if whom is None:
        return None, attributes
    facts = list(attributes)
    roles = sorted(whom.roles)
    if whom.id is not None:
        party = _party("recipient", whom.id)
    elif roles:
        party = _party("role", roles.pop(0))
    else:
        party = None
    if roles:
        facts.append(_pair("roles", tuple(roles), "list of text"))
    if whom.country is not None:
        facts.append(_pair("country", whom.country, "text"))
    return party, facts


def _event(event: ConsentEvent) -> GivenEvent:
    parts: list[EventPart] = []

    def part(word: EventWord, value: Name | Text | tuple[Name, ...] | Literal) -> None:
        parts.append(EventPart(word=word, value=value, span=_NOWHERE))

    if event.by is not Author.DATA_SUBJECT:
        part(EventWord.BY, _name(event.by.value))
    if event.notice:
        part(EventWord.UNDER_NOTICE, Text(value=event.notice, span=_NOWHERE))
    if event.scope.data:
        part(EventWord.DATA, tuple(map(_name, event.scope.data)))
    qualities = sorted(event.qualities) + ([] if event.proof.method else ["unproven"])
    if qualities:
        part(EventWord.IS, tuple(map(_name, qualities)))
    if event.expires_at_us is not None:
        part(EventWord.UNTIL, _moment(event.expires_at_us))
    return GivenEvent(
        verb=_name(_WORDS[event.kind]),
        what=_name(event.scope.purpose) if event.scope.purpose else None,
        parts=tuple(parts),
        on=_moment(event.happened_at_us),
        span=_NOWHERE,
    )


def _moment(at_us: int) -> Literal:
    if at_us % MICROS_PER_DAY == 0:
        return _literal(LiteralKind.DATE, datetime_of(at_us).date())
    return _literal(LiteralKind.TIME, at_us)


def _pair(key: str, value: FactValue, type_name: str) -> KeyValue:
    return KeyValue(key=_name(key), value=_expr(value, type_name), span=_NOWHERE)


def _expr(value: object, type_name: str) -> Expr:
    if isinstance(value, tuple):
        item_type = type_name.removeprefix("list of ")
        items = (ListItem(value=_expr(one, item_type), span=_NOWHERE) for one in value)
        return ListLiteral(items=tuple(items), span=_NOWHERE)
    match value:
        case bool():
            return _literal(LiteralKind.FLAG, value)
        case int() if type_name == "time":
            return _moment(value)
        case int() | Decimal():
            return _literal(LiteralKind.NUMBER, value)
        case date():
            return _literal(LiteralKind.DATE, value)
        case Duration():
            return _literal(LiteralKind.DURATION, value)
        case _:
            return _literal(LiteralKind.TEXT, str(value))


def _literal(kind: LiteralKind, value: str | int | Decimal | bool | date | Duration) -> Literal:  # noqa: FBT001
    return Literal(kind=kind, value=value, span=_NOWHERE)


def _party(kind: str, name: str) -> PartyRef:
    return PartyRef(kind=_name(kind), name=Text(value=name, span=_NOWHERE), span=_NOWHERE)


def _name(text: str) -> Name:
    return Name(text=text, span=_NOWHERE)
