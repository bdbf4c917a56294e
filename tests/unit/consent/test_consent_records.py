"""Records and receipts: every mandatory field is there, and what nobody said is not made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consentry.consent.receipts import ReceiptIssuer, look_into_receipt, open_receipt
from consentry.consent.records import (
    NOT_STATED,
    PurposeFacts,
    RecordFacts,
    consent_record,
    group_events,
    unstated_fields,
)
from consentry.consent.signing import BadSignatureError, KeyFolder
from consentry.model.consent import Author, EventKind, Proof, RecipientScope, Scope
from tests.support.consent_events import FakeClock, day, event, gave, withdrew

FACTS = RecordFacts(
    controller="Juniper & Finch GmbH",
    country="DE",
    address="Hafenstr. 1, Kiel",
    contact="privacy@juniperandfinch.example",
    notice_page="https://juniperandfinch.example/privacy",
    language="en",
    storage_locations=("DE",),
    withdrawal="In your account, under Privacy.",
    purposes={
        "marketing": PurposeFacts(
            text="Tell you of offers", uses=("marketing",), basis="consent", keep="P24M",
            lasts="P12M",
        )
    },
    data_texts={"customer.email": "Your e-mail address"},
)  # fmt: skip
SAID = gave(
    1,
    event_id="e1",
    position=7,
    notice="2026-03",
    scope=Scope(
        purpose="marketing",
        data=("customer.email",),
        recipients=(RecipientScope(role="mailer"),),
    ),
    proof=Proof(method="web form", recorded_by="shop", reference="form 12"),
    by=Author.GUARDIAN,
    qualities=frozenset({"explicit"}),
)
# Mandatory by the guide's mapping of ISO/IEC TS 27560, where they stand in ours.
MANDATORY = {
    "schema_version": ("dct:conformsTo",),
    "record_id": ("dct:identifier",),
    "pii_principal_id": ("dpv:hasDataSubject", "dct:identifier"),
    "privacy_notice": ("dpv:hasNotice", "dct:identifier"),
    "language": ("dpv:hasNotice", "dct:language"),
    "purpose": ("dpv:hasProcess", "dpv:hasPurpose"),
    "pii_information": ("dpv:hasProcess", "dpv:hasPersonalData"),
    "pii_controllers": ("dpv:hasDataController",),
    "storage_locations": ("dpv:hasProcess", "dpv:hasStorageCondition", 0, "dpv:hasLocation"),
    "retention_period": ("dpv:hasProcess", "dpv:hasStorageCondition", 1, "dpv:hasDuration"),
    "jurisdiction": ("dpv:hasJurisdiction",),
    "recipient_third_parties": ("dpv:hasProcess", "dpv:hasRecipient"),
    "withdrawal_method": ("dpv:hasConsentControl", "dct:description"),
    "party_id": ("dpv:hasDataController", "dct:identifier"),
    "party_name": ("dpv:hasDataController", "dpv:hasName"),
    "party_address": ("dpv:hasDataController", "dpv:hasAddress"),
    "party_contact": ("dpv:hasDataController", "dpv:hasContact"),
    "party_type": ("dpv:hasDataController", "@type"),
    "event_time": ("dpv:hasStatus", 0, "dpv:isIndicatedAtTime"),
    "validity_duration": ("dpv:hasStatus", 0, "dpv:hasDuration"),
    "entity_id": ("dpv:hasStatus", 0, "dpv:isIndicatedBy"),
    "event_type": ("dpv:hasStatus", 0, "consentry:expressedAs"),
    "event_state": ("dpv:hasStatus", 0, "@type"),
}


def at(record: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        record = record[step]
    return record


@pytest.mark.parametrize("field", MANDATORY)
@pytest.mark.parametrize("facts", [FACTS, RecordFacts()])
def test_mandatory_field_is_there_whatever_is_known(facts: RecordFacts, field: str) -> None:
    bare = event(EventKind.REFUSED, 1, event_id="e1", proof=Proof())

    for one in (SAID, bare):
        assert at(consent_record([one], facts), MANDATORY[field])


def test_record_with_everything_said_leaves_nothing_open() -> None:
    assert unstated_fields(consent_record([SAID], FACTS)) == ()


def test_what_nobody_said_is_told_as_such() -> None:
    record = consent_record([replace(SAID, notice="", proof=Proof())], RecordFacts())

    missing = unstated_fields(record)
    assert "/dpv:hasNotice/dct:identifier" in missing
    assert "/dpv:hasStatus/dpv:hasIndicationMethod" in missing
    assert "/dpv:hasProcess/dpv:hasStorageCondition/dpv:hasLocation" in missing
    assert record["dpv:hasDataController"]["dpv:hasAddress"] == NOT_STATED


def test_record_tells_the_whole_life_of_a_consent() -> None:
    life = [replace(SAID, kind=EventKind.REQUESTED), SAID, replace(withdrew(9), event_id="e9")]

    record = consent_record(life, FACTS)

    states = [status["@type"] for status in record["dpv:hasStatus"]]
    assert states == ["dpv:ConsentRequested", "dpv:ConsentGiven", "dpv:ConsentWithdrawn"]
    assert record["dct:identifier"] == "e1"
    assert record["dpv:hasStatus"][1]["dpv:isIndicatedBy"] == "dpv:GuardianOfDataSubject"
    assert record["dpv:hasStatus"][1]["consentry:expressedAs"] == "dpv:ExplicitlyExpressedConsent"
    assert record["dpv:hasStatus"][1]["dpv:hasDuration"] == "P12M"


def test_end_that_was_stated_is_the_validity() -> None:
    record = consent_record([replace(SAID, expires_at_us=day(91))], FACTS)

    assert record["dpv:hasStatus"][0]["dpv:hasDuration"] == "P90D"


def test_each_thing_agreed_to_has_a_record_of_its_own() -> None:
    events = [gave(1), gave(2, "service"), withdrew(3), event(EventKind.OBJECTED, 4)]

    groups = group_events(events)

    assert [[e.kind for e in group] for group in groups] == [
        [EventKind.GIVEN, EventKind.WITHDRAWN],
        [EventKind.GIVEN],
    ]


def test_receipt_is_a_signed_copy_of_the_record(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    folder.generate()
    issuer = ReceiptIssuer(lambda: "ledger-1", folder.find_signer, FakeClock())

    issued = issuer.issue([SAID], FACTS)

    assert issued is not None
    receipt, key_id = open_receipt(issued[0], folder.public_keys())
    assert key_id == issued[1]
    assert receipt["dpv:hasRecordOfActivity"] == consent_record([SAID], FACTS)
    assert (receipt["consentry:ledger"], receipt["consentry:position"]) == ("ledger-1", 7)
    assert receipt["dct:conformsTo"].endswith("#receipt")


def test_without_a_key_there_is_no_receipt(tmp_path: Path) -> None:
    issuer = ReceiptIssuer(lambda: "ledger-1", KeyFolder(tmp_path).find_signer, FakeClock())

    assert issuer.issue([SAID], FACTS) is None


def test_signed_text_that_is_no_receipt_is_refused(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    folder.generate()
    signer = folder.find_signer()
    assert signer is not None
    for payload in (b"{}", b"[]", b"text", b'{"@type":"dpv:ConsentRecord"}'):
        text = signer.sign(payload, "x")
        with pytest.raises(BadSignatureError):
            open_receipt(text, folder.public_keys())
        with pytest.raises(BadSignatureError):
            look_into_receipt(text)
