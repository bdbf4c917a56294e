"""The quick way from bytes to a `Request`: parts seen before are looked up by their bytes.

A question is cut where the person and the record begin and end, and not parsed. Who asks, to do
what, with which data, what for and to whom come again and again, and so do contexts: these pieces
are looked up whole. A person and a record are an id, and little else. Only what is new is parsed,
by protobuf, and decoded by the same functions that `decode` uses.

    who asks, action, data | person | purpose, channel, recipient | record | context, signals, …

A cut is trusted for one reason only: each piece by itself is a whole message that says nothing but
the fields of its place, spelt in the usual way. Messages laid end to end are one message.
This way takes only what is well formed; it gives None for all else, and `decode` then tells what is
wrong.

What is remembered is short, bounded in number, and holds no ids of persons except of those who ask.

Source: Protocol Buffers encoding, "Message structure" and "Last one wins"; ADR 50.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from consentry.model.request import (
    NO_ATTRIBUTES,
    DataSubject,
    Principal,
    Recipient,
    Request,
    Resource,
)
from consentry.model.values import Value
from consentry.server.decode import (
    MAX_DATA,
    NO_RESOURCE,
    decode_principal,
    decode_recipient,
    decode_resource,
)
from consentry.server.faults import Faults
from consentry.server.text_checks import MAX_ID_BYTES, find_name_fault, find_text_fault
from consentry.server.wire_cuts import LONG, UnusualError, long_field, tag_of
from consentry.server.wire_values import MAX_ATTRIBUTES, decode_attributes
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes
from consentry.v1 import wire_pb2

MAX_KNOWN_BYTES: Final = 2_048
"""Longer questions, and parts longer than a quarter of it, take the long way."""
_MAX_PART_BYTES: Final = MAX_KNOWN_BYTES // 4

_PERSON: Final = tag_of(wire_pb2.RawCheckRequest.SUBJECT_FIELD_NUMBER)
_RECORD: Final = tag_of(wire_pb2.RawCheckRequest.RESOURCE_FIELD_NUMBER)
_ID: Final = tag_of(wire_pb2.RawDataSubject.ID_FIELD_NUMBER)

_Part = TypeVar("_Part", bound=Message)


def decode_known(raw: bytes) -> Request | None:
    """The question in `raw`; None where the long way must say what it is, or what is wrong."""
    if len(raw) > MAX_KNOWN_BYTES:
        return None
    try:
        return _decode(raw)
    except (DecodeError, UnicodeDecodeError, IndexError, UnusualError):
        return None


def _decode(raw: bytes) -> Request:
    # PERF: written out in one row, for a call costs as much as a step. The cuts follow the sizes
    # that fields bear; where one is not what it seems, a piece does not stand by itself.
    end = len(raw)
    at = 0
    while raw[at] < _PERSON:
        size = raw[at + 1]
        at += size + 2 if size < LONG else long_field(raw, at)
    start = raw[:at]
    person = None
    if raw[at] == _PERSON:
        size = raw[at + 1]
        began = at + 2 if size < LONG else at + 3
        at += size + 2 if size < LONG else long_field(raw, at)
        person = _data_subject(raw[began:at])
    began = at
    while at < end and raw[at] < _RECORD:
        size = raw[at + 1]
        at += size + 2 if size < LONG else long_field(raw, at)
    who, action, data, purpose, channel, to = _known_use(start, raw[began:at])
    record = NO_RESOURCE
    if at < end and raw[at] == _RECORD:
        size = raw[at + 1]
        began = at + 2 if size < LONG else at + 3
        at += size + 2 if size < LONG else long_field(raw, at)
        record = _resource(raw[began:at])
    if at > end:
        raise UnusualError
    context, signals, partial, wants_all = _NO_REST if at == end else _known_rest(raw[at:])
    return Request(
        principal=who,
        action=action,
        data=data,
        data_subject=person,
        purpose=purpose,
        channel=channel,
        recipient=to,
        resource=record,
        context=context,
        signals=signals,
        partial=partial,
        wants_all_reasons=wants_all,
    )


_Use: TypeAlias = tuple[Principal, str, tuple[str, ...], str, str | None, Recipient | None]
_Rest: TypeAlias = tuple[Mapping[str, Value], Mapping[str, Value], bool, bool]
_NO_REST: Final[_Rest] = (NO_ATTRIBUTES, NO_ATTRIBUTES, False, False)


@lru_cache(maxsize=4_096)
def _known_use(start: bytes, middle: bytes) -> _Use:
    """What is said of who asks, to do what, with what, what for and to whom, if it is all well."""
    first, second = (
        _parse(wire_pb2.RawCheckRequest, start),
        _parse(wire_pb2.RawCheckRequest, middle),
    )
    only_first = wire_pb2.RawCheckRequest(
        principal=first.principal, action=first.action, data=first.data
    )
    only_second = wire_pb2.RawCheckRequest(
        purpose=second.purpose, channel=second.channel, recipient=second.recipient
    )
    if first != only_first or second != only_second:
        raise UnusualError
    data = tuple(first.data)
    if not _are_names(first.action, second.purpose, second.channel, data):
        raise UnusualError
    to = _known_recipient(_short(second.recipient)) if second.recipient else None
    who = _known_principal(_short(first.principal))
    return who, first.action, data, second.purpose, second.channel or None, to


@lru_cache(maxsize=1_024)
def _known_rest(raw: bytes) -> _Rest:
    """What stands behind the record."""
    message = _parse(wire_pb2.RawCheckRequest, raw)
    only = wire_pb2.RawCheckRequest(
        context=message.context,
        signals=message.signals,
        partial=message.partial,
        detail=message.detail,
    )
    if message != only or message.detail > wire.DETAIL_ALL_REASONS:
        raise UnusualError
    return (
        _each_attribute(message.context) if message.context else NO_ATTRIBUTES,
        _each_attribute(message.signals) if message.signals else NO_ATTRIBUTES,
        message.partial,
        message.detail == wire.DETAIL_ALL_REASONS,
    )


def _are_names(action: str, purpose: str, channel: str, data: tuple[str, ...]) -> bool:
    """Whether all are names as a policy set may have them, those that must be there are, and none
    of the data stands twice.
    """
    if not action or not data or len(data) > MAX_DATA or len(set(data)) < len(data):
        return False
    if not all(data):
        return False
    given = (name for name in (action, purpose, channel, *data) if name)
    return all(find_name_fault(name) is None for name in given)


def _short(part: bytes) -> bytes:
    if len(part) > _MAX_PART_BYTES:
        raise UnusualError
    return part


def _data_subject(raw: bytes) -> DataSubject:
    # Not remembered as a whole: there are as many as there are persons.
    end = raw[1] + 2
    attributes = raw[end:]
    return DataSubject(
        id=_id(raw, end), attributes=_known_person(attributes) if attributes else NO_ATTRIBUTES
    )


def _id(raw: bytes, end: int) -> str:
    """The id with which a person or a record begins, and which is as it must be."""
    name = raw[2:end].decode()
    is_whole = raw[0] == _ID and raw[1] < LONG and 2 < end <= len(raw)
    if not is_whole or find_text_fault(name, MAX_ID_BYTES) is not None:
        raise UnusualError
    return name


@lru_cache(maxsize=4_096)
def _known_person(raw: bytes) -> Mapping[str, Value]:
    """What is said of a person beside the id."""
    message = _parse(wire_pb2.RawDataSubject, _short(raw))
    if message.id:
        raise UnusualError
    return _each_attribute(message.attributes)


def _resource(raw: bytes) -> Resource:
    if raw and raw[1] + 2 == len(raw):
        return Resource(id=_id(raw, len(raw)), attributes=NO_ATTRIBUTES)
    message, faults = _parse(shapes.Resource, _short(raw)), Faults()
    return _faultless(decode_resource(message, faults), faults)


@lru_cache(maxsize=1_024)
def _known_principal(raw: bytes) -> Principal:
    faults = Faults()
    principal = decode_principal(_parse(shapes.Principal, raw), faults)
    return _faultless(principal, faults)


@lru_cache(maxsize=1_024)
def _known_recipient(raw: bytes) -> Recipient:
    faults = Faults()
    recipient = decode_recipient(_parse(shapes.Recipient, raw), faults)
    return _faultless(recipient, faults)


def _each_attribute(parts: Sequence[bytes]) -> Mapping[str, Value]:
    known = dict([_known_attribute(part) for part in parts])
    if len(known) < len(parts) or len(parts) > MAX_ATTRIBUTES:
        raise UnusualError
    return known


@lru_cache(maxsize=8_192)
def _known_attribute(raw: bytes) -> tuple[str, Value]:
    """Name and value of one attribute."""
    faults = Faults()
    found = decode_attributes([_parse(shapes.Attribute, _short(raw))], "", faults)
    [attribute] = _faultless(found, faults).items()
    return attribute


def _parse(kind: type[_Part], raw: bytes) -> _Part:
    message = kind.FromString(raw)
    message.DiscardUnknownFields()
    if message.ByteSize() != len(raw):
        raise UnusualError
    return message


_Decoded = TypeVar("_Decoded")


def _faultless(decoded: _Decoded, faults: Faults) -> _Decoded:
    if faults.found:
        raise UnusualError
    return decoded
