"""Turns what a policy test says into what the engine takes: events, facts, a moment, a request.

The tree was checked by the compiler before; a word that it would have refused is a bug here. Days
count from midnight UTC, an event is received when it happens unless it says otherwise, and a
consent in a test is proven unless it says `is unproven`.

Source: language reference, "Tests".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Final

from consentry.compiler.conditions import ConditionCompiler
from consentry.compiler.symbols import Symbols
from consentry.lang.tree import (
    Check,
    EventWord,
    GivenEvent,
    GivenFacts,
    KeyValue,
    Literal,
    LiteralKind,
    Name,
    PartyRef,
    Text,
)
from consentry.model.consent import Author, ConsentEvent, EventKind, Proof, RecipientScope, Scope
from consentry.model.program import Mission, Owner, Program
from consentry.model.request import DataSubject, Principal, Recipient, Request, Resource
from consentry.model.values import Value, midnight_us
from consentry.model.vocabulary import PRINCIPAL_KINDS

DATA_SUBJECT_ID: Final = "the-data-subject"
"""Whose data a test is about: every test has one person."""

VERBS: Final[dict[str, EventKind]] = {
    "gave": EventKind.GIVEN,
    "refused": EventKind.REFUSED,
    "withdrew": EventKind.WITHDRAWN,
    "asked": EventKind.REQUESTED,
    "objected": EventKind.OBJECTED,
    "lifted_objection": EventKind.OBJECTION_LIFTED,
    "overrode": EventKind.OBJECTION_OVERRIDDEN,
    "lifted_override": EventKind.OVERRIDE_LIFTED,
    "opted_out": EventKind.OPTED_OUT,
    "opted_in": EventKind.OPTED_IN,
    "limited": EventKind.LIMITED,
    "lifted_limit": EventKind.LIMIT_LIFTED,
    "restricted": EventKind.RESTRICTED,
    "lifted_restriction": EventKind.RESTRICTION_LIFTED,
    "erased": EventKind.ERASED,
    "lifted_erasure": EventKind.ERASURE_LIFTED,
    "held": EventKind.HELD,
    "lifted_hold": EventKind.HOLD_LIFTED,
}
"""What a person does, in a test's words."""

_UNPROVEN: Final = "unproven"
_TEST_PROOF: Final = Proof(method="policy test", source="policy test")

# Facts that are part of the request itself and need no `attributes` declaration.
BUILT_IN_TYPES: Final[dict[tuple[str, str], str]] = {
    ("principal", "id"): "text",
    ("principal", "type"): "text",
    ("principal", "controller"): "text",
    ("principal", "roles"): "list of text",
    ("subject", "id"): "text",
    ("recipient", "id"): "text",
    ("recipient", "roles"): "list of text",
    ("recipient", "country"): "text",
    ("resource", "id"): "text",
    ("resource", "collected_at"): "time",
    ("resource", "collected_for"): "list of text",
    ("resource", "collected_on"): "text",
}


class ScenarioError(Exception):
    """A test says something that cannot be turned into a request; the message is for its author."""


@dataclass(slots=True)
class Facts:
    """Attribute values by owner, as `given` said them; `add` types and collects."""

    symbols: Symbols
    by_owner: dict[str, dict[str, Value]] = field(default_factory=dict)

    def add(self, owner: str, values: Iterable[KeyValue]) -> None:
        """Types `values` by their declarations and keeps them; a later value wins."""
        kept = self.by_owner.setdefault(owner, {})
        for pair in values:
            kept[pair.key.text] = self._typed(owner, pair)

    def drop(self, names: Iterable[tuple[str, str]]) -> None:
        """Forgets facts, told as (owner, name)."""
        for owner, name in names:
            self.by_owner.get(owner, {}).pop(name, None)

    def of(self, owner: str) -> dict[str, Value]:
        """A copy of the values of one owner."""
        return dict(self.by_owner.get(owner, {}))

    def _typed(self, owner: str, pair: KeyValue) -> Value:
        key = (owner, pair.key.text)
        declared = self.symbols.attributes.get(key)
        type_name = declared.type if declared is not None else BUILT_IN_TYPES.get(key)
        if type_name is None:
            raise ScenarioError(f"`{owner}.{pair.key.text}` is not a declared attribute")
        constants = ConditionCompiler(self.symbols)
        value = constants.constant(pair.value, type_name)
        if value is None:
            told = "; ".join(d.title for d in constants.diagnostics)
            raise ScenarioError(f"`{owner}.{pair.key.text}` takes a {type_name}: {told}")
        return value


