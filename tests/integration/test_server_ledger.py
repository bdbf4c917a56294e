"""Recording into, verifying and erasing from a real ledger over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from server_world import CONSENT, World, call, channel_to, gave, outcome, serving

from consentry.consent.receipts import ReceiptIssuer, open_receipt
from consentry.consent.signing import KeyFolder
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.verifier import Verifier
from consentry.publish.record_facts import HouseFacts
from consentry.server.ledger_service import LedgerMethods
from consentry.server.receipt_service import ReceiptMethods
from consentry.v1 import consent_pb2
from tests.support.consent_events import FakeClock, FakeIds

NARROWS = consent_pb2.EVENT_KIND_WITHDRAWN


class Kept:
    """A world over a ledger file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)
        self.verifier = Verifier(self.ledger, FakeClock(), pause_s=0.0)
        keeping = LedgerMethods(ledger=self.ledger, eraser=self.ledger, verifier=self.verifier)
        self.keys = KeyFolder(path.parent / "keys")
        self.world = World(ledger=self.ledger)  # type: ignore[arg-type]
        issuer = ReceiptIssuer(lambda: self.ledger.ledger_id, self.keys.find_signer, FakeClock())
        receipts = ReceiptMethods(
            ledger=self.ledger,
            policies=self.world.policies,
            issuer=issuer,
            house=HouseFacts(),
        )
        self.world.further = (keeping, receipts)

    def call(self, method: str, request: object) -> bytes:
        with channel_to(self.world.bound.grpc[0]) as channel:
            return call(channel, CONSENT + method, request.SerializeToString())  # type: ignore[attr-defined]

    def refusal(self, method: str, request: object) -> grpc.RpcError:
        with channel_to(self.world.bound.grpc[0]) as channel:
            return outcome(channel, CONSENT + method, request.SerializeToString())  # type: ignore[attr-defined]

    def record(self, *events: consent_pb2.ConsentEvent) -> consent_pb2.RecordConsentResponse:
        raw = self.call("RecordConsent", consent_pb2.RecordConsentRequest(events=events))
        return consent_pb2.RecordConsentResponse.FromString(raw)

    def verified(self, *, again: bool = False) -> consent_pb2.VerifyLedgerResponse:
        """The answer once the walk has ended."""
        pause = threading.Event()
        for _ in range(20_000):
            raw = self.call("VerifyLedger", consent_pb2.VerifyLedgerRequest(again=again))
            answer = consent_pb2.VerifyLedgerResponse.FromString(raw)
            again = False
            if answer.HasField("ended_at"):
                return answer
            pause.wait(0.001)
        raise AssertionError("the walk does not end")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "ledger.db")
    with serving(made.world, health_listen=None, http_listen=None):
        yield made
    made.verifier.close()
    made.ledger.close()


def reasons(problem: grpc.RpcError) -> list[str]:
    status = rpc_status.from_call(problem)
    assert status is not None
    details, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    if status.details[0].Unpack(details):
        return [f"{v.field}: {v.reason}" for v in details.field_violations]
    assert status.details[0].Unpack(info)
    return [info.reason]


def test_same_key_and_content_is_answered_as_the_first_time(kept: Kept) -> None:
    event = gave("k1", notice="2026-03")
    event.proof.method = "web_form"
    first = kept.record(event).recorded[0]

    again = kept.record(event).recorded[0]

    assert (again.event_id, again.position) == (first.event_id, first.position)
    assert again.received_at == first.received_at
    assert (first.is_replay, again.is_replay) == (False, True)


@pytest.mark.parametrize(
    "change", ["notice", "proof", "expiry", "guardian", "scope", "quality", "time"]
)
def test_same_key_with_other_content_already_exists(kept: Kept, change: str) -> None:
    kept.record(gave("k1"))
    other = gave("k1")
    match change:
        case "notice":
            other.notice = "2"
        case "proof":
            other.proof.recorded_by = "clerk-7"
        case "expiry":
            other.expires_at.seconds = 1_900_000_000
        case "guardian":
            other.by = consent_pb2.AUTHOR_GUARDIAN
        case "scope":
            other.scope.channels.append("email")
        case "quality":
            other.qualities.append("explicit")
        case _:
            other.happened_at.seconds = 1_600_000_000

    refused = kept.refusal("RecordConsent", consent_pb2.RecordConsentRequest(events=[other]))

    assert refused.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reasons(refused) == ["events[0].idempotency_key: idempotency_conflict"]
    assert kept.ledger.position() == 1


def test_everything_that_was_said_of_an_event_comes_back(kept: Kept) -> None:
    event = gave(
        "k1", notice="2026-03", by=consent_pb2.AUTHOR_JOINT, qualities=["explicit", "informed"]
    )
    event.happened_at.seconds = 1_600_000_000
    event.expires_at.seconds = 1_900_000_000
    for part in ("method", "source", "channel", "recorded_by", "reference"):
        setattr(event.proof, part, f"the {part}")
    kept.record(event)

    raw = kept.call(
        "ListConsentEvents", consent_pb2.ListConsentEventsRequest(subject=event.subject)
    )

    assert consent_pb2.ListConsentEventsResponse.FromString(raw).events[0].event == event


