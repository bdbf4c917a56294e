"""Entities of AuthZEN and the question they make: the profile for purposes and consent.

| AuthZEN                     | here                                                             |
| --------------------------- | ---------------------------------------------------------------- |
| `subject`                   | who asks: `type` is a kind of principal, `id` its id             |
| `subject.properties`        | `roles`, `controller`; all else: attributes of the principal     |
| `action.name`               | an action of the policies                                        |
| `resource`                  | `type` is `data`, `id` a node of the data tree                   |
| `resource.properties`       | `record`; all else: attributes of the record                     |
| `context.purpose`           | what for                                                         |
| `context.data_subject`      | whose data: `{"id": …, "properties": {…}}`                       |
| `context.channel`           | by which channel                                                 |
| `context.recipient`         | to whom: `{"id", "roles", "country", "properties"}`              |
| `context.signals`           | what a browser or a register says, such as `{"gpc": true}`       |
| `context.partial`           | grant the fields that may be granted                             |
| `context.reasons`           | `all`: tell every reason                                         |
| `context.consent`           | `{"at_least": n}`: the ledger position that must be known        |
| all else in `context`       | attributes of the context                                        |

Source: Authorization API 1.0, "Information Model"; unknown members are ignored, as it asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

from consentry.model.vocabulary import (
    ACTION_UNKNOWN,
    CATEGORY_UNKNOWN,
    PRINCIPAL_KINDS,
    PURPOSE_UNKNOWN,
)
from consentry.server.json_body import JsonObject
from consentry.server.text_checks import find_name_fault, is_attribute_name
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes

DATA_TYPE: Final = "data"
SUBJECT_TYPE_UNKNOWN: Final = "subject_type_unknown"
RESOURCE_TYPE_UNKNOWN: Final = "resource_type_unknown"

_CONTEXT: Final = frozenset(
    {
        "purpose", "data_subject", "channel", "recipient", "signals", "partial", "reasons",
        "consent",
    }
)  # fmt: skip
_SUBJECT: Final = frozenset({"roles", "controller"})
_RESOURCE: Final = frozenset({"record"})
_ALL: Final = "all"
_INT64: Final = 2**63
_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)

_Kind = TypeVar("_Kind")


class EntityError(Exception):
    """The request lacks something that the specification asks for, or has it in another type."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the position it must include, and why it can only be denied, if so."""

    question: wire.CheckRequest
    at_least: int = 0
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Searched:
    """Which entities a request may leave open, since it looks for them."""

    is_subject: bool = False
    is_resource: bool = False
    is_action: bool = False


NOTHING: Final = Searched()


def read_asked(request: JsonObject, searched: Searched = NOTHING) -> Asked:
    """The question of one evaluation, what is searched for left out of it.

    Raises:
        EntityError: the request is not one.
    """
    message, unknown = wire.CheckRequest(), ""
    principal = _entity(request, "subject")
    kind = _text(principal, "subject.type", "type")
    message.principal.type = kind
    if not searched.is_subject:
        message.principal.id = _text(principal, "subject.id", "id")
    if kind not in PRINCIPAL_KINDS:
        unknown = SUBJECT_TYPE_UNKNOWN
    _read_principal(message.principal, _optional(principal, "properties", dict, "subject"))
    resource = _entity(request, "resource")
    if _text(resource, "resource.type", "type") != DATA_TYPE:
        unknown = unknown or RESOURCE_TYPE_UNKNOWN
    if not searched.is_resource:
        message.data.append(_text(resource, "resource.id", "id"))
        unknown = unknown or _unknown_name(message.data[0], CATEGORY_UNKNOWN)
    _read_resource(message, _optional(resource, "properties", dict, "resource"))
    if not searched.is_action:
        action = _entity(request, "action")
        message.action = _text(action, "action.name", "name")
        unknown = unknown or _unknown_name(message.action, ACTION_UNKNOWN)
        _optional(action, "properties", dict, "action")
    at_least = _read_context(message, _optional(request, "context", dict, ""))
    return Asked(message, at_least, unknown or _unknown_name(message.purpose, PURPOSE_UNKNOWN))


def _unknown_name(name: str, reason: str) -> str:
    """`reason` for a name that no policy can have: it may well stand in a request of AuthZEN."""
    return reason if name and find_name_fault(name) else ""


def _read_principal(principal: shapes.Principal, properties: JsonObject | None) -> None:
    if properties is None:
        return
    principal.roles.extend(_texts(properties, "roles", "subject.properties"))
    principal.controller = _optional(properties, "controller", str, "subject.properties") or ""
    _add_attributes(principal.attributes, properties, _SUBJECT)