def facts_of(symbols: Symbols, given: Iterable[GivenFacts]) -> Facts:
    """The facts that hold for all checks of a test."""
    facts = Facts(symbols)
    for group in given:
        facts.add(group.owner.text, group.values)
    return facts


def with_controller(program: Program, values: Mapping[str, Value]) -> Program:
    """The program of a house whose controller is as `given controller` says.

    A request does not describe the controller: its country is the mission's, the rest defaults.
    """
    if not values:
        return program
    mission = program.mission
    if "country" in values:
        mission = replace(mission or Mission(), country=str(values["country"]))
    attributes = tuple(
        replace(spec, default=values[spec.name])
        if spec.owner is Owner.CONTROLLER and spec.name in values
        else spec
        for spec in program.attributes
    )
    return replace(program, mission=mission, attributes=attributes)


def moment_us(literal: Literal) -> int:
    """Microseconds since the epoch of a DATE (its midnight UTC) or TIME literal."""
    if literal.kind is LiteralKind.DATE and isinstance(literal.value, date):
        return midnight_us(literal.value)
    if literal.kind is LiteralKind.TIME and isinstance(literal.value, int):
        return literal.value
    raise ScenarioError("a moment is a date (2026-05-01) or a time (2026-05-01T09:00:00Z)")


def events_of(
    given: Iterable[GivenEvent], symbols: Symbols, data_subject_id: str = DATA_SUBJECT_ID
) -> tuple[ConsentEvent, ...]:
    """The events of a test with the ledger's numbers: positions follow the time of receipt."""
    events = [event_of(event, symbols, data_subject_id) for event in given]
    events.sort(key=lambda event: event.received_at_us)
    return tuple(
        replace(event, position=n, event_id=f"event-{n}", idempotency_key=f"event-{n}")
        for n, event in enumerate(events, start=1)
    )


def event_of(
    event: GivenEvent, symbols: Symbols, data_subject_id: str = DATA_SUBJECT_ID
) -> ConsentEvent:
    """One event as a ledger would hold it, without its numbers.

    Raises:
        ScenarioError: the verb, the author or a moment is not one.
    """
    kind = VERBS.get(event.verb.text)
    if kind is None:
        raise ScenarioError(f"`{event.verb.text}` is not something a person does")
    parts = {part.word: part.value for part in event.parts}
    qualities = frozenset(_names(parts.get(EventWord.IS)))
    happened_at_us = moment_us(event.on)
    received = parts.get(EventWord.RECEIVED)
    until = parts.get(EventWord.UNTIL)
    return ConsentEvent(
        kind=kind,
        data_subject_id=data_subject_id,
        scope=_scope(event.what, parts, symbols),
        happened_at_us=happened_at_us,
        received_at_us=moment_us(received) if isinstance(received, Literal) else happened_at_us,
        qualities=qualities - {_UNPROVEN},
        notice=_text(parts.get(EventWord.UNDER_NOTICE)),
        listed=_names(parts.get(EventWord.FOR)),
        by=_author(_text(parts.get(EventWord.BY))),
        expires_at_us=moment_us(until) if isinstance(until, Literal) else None,
        proof=Proof() if _UNPROVEN in qualities else _TEST_PROOF,
    )


def _scope(what: Name | None, parts: Mapping[EventWord, object], symbols: Symbols) -> Scope:
    target = what.text if what is not None else ""
    is_tag = bool(
        target
        and target not in symbols.purpose_names
        and target not in symbols.uses
        and target in symbols.tags
    )
    return Scope(
        purpose="" if is_tag else target,
        tag=target if is_tag else "",
        data=_names(parts.get(EventWord.DATA)),
        channels=_names(parts.get(EventWord.VIA)),
        recipients=_recipients(parts.get(EventWord.TO)),
        regime=_text(parts.get(EventWord.UNDER)),
    )


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        return ()
    return tuple(item.text for item in value if isinstance(item, Name))


