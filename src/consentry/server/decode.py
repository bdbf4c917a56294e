"""Bytes of a CheckRequest to a `Request`: parsed, bounded, checked; not yet held against a policy.

Field paths in violations are those of the wire: `subject.id`, `context[2].name`.
"""

from __future__ import annotations

import re
from typing import Final

from google.protobuf.message import DecodeError

from consentry.model.request import DataSubject, Principal, Recipient, Request, Resource
from consentry.model.vocabulary import PRINCIPAL_KINDS
from consentry.server.faults import Faults, malformed
from consentry.server.text_checks import MAX_NAME_BYTES, REQUIRED, UNKNOWN_VALUE
from consentry.server.wire_values import decode_attributes, decode_time
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes

MAX_DATA: Final = 64
MAX_ROLES: Final = 32
MAX_PURPOSES: Final = 64
NO_RESOURCE: Final = Resource()
_DETAILS: Final = frozenset({wire.DETAIL_UNSPECIFIED, wire.DETAIL_ALL_REASONS})
_COUNTRY: Final = re.compile("[A-Z]{2}", re.ASCII)


def parse_check(raw: bytes) -> tuple[wire.CheckRequest, bool]:
    """The message, and whether it held fields that this version does not know (they are dropped).

    Raises:
        RequestError: the bytes are not a CheckRequest.
    """
    try:
        message = wire.CheckRequest.FromString(raw)
    except DecodeError:
        raise malformed() from None
    message.DiscardUnknownFields()
    # PERF: what remains is as long as what came unless something was dropped or was spelt in an
    # unusual way; only then look closer. Writing anew never makes a message longer.
    if message.ByteSize() == len(raw):
        return message, False
    return message, wire.CheckRequest.FromString(raw).ByteSize() != message.ByteSize()


def decode_request(message: wire.CheckRequest) -> Request:
    """The question that `message` asks.

    Raises:
        RequestError: with everything that is wrong with it.
    """
    faults = Faults()
    if not message.action:
        faults.add("action", REQUIRED)
    faults.check_name(message.action, "action")
    data = faults.names(tuple(message.data), "data", MAX_DATA)
    if not message.data:
        faults.add("data", REQUIRED)
    faults.check_name(message.purpose, "purpose")
    faults.check_name(message.channel, "channel")
    if message.detail not in _DETAILS:
        faults.add("detail", UNKNOWN_VALUE)
    request = Request(
        principal=_decode_principal(message.principal, faults),
        action=message.action,
        data=data,
        data_subject=_decode_subject(message.subject, faults),
        purpose=message.purpose,
        channel=message.channel or None,
        recipient=(
            _decode_recipient(message.recipient, faults) if message.HasField("recipient") else None
        ),
        resource=(
            _decode_resource(message.resource, faults)
            if message.HasField("resource")
            else NO_RESOURCE
        ),
        context=decode_attributes(message.context, "context", faults),
        signals=decode_attributes(message.signals, "signals", faults),
        partial=message.partial,
        wants_all_reasons=message.detail == wire.DETAIL_ALL_REASONS,
    )
    faults.raise_if_any()
    return request


def _decode_principal(principal: shapes.Principal, faults: Faults) -> Principal:
    faults.check_required(principal.id, "principal.id")
    kind = principal.type
    if kind not in PRINCIPAL_KINDS:
        faults.add("principal.type", UNKNOWN_VALUE if kind else REQUIRED)
    controller = principal.controller
    faults.check_text(controller, "principal.controller")
    return Principal(
        id=principal.id,
        kind=kind,
        roles=frozenset(faults.texts(tuple(principal.roles), "principal.roles", MAX_ROLES)),
        controller=controller or None,
        attributes=decode_attributes(principal.attributes, "principal.attributes", faults),
    )


def _decode_subject(data_subject: shapes.DataSubject, faults: Faults) -> DataSubject | None:
    """The person asked about; None when no id was given, which is answered with a DENY."""
    faults.check_text(data_subject.id, "subject.id")
    attributes = decode_attributes(data_subject.attributes, "subject.attributes", faults)
    return DataSubject(id=data_subject.id, attributes=attributes) if data_subject.id else None


def _decode_recipient(recipient: shapes.Recipient, faults: Faults) -> Recipient:
    faults.check_text(recipient.id, "recipient.id")
    if recipient.country and not _COUNTRY.fullmatch(recipient.country):
        faults.add("recipient.country", "bad_country")
    return Recipient(
        id=recipient.id or None,
        roles=frozenset(faults.texts(tuple(recipient.roles), "recipient.roles", MAX_ROLES)),
        country=recipient.country or None,
        attributes=decode_attributes(recipient.attributes, "recipient.attributes", faults),
    )


def _decode_resource(resource: shapes.Resource, faults: Faults) -> Resource:
    faults.check_text(resource.id, "resource.id")
    faults.check_text(resource.collected_on, "resource.collected_on", MAX_NAME_BYTES)
    collected_at_us = None
    if resource.HasField("collected_at"):
        collected_at_us = decode_time(resource.collected_at, "resource.collected_at", faults)
    return Resource(
        id=resource.id or None,
        collected_at_us=collected_at_us,
        collected_for=faults.names(
            tuple(resource.collected_for), "resource.collected_for", MAX_PURPOSES
        ),
        collected_on=resource.collected_on or None,
        attributes=decode_attributes(resource.attributes, "resource.attributes", faults),
    )
