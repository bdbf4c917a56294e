"""Questions from Python values.

| Python                       | on the wire                           |
| ---------------------------- | ------------------------------------- |
| str                          | text                                  |
| bool                         | flag                                  |
| int                          | number                                |
| decimal.Decimal              | decimal                               |
| datetime.datetime, aware     | time                                  |
| datetime.date                | date                                  |
| datetime.timedelta           | duration                              |
| list, tuple, set, frozenset  | list of the above                     |
| None                         | left out: the attribute is not known  |

A float is refused: numbers are exact. Write `Decimal("0.1")`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, NotRequired, TypeAlias, TypedDict, Unpack

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from consentry.v1 import authorization_pb2, decision_pb2

Scalar: TypeAlias = str | bool | int | Decimal | datetime | date | timedelta
Attributes: TypeAlias = Mapping[
    str, Scalar | list[Scalar] | tuple[Scalar, ...] | set[Scalar] | frozenset[Scalar] | None
]
Key: TypeAlias = tuple[object, ...]
"""All of a party, attributes with their types: what differs on the wire (1 and True) differs here.

PERF: a plain tuple is hashed without running Python code.
"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks; made by `service`, `person`, `agent` and `job`."""

    id: str
    type: str
    roles: tuple[str, ...] = ()
    controller: str = ""
    attributes: Attributes = field(default_factory=dict, compare=False)
    key: Key = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        _freeze(self)
        key = (self.id, self.type, self.roles, self.controller, _exact_attributes(self.attributes))
        object.__setattr__(self, "key", key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose data it is."""

    id: str
    attributes: Attributes = field(default_factory=dict, compare=False)
    key: Key = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        _freeze(self)
        object.__setattr__(self, "key", (self.id, _exact_attributes(self.attributes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who receives the data."""

    id: str = ""
    roles: tuple[str, ...] = ()
    country: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The record asked about."""

    id: str = ""
    collected_at: datetime | None = None
    collected_for: tuple[str, ...] = ()
    collected_on: str = ""
    attributes: Attributes = field(default_factory=dict)


def _freeze(party: Principal | Subject) -> None:
    """Makes a party's attributes its own, so that it may stand in the key of a kept answer."""
    if party.attributes:
        own = {name: _own(value) for name, value in party.attributes.items()}
        object.__setattr__(party, "attributes", own)


def _exact_attributes(attributes: Attributes) -> Key:
    if not attributes:
        return ()
    return tuple((name, *_exact(value)) for name, value in sorted(attributes.items()))


def _own(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return frozenset(value) if isinstance(value, set) else value


def _exact(value: object) -> tuple[object, ...]:
    if isinstance(value, tuple):
        return ("list", *(_exact(item) for item in value))
    if isinstance(value, frozenset):
        return ("set", frozenset(_exact(item) for item in value))
    # What cannot be sent equals nothing; the question tells what is wrong with it.
    return (type(value), value if isinstance(value, _SCALARS) else object())


_SCALARS: Final = (str, bool, int, Decimal, datetime, date, timedelta, type(None))


def service(
    id: str,  # noqa: A002  # the word of the protocol
    *,
    roles: Iterable[str] = (),
    controller: str = "",
    **attributes: object,
) -> Principal:
    """A service; further keywords are its attributes."""
    return _principal(id, "service", roles, controller, attributes)


def person(
    id: str,  # noqa: A002  # the word of the protocol
    *,
    roles: Iterable[str] = (),
    controller: str = "",
    **attributes: object,
) -> Principal:
    """A person who works with the data; further keywords are attributes."""
    return _principal(id, "person", roles, controller, attributes)


def agent(
    id: str,  # noqa: A002  # the word of the protocol
    *,
    roles: Iterable[str] = (),
    controller: str = "",
    **attributes: object,
) -> Principal:
    """An agent that acts by itself; further keywords are its attributes."""
    return _principal(id, "agent", roles, controller, attributes)


def job(
    id: str,  # noqa: A002  # the word of the protocol
    *,
    roles: Iterable[str] = (),
    controller: str = "",
    **attributes: object,
) -> Principal:
    """A batch job; further keywords are its attributes."""
    return _principal(id, "job", roles, controller, attributes)


def _principal(
    id_: str, kind: str, roles: Iterable[str], controller: str, attributes: Mapping[str, object]
) -> Principal:
    return Principal(
        id=id_,
        type=kind,
        roles=tuple(roles),
        controller=controller,
        attributes=attributes,  # type: ignore[arg-type]  # types are checked when they are sent
    )


class PlanFields(TypedDict):
    """The parts of a question about everybody."""

    principal: Principal
    action: str
    data: str | Iterable[str]
    purpose: str
    channel: NotRequired[str]
    recipient: NotRequired[Recipient | None]
    resource: NotRequired[Resource | None]
    context: NotRequired[Attributes | None]
    signals: NotRequired[Attributes | None]


class QuestionFields(PlanFields):
    """The parts of a question; `subject` is the person whose data it is, by id or whole."""

    subject: str | Subject
    partial: NotRequired[bool]
    all_reasons: NotRequired[bool]


def question(**fields: Unpack[QuestionFields]) -> authorization_pb2.CheckRequest:
    """The question as a message.

    Raises:
        TypeError: a part is missing or unknown, or an attribute has a type that the wire does not
            carry.
        ValueError: a datetime without a time zone.
    """
    if wrong := fields.keys() ^ (fields.keys() & _ALLOWED | _REQUIRED):
        raise TypeError(f"a question with wrong or missing parts: {', '.join(sorted(wrong))}")
    principal, data, person_ = fields["principal"], fields["data"], fields["subject"]
    if isinstance(person_, str):
        person_ = Subject(id=person_)
    message = authorization_pb2.CheckRequest(
        principal=decision_pb2.Principal(
            id=principal.id,
            type=principal.type,
            roles=principal.roles,
            controller=principal.controller,
            attributes=_attributes(principal.attributes),
        ),
        action=fields["action"],
        data=[data] if isinstance(data, str) else list(data),
        subject=decision_pb2.DataSubject(id=person_.id, attributes=_attributes(person_.attributes)),
        purpose=fields["purpose"],
        channel=fields.get("channel", ""),
        context=_attributes(fields.get("context") or {}),
        signals=_attributes(fields.get("signals") or {}),
        partial=fields.get("partial", False),
    )
    if fields.get("all_reasons", False):
        message.detail = authorization_pb2.DETAIL_ALL_REASONS
    if (recipient := fields.get("recipient")) is not None:
        message.recipient.CopyFrom(
            decision_pb2.Recipient(
                id=recipient.id,
                roles=recipient.roles,
                country=recipient.country,
                attributes=_attributes(recipient.attributes),
            )
        )
    if (resource := fields.get("resource")) is not None:
        message.resource.CopyFrom(_resource(resource))
    return message


# What the type says, for callers without a type checker.
_REQUIRED: Final = frozenset({"principal", "action", "data", "subject", "purpose"})
_ALLOWED: Final = frozenset(QuestionFields.__annotations__)


def _resource(resource: Resource) -> decision_pb2.Resource:
    message = decision_pb2.Resource(
        id=resource.id,
        collected_for=resource.collected_for,
        collected_on=resource.collected_on,
        attributes=_attributes(resource.attributes),
    )
    if resource.collected_at is not None:
        message.collected_at.CopyFrom(timestamp(resource.collected_at))
    return message


def _attributes(values: Attributes) -> list[decision_pb2.Attribute]:
    # In one order, so that equal questions have equal bytes and meet in the answer cache.
    return [
        decision_pb2.Attribute(name=name, value=_value(name, value))
        for name, value in sorted(values.items())
        if value is not None
    ]


def _value(name: str, value: object) -> decision_pb2.Value:
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        values = [_scalar(name, item) for item in value]
        return decision_pb2.Value(list=decision_pb2.ValueList(values=values))
    return _scalar(name, value)


def cache_key(fields: QuestionFields) -> Hashable:
    """A key for the answer: never the same for two questions that differ.

    Raises:
        TypeError, ValueError: as `question`.
    """
    try:
        data, person = fields["data"], fields["subject"]
        if type(data) is not str and type(data) is not tuple:
            # An iterator can be read only once: what was read is put in its place.
            fields["data"] = data = tuple(data)
        # PERF: a kept answer costs a microsecond this way, where writing the question takes ten.
        if len(fields) == 5 + ("channel" in fields) + ("partial" in fields):
            return (
                fields["principal"].key,
                fields["action"],
                data,
                person if type(person) is str else person.key,  # type: ignore[union-attr]
                fields["purpose"],
                fields.get("channel"),
                fields.get("partial"),
            )
    except (KeyError, AttributeError):  # the question itself tells what is wrong
        pass
    return question(**fields).SerializeToString()


def _scalar(name: str, value: object) -> decision_pb2.Value:
    match value:
        case str():
            return decision_pb2.Value(text=value)
        case bool():  # before int, which it is too
            return decision_pb2.Value(flag=value)
        case int():
            return decision_pb2.Value(number=value)
        case Decimal():
            return decision_pb2.Value(decimal=format(value, "f"))
        case datetime():  # before date, which it is too
            return decision_pb2.Value(time=timestamp(value))
        case date():
            return decision_pb2.Value(date=value.isoformat())
        case timedelta():
            return decision_pb2.Value(duration=_duration(value))
        case _:
            kind = type(value).__name__
            raise TypeError(f"attribute {name!r}: a value of type {kind} cannot be sent")


def timestamp(moment: datetime) -> Timestamp:
    """The wire's form of an aware datetime.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a datetime needs a time zone")
    length = moment - _EPOCH
    return Timestamp(
        seconds=length.days * 86_400 + length.seconds, nanos=length.microseconds * 1_000
    )


def _duration(length: timedelta) -> Duration:
    micros = (length.days * 86_400 + length.seconds) * 1_000_000 + length.microseconds
    seconds, rest = divmod(abs(micros), 1_000_000)
    sign = -1 if micros < 0 else 1
    return Duration(seconds=sign * seconds, nanos=sign * rest * 1_000)
