"""Consent events from Python values."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from consentry.client.questions import timestamp
from consentry.v1 import consent_pb2


def event(
    kind: str,
    data_subject: str,
    *,
    purpose: str = "",
    tag: str = "",
    data: Iterable[str] = (),
    channels: Iterable[str] = (),
    regime: str = "",
    happened_at: datetime | None = None,
    expires_at: datetime | None = None,
    qualities: Iterable[str] = (),
    notice: str = "",
    by: str = "data_subject",
    proof_method: str = "",
    proof_reference: str = "",
    idempotency_key: str = "",
) -> consent_pb2.ConsentEvent:
    """An event for `Client.record_consent`; `kind` and `by` are the protocol's words, lower case.

    Without a key it gets one of its own: keep the event, not the call, to try again. Without a
    `proof_method` a consent stands as unproven. Whatever this leaves out can be set on the message.

    Raises:
        ValueError: an unknown `kind` or `by`, or both a purpose and a tag.
    """
    if purpose and tag:
        raise ValueError("an event speaks of a purpose or of a tag, not of both")
    message = consent_pb2.ConsentEvent(
        kind=consent_pb2.EventKind.Value(f"EVENT_KIND_{kind.upper()}"),
        subject=data_subject,
        scope=consent_pb2.ConsentScope(data=list(data), channels=list(channels), regime=regime),
        qualities=list(qualities),
        notice=notice,
        by=consent_pb2.Author.Value(f"AUTHOR_{by.upper()}"),
        idempotency_key=idempotency_key or uuid.uuid4().hex,
    )
    if purpose:
        message.scope.purpose = purpose
    if tag:
        message.scope.tag = tag
    if happened_at is not None:
        message.happened_at.CopyFrom(timestamp(happened_at))
    if expires_at is not None:
        message.expires_at.CopyFrom(timestamp(expires_at))
    if proof_method or proof_reference:
        message.proof.method = proof_method
        message.proof.reference = proof_reference
    return message
