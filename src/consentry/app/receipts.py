"""Puts together what issues receipts."""

from __future__ import annotations

from consentry.app.ledgers import OpenLedger
from consentry.app.settings import Settings
from consentry.consent.receipts import ReceiptIssuer
from consentry.consent.signing import KeyFolder
from consentry.model.ports import Clock
from consentry.publish.record_facts import HouseFacts
from consentry.server.ports import Policies
from consentry.server.receipt_service import ReceiptMethods


def receipt_services(
    settings: Settings, opened: OpenLedger, policies: Policies, clock: Clock
) -> tuple[ReceiptMethods, ...]:
    """The service, where the sidecar keeps the ledger itself; none beside a ledger of others."""
    if opened.find_ledger_id is None:
        return ()
    keys = KeyFolder(settings.receipt_keys)
    issuer = ReceiptIssuer(opened.find_ledger_id, keys.find_signer, clock)
    house = house_facts(settings)
    ledger = opened.ledger
    return (ReceiptMethods(ledger=ledger, policies=policies, issuer=issuer, house=house),)


def house_facts(settings: Settings) -> HouseFacts:
    """What records tell beyond the policies, in plain values."""
    receipts = settings.receipts
    return HouseFacts(
        address=receipts.address,
        language=receipts.language,
        jurisdictions=receipts.jurisdictions,
        storage_locations=receipts.storage_locations,
        withdrawal=receipts.withdrawal,
    )
