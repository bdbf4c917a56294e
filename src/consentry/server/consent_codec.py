"""Consent events of the wire, both ways."""

from __future__ import annotations

from typing import Final

from consentry.consent.validate import UNSET_TIME
from consentry.model.consent import (
    Author,
    ConsentEvent,
    EventKind,
    Proof,
    RecipientScope,
    Scope,
)
from consentry.server.faults import Faults
from consentry.server.text_checks import (
    MAX_ID_BYTES,
    MAX_NAME_BYTES,
    MAX_TEXT_BYTES,
    REQUIRED,
    UNKNOWN_VALUE,
)
from consentry.server.wire_values import decode_time, micros_of, timestamp_of
from consentry.v1 import consent_pb2 as wire

MAX_IDEMPOTENCY_KEY: Final = 128
MAX_ENTRIES: Final = 64

# The wire's names are ours in capitals behind a prefix; a test holds the two lists together.
_KINDS: Final = {wire.EventKind.Value(f"EVENT_KIND_{kind.name}"): kind for kind in EventKind}
_KIND_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}
_AUTHORS: Final = {wire.Author.Value(f"AUTHOR_{author.name}"): author for author in Author} | {
    wire.AUTHOR_UNSPECIFIED: Author.DATA_SUBJECT
}
_AUTHOR_NUMBERS: Final = {author: wire.Author.Value(f"AUTHOR_{author.name}") for author in Author}


def decode_event(message: wire.ConsentEvent, field: str, faults: Faults) -> ConsentEvent:
    """The event that `message` tells; notes in `faults` what is wrong with it.

    With anything noted the value given back means nothing.
    """
    kind = _KINDS.get(message.kind)
    if kind is None:
        faults.add(f"{field}.kind", UNKNOWN_VALUE if message.kind else REQUIRED)
    author = _AUTHORS.get(message.by)
    if author is None:
        faults.add(f"{field}.by", UNKNOWN_VALUE)
    faults.check_required(message.subject, f"{field}.subject")
    faults.check_required(message.idempotency_key, f"{field}.idempotency_key", MAX_IDEMPOTENCY_KEY)
    faults.check_text(message.notice, f"{field}.notice", MAX_NAME_BYTES)
    happened_at_us, expires_at_us = UNSET_TIME, None
    if message.HasField("happened_at"):
        happened_at_us = decode_time(message.happened_at, f"{field}.happened_at", faults)
    if message.HasField("expires_at"):
        expires_at_us = decode_time(message.expires_at, f"{field}.expires_at", faults)
    qualities = faults.names(tuple(message.qualities), f"{field}.qualities", MAX_ENTRIES)
    return ConsentEvent(
        kind=kind or EventKind.REFUSED,
        data_subject_id=message.subject,
        scope=_decode_scope(message.scope, f"{field}.scope", faults),
        happened_at_us=happened_at_us,
        idempotency_key=message.idempotency_key,
        qualities=frozenset(qualities),
        notice=message.notice,
        listed=faults.names(tuple(message.listed), f"{field}.listed", MAX_ENTRIES),
        by=author or Author.DATA_SUBJECT,
        expires_at_us=expires_at_us,
        proof=_decode_proof(message.proof, f"{field}.proof", faults),
    )


def _decode_scope(scope: wire.ConsentScope, field: str, faults: Faults) -> Scope:
    match scope.WhichOneof("target"):
        case "purpose":
            name, part = scope.purpose, "purpose"
        case "tag":
            name, part = scope.tag, "tag"
        case _:
            name, part = "", ""
    if part and not name:
        faults.add(f"{field}.{part}", REQUIRED)
    faults.check_name(name, f"{field}.{part}")
    faults.check_text(scope.controller, f"{field}.controller")
    faults.check_name(scope.regime, f"{field}.regime")
    recipients = []
    if len(scope.recipients) > MAX_ENTRIES:
        faults.add(f"{field}.recipients", "too_many")
    else:
        for index, recipient in enumerate(scope.recipients):
            by = recipient.WhichOneof("by")
            text = getattr(recipient, by) if by else ""
            faults.check_required(text, f"{field}.recipients[{index}]")
            recipients.append(
                RecipientScope(id=recipient.id, role=recipient.role, country=recipient.country)
            )
    return Scope(
        purpose=scope.purpose,
        tag=scope.tag,
        data=faults.names(tuple(scope.data), f"{field}.data", MAX_ENTRIES),
        channels=faults.names(tuple(scope.channels), f"{field}.channels", MAX_ENTRIES),
        recipients=tuple(recipients),
        controller=scope.controller,
        regime=scope.regime,
    )


