"""Declared attributes: what a request sent, turned into the declared types.

| declared | taken                                                                        |
| -------- | ---------------------------------------------------------------------------- |
| text     | text                                                                         |
| number   | a whole number or a finite decimal                                           |
| flag     | true or false, never 0 or 1                                                  |
| date     | a date, or text `YYYY-MM-DD`                                                 |
| time     | microseconds since the epoch, within the years that the ledger takes         |
| duration | an exact length; a length in calendar months has no place in a request       |
| ip       | an address, or text; an IPv4 address written as IPv6 becomes IPv4            |
| list of… | a list of the above, or of text that names purposes                          |

Attributes that no policy declares are left alone: nothing can read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple, TypeAlias

from consentry.model.program import AttributeSpec, Mission, Owner, Program
from consentry.model.request import NO_ATTRIBUTES, FieldViolation
from consentry.model.values import MAX_TIME_US, MIN_TIME_US, Duration, Scalar, Value

_LIST_OF: Final = "list of "
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHOWN_CHARACTERS: Final = 64
MAX_KNOWN: Final = 1_024
"""Most mappings that one owner's table remembers; when there are more, all are forgotten."""

Converter: TypeAlias = Callable[[object], Value | None]
"""Gives the value in its declared type, or None where it cannot be one."""


class _Slot(NamedTuple):
    """One declared attribute, ready for checking; `exact` are types that need no conversion."""

    name: str
    type_name: str
    exact: type | None
    convert: Converter
    is_required: bool
    default: Value | None


class OwnedAttributes:
    """The declared attributes of one owner."""

    __slots__ = ("_defaults", "_field", "_known", "_required", "_slots", "_takers")

    def __init__(self, specs: Iterable[AttributeSpec], field: str) -> None:
        self._field = field
        self._slots = tuple(_slot(spec) for spec in specs)
        self._takers = {slot.name: (slot.exact, slot.convert) for slot in self._slots}
        self._defaults = {s.name: s.default for s in self._slots if s.default is not None}
        self._required = frozenset(slot.name for slot in self._slots if slot.is_required)
        # What was sent stands beside what became of it, so that its id, the key, stays its own.
        self._known: dict[int, tuple[Mapping[str, Value], Mapping[str, Value]]] = {}

    def bind(
        self,
        sent: Mapping[str, Value],
        violations: list[FieldViolation],
        *,
        may_lack: bool = False,
    ) -> Mapping[str, Value]:
        """The attributes in their types, defaults filled in.

        What is wrong goes to `violations`, under `field[name]`, in the order of declaration. With
        `may_lack` a required attribute may be absent: its owner is not there at all.
        """
        if not (sent or self._required):
            return self._defaults
        # PERF: little is sent of much that is declared, and that is usually right.
        if len(sent) > len(self._slots):
            return self._bind_each(sent, violations, may_lack=may_lack)
        bound = self._defaults.copy()
        for name, value in sent.items():
            taker = self._takers.get(name)
            if taker is None or value is None:
                continue
            exact, convert = taker
            taken = value if type(value) is exact else convert(value)
            if taken is None:
                return self._bind_each(sent, violations, may_lack=may_lack)
            bound[name] = taken
        if self._required and not self._required <= bound.keys():
            return self._bind_each(sent, violations, may_lack=may_lack)
        return bound

    def bind_known(
        self, sent: Mapping[str, Value], violations: list[FieldViolation]
    ) -> Mapping[str, Value]:
        """As `bind`, for what is often the very object that was sent before: whoever decodes
        questions gives the same one for the same bytes.
        """
        known = self._known.get(id(sent))
        if known is not None and known[0] is sent:
            return known[1]
        bound = self.bind(sent, violations)
        if not violations:
            if len(self._known) >= MAX_KNOWN:
                self._known = {}
            self._known[id(sent)] = (sent, bound)
        return bound

    def _bind_each(
        self, sent: Mapping[str, Value], violations: list[FieldViolation], *, may_lack: bool
    ) -> Mapping[str, Value]:
        bound: dict[str, Value] = {}
        field = self._field
        for name, type_name, exact, convert, is_required, default in self._slots:
            value = sent.get(name)
            if value is None:
                if default is not None:
                    bound[name] = default
                elif is_required and not may_lack:
                    message = f"the attribute `{name}` is required and has no default"
                    violations.append(_violation(field, name, "required", message))
            elif type(value) is exact:
                bound[name] = value
            else:
                taken = convert(value)
                if taken is None:
                    message = f"{shown(value)} is not a {type_name}"
                    violations.append(_violation(field, name, "wrong_type", message))
                else:
                    bound[name] = taken
        return bound


