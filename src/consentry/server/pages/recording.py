"""A choice as an event of the ledger: recorded as a call of the consent service would be."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from consentry.consent.errors import IdempotencyConflictError
from consentry.model.program import Program
from consentry.model.trees import PurposeNode
from consentry.publish.choices import EVENT_KINDS, Choice, told_of
from consentry.server.calls import NO_CALL
from consentry.server.consent_service import ConsentMethods
from consentry.v1 import consent_pb2 as wire

METHOD: Final = "preference_page"


def choice_event(
    program: Program, node: PurposeNode, choice: Choice, data_subject_id: str, *, place: str
) -> wire.ConsentEvent:
    """The event; `place` is where the page stands. A consent names what the page told of it."""
    kind = wire.EventKind.Value(f"EVENT_KIND_{EVENT_KINDS[choice].name}")
    event = wire.ConsentEvent(
        kind=kind,
        subject=data_subject_id,
        scope=wire.ConsentScope(purpose=node.path),
        by=wire.AUTHOR_DATA_SUBJECT,
        proof=wire.Proof(
            method=METHOD,
            source=place,
            channel="web",
            recorded_by="consentry",
            reference=f"policies {program.digest[:16]}",
        ),
    )
    if choice is Choice.GIVE:
        told = told_of(program, node)
        # One press on a button of its own, beside the words that it is about.
        event.qualities.append("explicit")
        event.notice = node.notice or ""
        event.listed.extend(told.listed)
        event.scope.data.extend(told.data)
        for recipient in told.recipients:
            event.scope.recipients.add(
                **{
                    part: value
                    for part in ("id", "role", "country")
                    if (value := getattr(recipient, part))
                }
            )
    elif choice is Choice.REFUSE:
        event.notice = node.notice or ""
    return event


class Recorder:
    """Records choices, a press that is sent twice once. Any thread may use it."""

    def __init__(self, consent: ConsentMethods) -> None:
        self._consent: Final = consent

    def record(self, event: wire.ConsentEvent, seen: int, newest: int) -> int:
        """Position of the event on the ledger, once it is durable.

        `seen` is the position of the newest event that the page showed, `newest` that of now. The
        same press on the same page is one event; a press on a page from before other choices is a
        new one, since whoever presses means what then is.

        Raises:
            RequestError, UnknownNameError, NotReadyError, LedgerError: as `RecordConsent`.
        """
        event.idempotency_key = _key(event, seen)
        try:
            recorded = self._send(event)
        except IdempotencyConflictError:  # the policies changed in between, and so what was told
            event.idempotency_key = f"page-{secrets.token_hex(16)}"
            recorded = self._send(event)
        if recorded.is_replay and newest > recorded.position:
            event.idempotency_key = _key(event, newest)
            recorded = self._send(event)
        return recorded.position

    def _send(self, event: wire.ConsentEvent) -> wire.RecordedEvent:
        request = wire.RecordConsentRequest(events=[event])
        return self._consent.record_consent(request, NO_CALL).recorded[0]


def _key(event: wire.ConsentEvent, revision: int) -> str:
    said = f"{event.subject}\0{event.scope.purpose}\0{event.kind}\0{revision}"
    return f"page-{hashlib.sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