def _read_resource(message: wire.CheckRequest, properties: JsonObject | None) -> None:
    if properties is None:
        return
    place = "resource.properties"
    record = _optional(properties, "record", dict, place)
    if record is not None:
        place = f"{place}.record"
        message.resource.id = _optional(record, "id", str, place) or ""
        message.resource.collected_for.extend(_texts(record, "collected_for", place))
        message.resource.collected_on = _optional(record, "collected_on", str, place) or ""
        collected_at = _optional(record, "collected_at", str, place)
        if collected_at is not None:
            try:
                message.resource.collected_at.FromJsonString(collected_at)
            except ValueError:
                raise EntityError(f"{place}.collected_at: is no time of RFC 3339") from None
    attributes: list[shapes.Attribute] = []
    _add_attributes(attributes, properties, _RESOURCE)
    if attributes:
        message.resource.attributes.extend(attributes)


def _read_context(message: wire.CheckRequest, context: JsonObject | None) -> int:
    if context is None:
        return 0
    message.purpose = _optional(context, "purpose", str, "context") or ""
    message.channel = _optional(context, "channel", str, "context") or ""
    message.partial = _optional(context, "partial", bool, "context") or False
    if context.get("reasons") == _ALL:
        message.detail = wire.DETAIL_ALL_REASONS
    person = _optional(context, "data_subject", dict, "context")
    if person is not None:
        message.subject.id = _text(person, "context.data_subject.id", "id")
        properties = _optional(person, "properties", dict, "context.data_subject")
        _add_attributes(message.subject.attributes, properties or {})
    recipient = _optional(context, "recipient", dict, "context")
    if recipient is not None:
        place = "context.recipient"
        message.recipient.id = _optional(recipient, "id", str, place) or ""
        message.recipient.roles.extend(_texts(recipient, "roles", place))
        message.recipient.country = _optional(recipient, "country", str, place) or ""
        properties = _optional(recipient, "properties", dict, place)
        _add_attributes(message.recipient.attributes, properties or {})
    _add_attributes(message.signals, _optional(context, "signals", dict, "context") or {})
    _add_attributes(message.context, context, _CONTEXT)
    consent = _optional(context, "consent", dict, "context") or {}
    at_least = consent.get("at_least", 0)
    if isinstance(at_least, bool) or not isinstance(at_least, int) or not 0 <= at_least < _INT64:
        raise EntityError("context.consent.at_least: must be a ledger position, a whole number")
    return at_least


def _add_attributes(
    attributes: Any, properties: JsonObject, reserved: frozenset[str] = frozenset()
) -> None:
    """Adds what of `properties` can be an attribute of a policy; all else nobody can have declared,
    and is ignored.
    """
    for name in sorted(properties):
        if name in reserved or not is_attribute_name(name):
            continue
        value = _value(properties[name])
        if value is not None:
            attributes.append(shapes.Attribute(name=name, value=value))


def _value(found: object) -> shapes.Value | None:
    if isinstance(found, list):
        values = [_scalar(each) for each in found]
        taken = [value for value in values if value is not None]
        if len(taken) < len(values):
            return None
        return shapes.Value(list=shapes.ValueList(values=taken))
    return _scalar(found)


def _scalar(found: object) -> shapes.Value | None:
    match found:
        case bool():
            return shapes.Value(flag=found)
        case int() if -_INT64 <= found < _INT64:
            return shapes.Value(number=found)
        case int() | Decimal():
            text = format(found, "f") if -50 < _exponent(found) < 50 else ""
            return shapes.Value(decimal=text) if _PLAIN.fullmatch(text) else None
        case str() if found:
            return shapes.Value(text=found) if _is_unicode(found) else None
        case _:
            return None


def _exponent(number: int | Decimal) -> int:
    return number.adjusted() if isinstance(number, Decimal) else len(str(abs(number)))


def _is_unicode(text: str) -> bool:
    """Whether the text has a form on the wire: JSON may hold halves of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entity(request: JsonObject, name: str) -> JsonObject:
    found = _optional(request, name, dict, "")
    if found is None:
        raise EntityError(f"{name}: must be given")
    return found


def _text(entity: JsonObject, place: str, key: str) -> str:
    found = entity.get(key)
    if not isinstance(found, str) or not _is_unicode(found):
        raise EntityError(f"{place}: must be a text")
    return found


def _texts(entity: JsonObject, name: str, place: str) -> list[str]:
    found = entity.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(
        isinstance(text, str) and _is_unicode(text) for text in found
    ):
        raise EntityError(f"{place}.{name}: must be a list of texts")
    return found


def _optional(entity: JsonObject, name: str, kind: type[_Kind], place: str) -> _Kind | None:
    found = entity.get(name)
    if found is None:
        return None
    where = f"{place}.{name}" if place else name
    if not isinstance(found, kind):
        raise EntityError(f"{where}: must be {_KINDS[kind]}")
    if isinstance(found, str) and not _is_unicode(found):
        raise EntityError(f"{where}: must be a text")
    return found


_KINDS: Final[Mapping[type, str]] = {dict: "an object", str: "a text", bool: "true or false"}