class AttributeTable:
    """The declared attributes of one program, by owner; None where an owner has none."""

    __slots__ = (
        "context",
        "controller",
        "is_needed",
        "principal",
        "recipient",
        "resource",
        "signal",
        "subject",
    )

    def __init__(self, program: Program) -> None:
        def owned(owner: Owner, field: str) -> OwnedAttributes | None:
            specs = [spec for spec in program.attributes if spec.owner is owner]
            return OwnedAttributes(specs, field) if specs else None

        self.principal = owned(Owner.PRINCIPAL, "principal.attributes")
        self.subject = owned(Owner.SUBJECT, "subject.attributes")
        self.controller = owned(Owner.CONTROLLER, "controller")
        self.recipient = owned(Owner.RECIPIENT, "recipient.attributes")
        self.resource = owned(Owner.RESOURCE, "resource.attributes")
        self.context = owned(Owner.CONTEXT, "context")
        self.signal = owned(Owner.SIGNAL, "signals")
        self.is_needed = any(spec.owner is not Owner.CONTROLLER for spec in program.attributes)
        """Whether a request may carry anything that is declared."""


def controller_attributes(table: AttributeTable, mission: Mission | None) -> Mapping[str, Value]:
    """What is known of the controller: name and country by the mission, and defaults.

    A request does not describe the controller, so nothing about it is ever required.
    """
    sent: dict[str, Value] = {}
    if mission is not None and mission.controller:
        sent["name"] = mission.controller
    if mission is not None and mission.country:
        sent["country"] = mission.country
    return table.controller.bind(sent, [], may_lack=True) if table.controller else NO_ATTRIBUTES


def shown(value: object) -> str:
    """The input as a message may repeat it: escaped, and not much of it."""
    text = ascii(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _violation(field: str, name: str, code: str, message: str) -> FieldViolation:
    return FieldViolation(field=f"{field}[{name}]", code=code, message=message)


def _slot(spec: AttributeSpec) -> _Slot:
    if spec.type.startswith(_LIST_OF):
        exact, convert = None, _list_of(_CONVERTERS[spec.type.removeprefix(_LIST_OF)])
    else:
        exact, convert = _EXACT.get(spec.type), _CONVERTERS[spec.type]
    is_required = not spec.is_optional and spec.default is None
    return _Slot(spec.name, spec.type, exact, convert, is_required, spec.default)


def _text(value: object) -> Scalar | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> Scalar | None:
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: object) -> Scalar | None:
    return value if isinstance(value, bool) else None


def _date(value: object) -> Scalar | None:
    if type(value) is date:  # a datetime is a date too, and not one of ours
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return None


def _time(value: object) -> Scalar | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if MIN_TIME_US <= value <= MAX_TIME_US else None
    return None


def _duration(value: object) -> Scalar | None:
    return value if isinstance(value, Duration) and value.months == 0 else None


def _ip(value: object) -> Scalar | None:
    if isinstance(value, str):
        try:
            value = ip_address(value)
        except ValueError:
            return None
    if isinstance(value, IPv6Address):
        return value.ipv4_mapped or value
    return value if isinstance(value, IPv4Address) else None


def _list_of(convert: Callable[[object], Scalar | None]) -> Converter:
    def convert_list(value: object) -> Value | None:
        if not isinstance(value, tuple | list):
            return None
        items = [convert(item) for item in value]
        taken = tuple(item for item in items if item is not None)
        return taken if len(taken) == len(items) else None

    return convert_list


_CONVERTERS: Final[dict[str, Callable[[object], Scalar | None]]] = {
    "text": _text,
    "number": _number,
    "flag": _flag,
    "date": _date,
    "time": _time,
    "duration": _duration,
    "ip": _ip,
    "purpose": _text,
}
_EXACT: Final[dict[str, type]] = {
    "text": str,
    "number": int,
    "flag": bool,
    "date": date,
    "ip": IPv4Address,
}