def _decode_proof(proof: wire.Proof, field: str, faults: Faults) -> Proof:
    for part, limit in (
        ("method", MAX_NAME_BYTES),
        ("source", MAX_ID_BYTES),
        ("channel", MAX_NAME_BYTES),
        ("recorded_by", MAX_ID_BYTES),
        ("reference", MAX_TEXT_BYTES),
    ):
        faults.check_text(getattr(proof, part), f"{field}.{part}", limit)
    return Proof(
        method=proof.method,
        source=proof.source,
        channel=proof.channel,
        recorded_by=proof.recorded_by,
        reference=proof.reference,
    )


def _encode_scope(scope: Scope) -> wire.ConsentScope:
    message = wire.ConsentScope(
        data=scope.data,
        channels=scope.channels,
        controller=scope.controller,
        regime=scope.regime,
    )
    # Members of a oneof are set only where they hold something: setting chooses them.
    if scope.purpose:
        message.purpose = scope.purpose
    elif scope.tag:
        message.tag = scope.tag
    for recipient in scope.recipients:
        if recipient.id:
            message.recipients.add(id=recipient.id)
        elif recipient.role:
            message.recipients.add(role=recipient.role)
        else:
            message.recipients.add(country=recipient.country)
    return message


def decode_recorded(message: wire.RecordedConsentEvent) -> ConsentEvent:
    """An event that a ledger node recorded; of nobody where its personal part was erased.

    Raises:
        ValueError: it is not one that this program knows.
    """
    said = message.event
    if said.kind not in _KINDS or said.by not in _AUTHORS:
        raise ValueError("an event of an unknown kind")
    scope = said.scope
    return ConsentEvent(
        kind=_KINDS[said.kind],
        data_subject_id=said.subject,
        scope=Scope(
            purpose=scope.purpose,
            tag=scope.tag,
            data=tuple(scope.data),
            channels=tuple(scope.channels),
            recipients=tuple(
                RecipientScope(id=r.id, role=r.role, country=r.country) for r in scope.recipients
            ),
            controller=scope.controller,
            regime=scope.regime,
        ),
        happened_at_us=micros_of(said.happened_at),
        received_at_us=micros_of(message.received_at),
        position=message.position,
        event_id=message.event_id,
        idempotency_key=said.idempotency_key,
        qualities=frozenset(said.qualities),
        notice=said.notice,
        listed=tuple(said.listed),
        by=_AUTHORS[said.by],
        expires_at_us=micros_of(said.expires_at) if said.HasField("expires_at") else None,
        proof=Proof(
            method=said.proof.method,
            source=said.proof.source,
            channel=said.proof.channel,
            recorded_by=said.proof.recorded_by,
            reference=said.proof.reference,
        ),
    )


def encode_unrecorded(event: ConsentEvent) -> wire.ConsentEvent:
    """An event on its way to a ledger; one without a time of its own says none."""
    message = encode_event(event).event
    if event.happened_at_us == UNSET_TIME:
        message.ClearField("happened_at")
    return message


def encode_event(event: ConsentEvent) -> wire.RecordedConsentEvent:
    """The event as recorded, with the ledger's own marks."""
    message = wire.ConsentEvent(
        kind=_KIND_NUMBERS[event.kind],
        subject=event.data_subject_id,
        scope=_encode_scope(event.scope),
        happened_at=timestamp_of(event.happened_at_us),
        qualities=sorted(event.qualities),
        notice=event.notice,
        listed=event.listed,
        by=_AUTHOR_NUMBERS[event.by],
        expires_at=None if event.expires_at_us is None else timestamp_of(event.expires_at_us),
        idempotency_key=event.idempotency_key,
    )
    if event.proof != Proof():
        proof = event.proof
        message.proof.CopyFrom(
            wire.Proof(
                method=proof.method,
                source=proof.source,
                channel=proof.channel,
                recorded_by=proof.recorded_by,
                reference=proof.reference,
            )
        )
    return wire.RecordedConsentEvent(
        event=message,
        event_id=event.event_id,
        position=event.position,
        received_at=timestamp_of(event.received_at_us),
    )