def _text(value: object) -> str:
    match value:
        case Name(text=text):
            return text
        case Text(value=text):
            return text
        case _:
            return ""


def _author(word: str) -> Author:
    if not word:
        return Author.DATA_SUBJECT
    try:
        return Author(word)
    except ValueError:
        raise ScenarioError(f"`{word}` is nobody who can act for a person") from None


def _recipients(value: object) -> tuple[RecipientScope, ...]:
    if not isinstance(value, tuple):
        return ()
    return tuple(_recipient(party) for party in value if isinstance(party, PartyRef))


def _recipient(party: PartyRef) -> RecipientScope:
    name = party.name.value if party.name is not None else ""
    match party.kind.text:
        case "role":
            return RecipientScope(role=name)
        case "country":
            return RecipientScope(country=name)
        case _:
            return RecipientScope(id=name)


def request_of(check: Check, facts: Facts) -> Request:
    """The request that `check` describes, under the facts of its test."""
    local = Facts(facts.symbols, {owner: dict(v) for owner, v in facts.by_owner.items()})
    local.add("principal", check.facts)
    local.add("recipient", check.recipient_facts)
    data_subject = local.of("subject")
    data_subject_id = data_subject.pop("id", DATA_SUBJECT_ID)
    return Request(
        principal=_principal(check.principal, local.of("principal")),
        action=check.action.text,
        data=tuple(name.text for name in check.data),
        data_subject=DataSubject(id=str(data_subject_id), attributes=data_subject),
        purpose=check.purpose.text,
        channel=check.channel.text if check.channel is not None else None,
        recipient=_recipient_of(check.recipient, local.of("recipient")),
        resource=_resource(local.of("resource")),
        context=local.of("context"),
        signals=local.of("signal"),
        wants_all_reasons=True,
    )


def _principal(party: PartyRef, attributes: dict[str, Value]) -> Principal:
    name = party.name.value if party.name is not None else ""
    said_kind = str(attributes.pop("type", "person"))
    kind = party.kind.text if party.kind.text in PRINCIPAL_KINDS else said_kind
    roles = _words(attributes.pop("roles", ()))
    controller = attributes.pop("controller", None)
    given_id = attributes.pop("id", None)
    if party.kind.text == "role":
        roles = roles | {name}
    if party.kind.text == "controller":
        controller = name
    named = name if party.kind.text in PRINCIPAL_KINDS else ""
    return Principal(
        id=str(given_id or named or f"a-{kind}"),
        kind=kind,
        roles=roles,
        controller=str(controller) if controller is not None else None,
        attributes=attributes,
    )


def _recipient_of(party: PartyRef | None, attributes: dict[str, Value]) -> Recipient | None:
    if party is None and not attributes:
        return None
    roles = _words(attributes.pop("roles", ()))
    recipient_id = attributes.pop("id", None)
    country = attributes.pop("country", None)
    if party is not None and party.name is not None:
        match party.kind.text:
            case "role":
                roles = roles | {party.name.value}
            case "country":
                country = party.name.value
            case _:
                recipient_id = party.name.value
    return Recipient(
        id=str(recipient_id) if recipient_id is not None else None,
        roles=roles,
        country=str(country) if country is not None else None,
        attributes=attributes,
    )


def _resource(attributes: dict[str, Value]) -> Resource:
    resource_id = attributes.pop("id", None)
    collected_at = attributes.pop("collected_at", None)
    collected_for = attributes.pop("collected_for", ())
    collected_on = attributes.pop("collected_on", None)
    return Resource(
        id=str(resource_id) if resource_id is not None else None,
        collected_at_us=_micros(collected_at),
        collected_for=tuple(str(word) for word in _many(collected_for)),
        collected_on=str(collected_on) if collected_on is not None else None,
        attributes=attributes,
    )


def _micros(value: Value | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, date):
        return midnight_us(value)
    if isinstance(value, int | Decimal):
        return int(value)
    raise ScenarioError("`resource.collected_at` takes a time")


def _many(value: Value) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _words(value: Value) -> frozenset[str]:
    return frozenset(str(word) for word in _many(value))
