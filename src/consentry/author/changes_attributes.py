"""Other values of what rules read: those that the rules themselves compare with, and beside them.

A condition is generated code; the constants it compares with are in it, and nothing else is needed
to know which values could make a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Final

from consentry.author.changes import MAX_EXTRA_COST, MAX_OF_A_KIND, Candidate, candidate
from consentry.author.explanation import ChangeKind
from consentry.author.telling import value_text
from consentry.engine.link import LinkedProgram
from consentry.model.program import AttributeSpec, Condition, Owner, Rule
from consentry.model.request import DataSubject, Recipient, Request
from consentry.model.values import MICROS_PER_DAY, Duration, Value, datetime_of, shift_us

_OTHER: Final = "other"
"""A text that no rule names, in the place of `anything else`."""
_MAX_MONTHS: Final = 1_800
_LIST_OF: Final = "list of "
_CHANGED_COST: Final = 4
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


@dataclass(slots=True)
class _Constants:
    """What the code of conditions compares with, by kind."""

    texts: dict[str, None] = field(default_factory=dict)
    numbers: dict[int | Decimal, None] = field(default_factory=dict)
    dates: dict[date, None] = field(default_factory=dict)
    networks: dict[str, None] = field(default_factory=dict)

    def add(self, value: object) -> None:
        """Takes in one constant, and what it is made of."""
        match value:
            case str():
                self.texts.setdefault(value)
            case bool():
                pass
            case int() | Decimal():
                self.numbers.setdefault(value)
            case date():
                self.dates.setdefault(value)
            case Duration(months=months, micros=micros):
                self.numbers.setdefault(months or micros)
            case Mapping():
                for key in value:
                    self.add(key)
            case (int(version), int(first), int(), tuple()) if version in (4, 6):
                self.networks.setdefault(str(ip_address(first)))
            case tuple() if len(value) > 1 and all(isinstance(part, str) for part in value):
                # A pattern cut at its `*`.
                self.texts.setdefault("1".join(value).replace("?", "1"))
            case tuple() | frozenset():
                for item in value:
                    self.add(item)
            case _:
                pass


def attribute_changes(
    linked: LinkedProgram, request: Request, rules: Iterable[Rule], now_us: int
) -> Iterator[Candidate]:
    """Other values for each attribute that a condition of `rules`, or of a regime's, reads."""
    specs = {spec.path: spec for spec in linked.program.attributes}
    conditions = [rule.condition for rule in rules if rule.condition is not None]
    conditions += [r.governs for r in linked.program.regimes if r.governs is not None]
    constants: dict[str, _Constants] = {}
    for condition in dict.fromkeys(conditions):
        for path in condition.reads:
            _harvest(linked, condition, constants.setdefault(path, _Constants()))
    for path, found in constants.items():
        spec = specs.get(path)
        if spec is not None and spec.owner is not Owner.CONTROLLER:
            yield from _of_attribute(request, spec, found, now_us)
        elif path == "recipient.country":
            yield from _of_country(request, found)
        elif path == "resource.collected_at":
            yield from _of_collection(now_us)


def _harvest(linked: LinkedProgram, condition: Condition, into: _Constants) -> None:
    """The constants in a condition's function and in those that it calls."""
    waiting, seen = [f"c{condition.code}"], set[str]()
    table = linked.program.constants
    while waiting:
        name = waiting.pop()
        code = getattr(linked.functions.get(name), "__code__", None)
        if name in seen or code is None:
            continue
        seen.add(name)
        waiting += [n for n in code.co_names if n[:1] == "c" and n[1:].isdigit()]
        reads_table = "K" in code.co_names
        for constant in code.co_consts:
            into.add(constant)
            if reads_table and type(constant) is int and 0 <= constant < len(table):
                into.add(table[constant])


def _of_attribute(
    request: Request, spec: AttributeSpec, found: _Constants, now_us: int
) -> Iterator[Candidate]:
    held = _sent(request, spec.owner).get(spec.name)
    for place, value in enumerate(_values(spec.type, found, now_us)):
        if value != held or type(value) is not type(held):
            yield _attribute(spec, value, place=place, is_said=held is not None)
    if held is not None:
        yield candidate(
            ChangeKind.ATTRIBUTE,
            spec.path,
            f"do not say `{spec.path}`",
            lambda request: _with(request, spec, None),
            extra_cost=MAX_EXTRA_COST,
        )


