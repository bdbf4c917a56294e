"""A mapped question as the bytes of a CheckRequest, so that it is answered like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from consentry.server.ext_authz.asked import Claim
from consentry.server.ext_authz.mapping import MappedQuestion
from consentry.server.ext_authz.routes import OWNERS
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes

_ORDER: Final = {owner: place for place, owner in enumerate(OWNERS)}


def encode_question(question: MappedQuestion) -> bytes:
    """The question on the wire; equal questions have equal bytes."""
    message = wire.CheckRequest(
        principal=shapes.Principal(
            id=question.principal_id, type=question.principal_type, roles=question.roles
        ),
        action=question.action,
        data=question.data,
        purpose=question.purpose,
        channel=question.channel,
        partial=question.partial,
    )
    if question.data_subject_id:
        message.subject.id = question.data_subject_id
    if question.recipient_id or question.recipient_roles or question.recipient_country:
        message.recipient.id = question.recipient_id
        message.recipient.roles.extend(question.recipient_roles)
        message.recipient.country = question.recipient_country
    if question.resource_id:
        message.resource.id = question.resource_id
    _add_attributes(message, question.attributes)
    return message.SerializeToString()


def _add_attributes(
    message: wire.CheckRequest, attributes: Mapping[tuple[str, str], Claim]
) -> None:
    # Only read when it is used: reading a part of a message that is not there makes none.
    lists = {
        "principal": lambda: message.principal.attributes,
        "subject": lambda: message.subject.attributes,
        "recipient": lambda: message.recipient.attributes,
        "resource": lambda: message.resource.attributes,
        "context": lambda: message.context,
        "signal": lambda: message.signals,
    }
    for owner, name in sorted(attributes, key=lambda key: (_ORDER[key[0]], key[1])):
        added = lists[owner]().add()
        added.name = name
        _set_value(added.value, attributes[owner, name])


def _set_value(value: shapes.Value, claim: Claim) -> None:
    match claim:
        case bool():
            value.flag = claim
        case int():
            value.number = claim
        case str():
            value.text = claim
        case _:
            value.list.values.extend([shapes.Value(text=text) for text in claim])