def test_ledger_is_verified_behind_the_doors(kept: Kept) -> None:
    kept.record(*(gave(f"k{n}") for n in range(1_000)))
    kept.verifier.start()

    first = kept.verified()
    kept.record(gave("later"))
    again = kept.verified(again=True)

    assert (first.verified_position, first.is_done, first.HasField("fault")) == (1_000, True, False)
    assert (again.verified_position, again.ledger_position) == (1_001, 1_001)
    assert len(again.digest) == 32
    assert again.digest != first.digest


def test_damage_is_placed_and_nothing_is_served_from_then_on(kept: Kept) -> None:
    kept.record(*(gave(f"k{n}") for n in range(10)))
    other = apsw.Connection(str(kept.path))
    other.execute("DROP TRIGGER event_is_never_changed")
    other.execute("UPDATE event SET public = x'7b7d' WHERE position = 7")
    other.close()
    kept.verifier.start()

    answer = kept.verified()

    assert (answer.fault.position, answer.fault.code) == (7, "chain_broken")
    get = kept.refusal("GetConsent", consent_pb2.GetConsentRequest(subject="ada"))
    assert get.code() is grpc.StatusCode.UNAVAILABLE
    record = kept.refusal("RecordConsent", consent_pb2.RecordConsentRequest(events=[gave("x")]))
    assert (record.code(), reasons(record)) == (grpc.StatusCode.DATA_LOSS, ["ledger_corrupt"])


def test_person_is_forgotten_over_the_wire(kept: Kept) -> None:
    kept.record(gave("k1"), gave("k2"), gave("k3", subject="bob"))

    raw = kept.call("ErasePersonalData", consent_pb2.ErasePersonalDataRequest(subject="ada"))

    answer = consent_pb2.ErasePersonalDataResponse.FromString(raw)
    assert (answer.erased_count, answer.ledger_position) == (2, 4)
    raw = kept.call("ListConsentEvents", consent_pb2.ListConsentEventsRequest(subject="ada"))
    assert not consent_pb2.ListConsentEventsResponse.FromString(raw).events


def test_standing_objection_keeps_a_person_from_being_forgotten(kept: Kept) -> None:
    kept.record(gave("k1", kind=consent_pb2.EVENT_KIND_OBJECTED))
    request = consent_pb2.ErasePersonalDataRequest(subject="ada")

    refused = kept.refusal("ErasePersonalData", request)
    request.with_rights = True
    raw = kept.call("ErasePersonalData", request)

    assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reasons(refused) == ["with_rights: rights_stand"]
    assert consent_pb2.ErasePersonalDataResponse.FromString(raw).erased_count == 1


def test_nobody_cannot_be_forgotten(kept: Kept) -> None:
    refused = kept.refusal("ErasePersonalData", consent_pb2.ErasePersonalDataRequest())

    assert reasons(refused) == ["subject: required"]


def test_receipt_comes_over_the_wire_and_verifies_without_the_sidecar(kept: Kept) -> None:
    kept.record(gave("k1"), gave("k2", subject="bob"))
    kept.record(gave("k3", kind=NARROWS))
    kept.keys.generate()

    raw = kept.call("GetReceipt", consent_pb2.GetReceiptRequest(subject="ada", event_id="e3"))

    answer = consent_pb2.GetReceiptResponse.FromString(raw)
    receipt, key_id = open_receipt(answer.receipt, kept.keys.public_keys())
    assert key_id == answer.key_id
    record = receipt["dpv:hasRecordOfActivity"]
    assert record["dpv:hasDataSubject"]["dct:identifier"] == "ada"
    assert [status["dct:identifier"] for status in record["dpv:hasStatus"]] == ["e1", "e3"]


def test_receipt_without_a_key_is_a_failed_precondition(kept: Kept) -> None:
    kept.record(gave("k1"))

    refused = kept.refusal(
        "GetReceipt", consent_pb2.GetReceiptRequest(subject="ada", event_id="e1")
    )

    assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reasons(refused) == ["no_signing_key"]


@pytest.mark.parametrize(("subject", "event_id"), [("bob", "e1"), ("ada", "e9"), ("ada", "e2")])
def test_receipt_of_what_the_person_did_not_agree_to_is_not_found(
    kept: Kept, subject: str, event_id: str
) -> None:
    """Another person's event, none at all, and an objection, which is no consent."""
    kept.record(gave("k1"), gave("k2", kind=consent_pb2.EVENT_KIND_OBJECTED))
    kept.keys.generate()

    refused = kept.refusal(
        "GetReceipt", consent_pb2.GetReceiptRequest(subject=subject, event_id=event_id)
    )

    assert refused.code() is grpc.StatusCode.NOT_FOUND
