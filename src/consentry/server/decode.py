"""Bytes of a CheckRequest to a `Request`: parsed, bounded, checked; not yet held against a policy.

Field paths in violations are those of the wire: `subject.id`, `context[2].name`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from google.protobuf.message import DecodeError

from consentry.model.request import (
    DataSubject,
    Principal,
    Recipient,
    Request,
    Resource,
)
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
NO_ROLES: Final[frozenset[str]] = frozenset()
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
    # PERF: each read of a field costs a call into protobuf, so each is read once, a list whole;
    # what is absent costs one question. Together half the time of decoding.
    has = message.HasField
    action, purpose, channel = message.action, message.purpose, message.channel
    data, detail = tuple(message.data[:]), message.detail
    if not action:
        faults.add("action", REQUIRED)
    faults.check_name(action, "action")
    names = faults.names(data, "data", MAX_DATA)
    if not data:
        faults.add("data", REQUIRED)
    faults.check_name(purpose, "purpose")
    faults.check_name(channel, "channel")
    if detail not in _DETAILS:
        faults.add("detail", UNKNOWN_VALUE)
    request = Request(
        principal=decode_principal(message.principal, faults),
        action=action,
        data=names,
        data_subject=_decode_subject(message.subject, faults) if has("subject") else None,
        purpose=purpose,
        channel=channel or None,
        recipient=decode_recipient(message.recipient, faults) if has("recipient") else None,
        resource=decode_resource(message.resource, faults) if has("resource") else NO_RESOURCE,
        context=decode_attributes(message.context, "context", faults),
        signals=decode_attributes(message.signals, "signals", faults),
        partial=message.partial,
        wants_all_reasons=detail == wire.DETAIL_ALL_REASONS,
    )
    faults.raise_if_any()
    return request


def decode_principal(principal: shapes.Principal, faults: Faults) -> Principal:
    """Who asks; what is wrong is noted."""
    name, kind, controller = principal.id, principal.type, principal.controller
    faults.check_required(name, "principal.id")
    if kind not in PRINCIPAL_KINDS:
        faults.add("principal.type", UNKNOWN_VALUE if kind else REQUIRED)
    if controller:
        faults.check_text(controller, "principal.controller")
    return Principal(
        id=name,
        kind=kind,
        roles=_decode_roles(principal.roles, "principal.roles", faults),
        controller=controller or None,
        attributes=decode_attributes(principal.attributes, "principal.attributes", faults),
    )


def _decode_subject(data_subject: shapes.DataSubject, faults: Faults) -> DataSubject | None:
    """The person asked about; None when no id was given, which is answered with a DENY."""
    name = data_subject.id
    faults.check_text(name, "subject.id")
    attributes = decode_attributes(data_subject.attributes, "subject.attributes", faults)
    return DataSubject(id=name, attributes=attributes) if name else None


def decode_recipient(recipient: shapes.Recipient, faults: Faults) -> Recipient:
    """Who receives the data; what is wrong is noted."""
    name, country = recipient.id, recipient.country
    faults.check_text(name, "recipient.id")
    if country and not _COUNTRY.fullmatch(country):
        faults.add("recipient.country", "bad_country")
    return Recipient(
        id=name or None,
        roles=_decode_roles(recipient.roles, "recipient.roles", faults),
        country=country or None,
        attributes=decode_attributes(recipient.attributes, "recipient.attributes", faults),
    )


def decode_resource(resource: shapes.Resource, faults: Faults) -> Resource:
    """The record that is asked about; what is wrong is noted."""
    name, collected_on = resource.id, resource.collected_on
    collected_for = tuple(resource.collected_for)
    faults.check_text(name, "resource.id")
    if collected_on:
        faults.check_text(collected_on, "resource.collected_on", MAX_NAME_BYTES)
    collected_at_us = None
    if resource.HasField("collected_at"):
        collected_at_us = decode_time(resource.collected_at, "resource.collected_at", faults)
    return Resource(
        id=name or None,
        collected_at_us=collected_at_us,
        collected_for=(
            faults.names(collected_for, "resource.collected_for", MAX_PURPOSES)
            if collected_for
            else ()
        ),
        collected_on=collected_on or None,
        attributes=decode_attributes(resource.attributes, "resource.attributes", faults),
    )


def _decode_roles(roles: Sequence[str], field: str, faults: Faults) -> frozenset[str]:
    return frozenset(faults.texts(tuple(roles), field, MAX_ROLES)) if roles else NO_ROLES
