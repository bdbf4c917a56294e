"""The quick way from bytes to a `Request`: parts seen before are looked up by their bytes.

A question is taken apart without parsing its parts. Who asks, the purpose, the context and most
attributes come again and again; only what is new is decoded, by the same functions that `decode`
uses. This way takes only what is well formed and spelt in the usual way; it gives None for all
else, and `decode` then tells what is wrong.

What is remembered is short, bounded in number, and holds no ids of persons except of those who ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeVar

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
from consentry.server.wire_values import MAX_ATTRIBUTES, decode_attributes
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes
from consentry.v1 import wire_pb2

MAX_KNOWN_BYTES: Final = 2_048
"""Longer questions, and parts longer than a quarter of it, take the long way."""
_MAX_PART_BYTES: Final = MAX_KNOWN_BYTES // 4

_Part = TypeVar("_Part", bound=Message)


class _UnusualError(Exception):
    """This part is for `decode`: it is wrong, long, or spelt in an unusual way."""


def decode_known(raw: bytes) -> Request | None:
    """The question in `raw`; None where the long way must say what it is, or what is wrong."""
    if len(raw) > MAX_KNOWN_BYTES:
        return None
    try:
        return _decode(raw)
    except (DecodeError, _UnusualError):
        return None


def _decode(raw: bytes) -> Request:
    message = wire_pb2.RawCheckRequest.FromString(raw)
    message.DiscardUnknownFields()
    # A field that stands twice would be merged, one that is there but empty would be lost, and one
    # that we do not know was dropped: in each case the message is now shorter than it came.
    if message.ByteSize() != len(raw):
        raise _UnusualError
    detail = message.detail
    if detail > wire.DETAIL_ALL_REASONS:
        raise _UnusualError
    has, context, signals = message.HasField, message.context, message.signals
    action, purpose, channel = message.action, message.purpose, message.channel
    data = tuple(message.data[:])
    who, to = _known_parties(message.principal, action, data, purpose, channel, message.recipient)
    return Request(
        principal=who,
        action=action,
        data=data,
        data_subject=_data_subject(message.subject) if has("subject") else None,
        purpose=purpose,
        channel=channel or None,
        recipient=to,
        resource=_resource(message.resource) if has("resource") else NO_RESOURCE,
        context=_known_attributes(tuple(context[:])) if context else NO_ATTRIBUTES,
        signals=_known_attributes(tuple(signals[:])) if signals else NO_ATTRIBUTES,
        partial=message.partial,
        wants_all_reasons=detail == wire.DETAIL_ALL_REASONS,
    )


@lru_cache(maxsize=4_096)
def _known_parties(  # noqa: PLR0917 - PERF: what is remembered is found by position
    principal: bytes, action: str, data: tuple[str, ...], purpose: str, channel: str, to: bytes
) -> tuple[Principal, Recipient | None]:
    """Who asks and who receives, if all that such questions have in common is as it must be."""
    if not _are_names(action, purpose, channel, data):
        raise _UnusualError
    recipient = _known_recipient(_short(to)) if to else None
    return _known_principal(_short(principal)), recipient


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
        raise _UnusualError
    return part


def _data_subject(message: wire_pb2.RawDataSubject) -> DataSubject:
    # Not remembered as a whole: there are as many as there are persons.
    name, attributes = message.id, message.attributes
    if not name or find_text_fault(name, MAX_ID_BYTES) is not None:
        raise _UnusualError
    # PERF: a list is cheaper to look at than what protobuf gives.
    known = _each_attribute(attributes[:]) if attributes else NO_ATTRIBUTES
    return DataSubject(id=name, attributes=known)


def _resource(message: shapes.Resource) -> Resource:
    name = message.id
    # PERF: a tag, a length and the id itself are all there is where only the id is said.
    if message.ByteSize() == len(name) + 2 and find_text_fault(name, MAX_ID_BYTES) is None:
        return Resource(id=name, attributes=NO_ATTRIBUTES)
    if message.ByteSize() > _MAX_PART_BYTES:
        raise _UnusualError
    faults = Faults()
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


@lru_cache(maxsize=1_024)
def _known_attributes(parts: tuple[bytes, ...]) -> Mapping[str, Value]:
    return _each_attribute(parts)


def _each_attribute(parts: Sequence[bytes]) -> Mapping[str, Value]:
    known = dict([_known_attribute(part) for part in parts])
    if len(known) < len(parts) or len(parts) > MAX_ATTRIBUTES:
        raise _UnusualError
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
        raise _UnusualError
    return message


_Decoded = TypeVar("_Decoded")


def _faultless(decoded: _Decoded, faults: Faults) -> _Decoded:
    if faults.found:
        raise _UnusualError
    return decoded
