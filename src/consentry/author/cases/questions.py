"""One case as a question: which facts are said, put into a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address
from typing import Final, TypeAlias

from consentry.author.cases import reads as dim
from consentry.author.scenario import DATA_SUBJECT_ID
from consentry.model.program import AttributeSpec, Program
from consentry.model.request import DataSubject, Principal, Recipient, Request, Resource
from consentry.model.values import Duration, Value

FactValue: TypeAlias = "Value | Who | Whom | None"
Said: TypeAlias = "dict[str, FactValue]"
"""What a case says, by dimension; None and what is not there are not said."""

SOMEBODY: Final = "somebody"
"""Who asks where it does not matter who."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. Empty roles: not said."""

    kind: str = "service"
    id: str = SOMEBODY
    roles: frozenset[str] = frozenset()
    controller: str | None = None


@dataclass(frozen=True, slots=True)
class Whom:
    """Who receives the data; what is None or empty is not said."""

    id: str | None = None
    roles: frozenset[str] = frozenset()
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """What a case is about: names that at least one policy set declares."""

    action: str
    purpose: str
    leaf: str


NOBODY_SPECIAL: Final = Who()
_SAMPLES: Final[Mapping[str, Value]] = {
    "text": "other",
    "number": 1,
    "flag": False,
    "date": date(1990, 1, 1),
    "time": 0,
    "duration": Duration(),
    "ip": IPv4Address("192.0.2.1"),
}


def sample(spec: AttributeSpec) -> Value:
    """Some value of an attribute's type, for one that must be sent and that nothing reads."""
    return () if spec.type.startswith("list of ") else _SAMPLES[spec.type]


def required_facts(*programs: Program) -> Said:
    """A value for each attribute without which no question can be asked."""
    return {
        spec.path: sample(spec)
        for program in programs
        for spec in program.attributes
        if not spec.is_optional and spec.default is None and spec.owner.value != "controller"
    }


def build_request(key: Key, said: Mapping[str, FactValue]) -> Request:
    """The request that says just this."""
    attributes: dict[str, dict[str, Value]] = {}
    for path, value in said.items():
        owner, _, name = path.partition(".")
        if name and value is not None and path not in _BUILT_IN:
            assert not isinstance(value, Who | Whom)
            attributes.setdefault(owner, {})[name] = value
    who = said.get(dim.PRINCIPAL) or NOBODY_SPECIAL
    assert isinstance(who, Who)
    subject_id = said.get(dim.SUBJECT_ID) or DATA_SUBJECT_ID
    channel = said.get(dim.CHANNEL)
    return Request(
        principal=Principal(
            id=who.id,
            kind=who.kind,
            roles=who.roles,
            controller=who.controller,
            attributes=attributes.get("principal", {}),
        ),
        action=key.action,
        data=(key.leaf,),
        data_subject=DataSubject(id=str(subject_id), attributes=attributes.get("subject", {})),
        purpose=key.purpose,
        channel=str(channel) if channel is not None else None,
        recipient=_recipient(said.get(dim.RECIPIENT), attributes.get("recipient", {})),
        resource=_resource(said, attributes.get("resource", {})),
        context=attributes.get("context", {}),
        signals=attributes.get("signal", {}),
    )


_BUILT_IN: Final = frozenset(
    {dim.SUBJECT_ID, dim.RESOURCE_ID, dim.COLLECTED_AT, dim.COLLECTED_FOR, dim.COLLECTED_ON}
)


def _recipient(whom: FactValue, attributes: dict[str, Value]) -> Recipient | None:
    if not isinstance(whom, Whom):
        # What must be said of a recipient is said only where there is one.
        return Recipient(attributes=attributes) if attributes else None
    return Recipient(id=whom.id, roles=whom.roles, country=whom.country, attributes=attributes)


def _resource(said: Mapping[str, FactValue], attributes: dict[str, Value]) -> Resource:
    resource_id = said.get(dim.RESOURCE_ID)
    collected_at = said.get(dim.COLLECTED_AT)
    collected_for = said.get(dim.COLLECTED_FOR)
    collected_on = said.get(dim.COLLECTED_ON)
    assert collected_at is None or isinstance(collected_at, int)
    return Resource(
        id=str(resource_id) if resource_id is not None else None,
        collected_at_us=collected_at,
        collected_for=tuple(map(str, collected_for)) if isinstance(collected_for, tuple) else (),
        collected_on=str(collected_on) if collected_on is not None else None,
        attributes=attributes,
    )
