"""ConsentService, the keeping of the ledger: is it whole, and forgetting a person."""

from __future__ import annotations

from typing import Final

from consentry.server.calls import Call, RawBehaviour, typed
from consentry.server.faults import Faults
from consentry.server.health import CONSENT_SERVICE
from consentry.server.ports import ConsentLedger, Eraser, LedgerVerifier, Verified
from consentry.server.wire_values import timestamp_of
from consentry.v1 import consent_pb2 as wire


class LedgerMethods:
    """Behaviours of a sidecar that keeps the ledger itself; any thread may run them."""

    def __init__(self, *, ledger: ConsentLedger, eraser: Eraser, verifier: LedgerVerifier) -> None:
        self._ledger: Final = ledger
        self._eraser: Final = eraser
        self._verifier: Final = verifier

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        return {
            f"/{CONSENT_SERVICE}/VerifyLedger": typed(wire.VerifyLedgerRequest, self.verify),
            f"/{CONSENT_SERVICE}/ErasePersonalData": typed(
                wire.ErasePersonalDataRequest, self.erase
            ),
        }

    def verify(self, request: wire.VerifyLedgerRequest, _call: Call) -> wire.VerifyLedgerResponse:
        """How far the chain has been verified; comes back at once."""
        if request.again:
            self._verifier.again()
        progress = self._verifier.progress
        return wire.VerifyLedgerResponse(
            verified_position=progress.position,
            digest=progress.digest,
            ledger_position=self._ledger.position(),
            erased_count=progress.erased_count,
            is_done=progress.is_done,
            fault=_fault(progress),
            started_at=timestamp_of(progress.started_at_us) if progress.started_at_us else None,
            ended_at=timestamp_of(progress.ended_at_us) if progress.ended_at_us else None,
        )

    def erase(
        self, request: wire.ErasePersonalDataRequest, _call: Call
    ) -> wire.ErasePersonalDataResponse:
        """Forgets a person; comes back when that is durable.

        Raises:
            RequestError: there is no subject.
            RightsStandError: an objection or the like would be forgotten with the person.
            LedgerError: the ledger could not be written.
        """
        faults = Faults()
        faults.check_required(request.subject, "subject")
        faults.raise_if_any()
        erased = self._eraser.erase(request.subject, with_rights=request.with_rights)
        return wire.ErasePersonalDataResponse(
            erased_count=erased.count, ledger_position=self._ledger.position()
        )


def _fault(progress: Verified) -> wire.LedgerFault | None:
    if progress.fault is None:
        return None
    return wire.LedgerFault(position=progress.fault.position or 0, code=progress.fault.code)