def _attribute(spec: AttributeSpec, value: Value, *, place: int, is_said: bool) -> Candidate:
    told = value_text(value)
    text = f"if `{spec.path}` were {told}" if is_said else f"say that `{spec.path}` is {told}"
    return candidate(
        ChangeKind.ATTRIBUTE,
        spec.path,
        text,
        lambda request: _with(request, spec, value),
        extra_cost=min(place, 4) + (_CHANGED_COST if is_said else 0),
    )


def _values(type_name: str, found: _Constants, now_us: int) -> list[Value]:
    if type_name.startswith(_LIST_OF):
        items = _values(type_name.removeprefix(_LIST_OF), found, now_us)
        scalars = [item for item in items if not isinstance(item, tuple)]
        return [*((item,) for item in scalars), tuple(scalars), ()]
    values: list[Value] = []
    match type_name:
        case "text":
            values += [*found.texts, _OTHER]
        case "number":
            for number in found.numbers:
                values += [number, number + 1, number - 1]
        case "flag":
            values += [True, False]
        case "date":
            values += _dates(found, now_us)
        case "time":
            for number in found.numbers:
                if isinstance(number, int) and number > MICROS_PER_DAY:
                    values += [number, number + MICROS_PER_DAY, number - MICROS_PER_DAY]
            values += [now_us, now_us - 1]
        case "ip":
            values += [*found.networks]
        case _:
            values += [Duration(micros=n) for n in found.numbers if isinstance(n, int)]
    return list(dict.fromkeys(values))[:MAX_OF_A_KIND]


def _dates(found: _Constants, now_us: int) -> list[Value]:
    """Days that the rules name, and days that lie as many months back; with their neighbours."""
    days = list(found.dates)
    today = datetime_of(now_us).date()
    for number in found.numbers:
        if isinstance(number, int) and 0 < number <= _MAX_MONTHS:
            try:
                days.append(datetime_of(shift_us(now_us, Duration(months=number), -1)).date())
            except (ValueError, OverflowError):  # before the calendar's first year
                continue
        elif isinstance(number, int) and number > MICROS_PER_DAY and number < now_us * 2:
            days.append(datetime_of(number).date())
    values: list[Value] = []
    for day in [*days, today]:
        values += [day, day - timedelta(days=1), day + timedelta(days=1)]
    return values


def _of_country(request: Request, found: _Constants) -> Iterator[Candidate]:
    held = request.recipient.country if request.recipient is not None else None
    for text in found.texts:
        if _COUNTRY.fullmatch(text) and text != held:
            yield _country(text)


def _country(country: str) -> Candidate:
    return candidate(
        ChangeKind.RECIPIENT,
        "recipient.country",
        f"give it to a recipient in `{country}`",
        lambda request: replace(
            request, recipient=replace(request.recipient or Recipient(), country=country)
        ),
    )


def _of_collection(now_us: int) -> Iterator[Candidate]:
    yield candidate(
        ChangeKind.RESOURCE,
        "resource.collected_at",
        "take a record that was collected just now",
        lambda request: replace(
            request, resource=replace(request.resource, collected_at_us=now_us)
        ),
    )


def _sent(request: Request, owner: Owner) -> Mapping[str, Value]:
    match owner:
        case Owner.PRINCIPAL:
            return request.principal.attributes
        case Owner.SUBJECT:
            return request.data_subject.attributes if request.data_subject is not None else {}
        case Owner.RECIPIENT:
            return request.recipient.attributes if request.recipient is not None else {}
        case Owner.RESOURCE:
            return request.resource.attributes
        case Owner.CONTEXT:
            return request.context
        case Owner.SIGNAL:
            return request.signals
        case Owner.CONTROLLER:
            return {}


def _with(request: Request, spec: AttributeSpec, value: Value | None) -> Request:
    """The request with another value of one attribute, or without it."""
    sent = {name: held for name, held in _sent(request, spec.owner).items() if name != spec.name}
    if value is not None:
        sent[spec.name] = value
    match spec.owner:
        case Owner.PRINCIPAL:
            return replace(request, principal=replace(request.principal, attributes=sent))
        case Owner.SUBJECT:
            subject = request.data_subject or DataSubject(id="")
            return replace(request, data_subject=replace(subject, attributes=sent))
        case Owner.RECIPIENT:
            recipient = request.recipient or Recipient()
            return replace(request, recipient=replace(recipient, attributes=sent))
        case Owner.RESOURCE:
            return replace(request, resource=replace(request.resource, attributes=sent))
        case Owner.CONTEXT:
            return replace(request, context=sent)
        case Owner.SIGNAL:
            return replace(request, signals=sent)
        case Owner.CONTROLLER:
            return request
