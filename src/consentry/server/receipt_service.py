"""ConsentService, receipts: what a person can keep of an event."""

from __future__ import annotations

import logging
from typing import Final

from consentry.consent.receipts import ReceiptIssuer
from consentry.consent.records import is_of_consent, target_of
from consentry.consent.signing import KeyFileError, SigningUnavailableError
from consentry.model.consent import ConsentEvent
from consentry.pdp.errors import NotReadyError
from consentry.publish.record_facts import HouseFacts, record_facts
from consentry.server.callers import Right, covers
from consentry.server.calls import Call, RawBehaviour, typed
from consentry.server.errors import NoSigningKeyError, UnknownEventError
from consentry.server.faults import Faults
from consentry.server.health import CONSENT_SERVICE
from consentry.server.ports import ConsentLedger, Policies
from consentry.v1 import consent_pb2 as wire

log = logging.getLogger(__name__)

_PAGE: Final = 1_000


class ReceiptMethods:
    """Behaviours; any thread may run them."""

    def __init__(
        self,
        *,
        ledger: ConsentLedger,
        policies: Policies,
        issuer: ReceiptIssuer,
        house: HouseFacts,
    ) -> None:
        self._ledger: Final = ledger
        self._policies: Final = policies
        self._issuer: Final = issuer
        self._house: Final = house

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        return {f"/{CONSENT_SERVICE}/GetReceipt": typed(wire.GetReceiptRequest, self.get_receipt)}

    def get_receipt(self, request: wire.GetReceiptRequest, call: Call) -> wire.GetReceiptResponse:
        """The receipt of one event of consent, with what came before it about the same.

        Raises:
            RequestError: subject or event id is missing.
            UnknownEventError: the person has no such event of consent.
            NoSigningKeyError: there is no key yet.
        """
        faults = Faults()
        faults.check_required(request.subject, "subject")
        faults.check_required(request.event_id, "event_id")
        faults.raise_if_any()
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        events = self._events_up_to(request.subject, request.event_id)
        mine = call.caller.identity.purposes_of(Right.READ_CONSENT)
        if not all(covers(mine, event.scope.purpose or "") for event in events):
            raise UnknownEventError  # of another's purpose: as if it were not there
        try:
            issued = self._issuer.issue(events, record_facts(active.program, self._house))
        except (KeyFileError, SigningUnavailableError) as problem:
            log.exception("signing_key_unusable")
            raise NoSigningKeyError from problem
        if issued is None:
            raise NoSigningKeyError
        receipt, key_id = issued
        return wire.GetReceiptResponse(receipt=receipt, key_id=key_id)

    def _events_up_to(self, data_subject_id: str, event_id: str) -> list[ConsentEvent]:
        before: list[ConsentEvent] = []
        after = 0
        while page := self._ledger.list_events(data_subject_id, after, _PAGE):
            for event in page:
                if not is_of_consent(event):
                    continue
                before.append(event)
                if event.event_id == event_id:
                    return [e for e in before if target_of(e) == target_of(event)]
            after = page[-1].position
        raise UnknownEventError
