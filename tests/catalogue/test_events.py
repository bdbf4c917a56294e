"""Bad consent events are refused as a whole; odd ones are recorded byte for byte."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Final

import pytest

from consentry.v1 import consent_pb2
from tests.catalogue.target import CANARY, CONSENT, Target, Told

RECORD: Final = CONSENT + "RecordConsent"
HISTORY: Final = CONSENT + "ListConsentEvents"
NUMBERS: Final = count(1)
DAY_S: Final = 86_400
Change = Callable[[consent_pb2.ConsentEvent], object]


def event(
    change: Change = lambda _: None, subject: str = "catalogue-1"
) -> consent_pb2.ConsentEvent:
    """A good event with a key of its own, changed."""
    made = consent_pb2.ConsentEvent(
        kind=consent_pb2.EVENT_KIND_GIVEN,
        subject=subject,
        scope=consent_pb2.ConsentScope(purpose="marketing.email"),
        proof=consent_pb2.Proof(method="form"),
        idempotency_key=f"catalogue-{next(NUMBERS)}",
    )
    change(made)
    return made


def record(target: Target, *events: consent_pb2.ConsentEvent) -> Told:
    request = consent_pb2.RecordConsentRequest(events=events)
    return target.call(RECORD, request.SerializeToString())


def at(field: str, seconds: float) -> Change:
    """Sets a time, counted from now where it is small."""
    absolute = int(seconds if abs(seconds) > 10**9 else time.time() + seconds)
    return lambda e: setattr(getattr(e, field), "seconds", absolute)


def text(field: str, value: str) -> Change:
    def change(made: consent_pb2.ConsentEvent) -> None:
        owner, _, name = field.rpartition(".")
        setattr(getattr(made, owner) if owner else made, name, value)

    return change


INVALID, EXHAUSTED = "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"
BAD: Final[dict[str, tuple[Change, str, str]]] = {
    "C7": (
        text("scope.purpose", "nobody.knows"),
        "FAILED_PRECONDITION",
        "events[0].scope.purpose: purpose_unknown",
    ),
    "C10": (at("happened_at", 3_600), INVALID, "events[0].happened_at: in_future"),
    "C12": (at("expires_at", -3 * DAY_S), INVALID, "events[0].expires_at: not_after_start"),
    "C13a": (at("expires_at", 253_402_214_400), INVALID, "events[0].expires_at: bad_time"),
    "C13b": (at("happened_at", -62_135_596_800), INVALID, "events[0].happened_at: bad_time"),
    "C13c": (at("expires_at", 2**62), INVALID, "events[0].expires_at: bad_time"),
    "C15": (
        text("proof.reference", "x" * 65_537),
        EXHAUSTED,
        "events[0].proof.reference: too_long",
    ),
    "C16a": (
        text("proof.reference", f"{CANARY}\0"),
        INVALID,
        "events[0].proof.reference: control_character",
    ),
    "kind": (lambda e: setattr(e, "kind", 99), INVALID, "events[0].kind: unknown_value"),
    "nobody": (text("subject", ""), INVALID, "events[0].subject: required"),
    "no key": (text("idempotency_key", ""), INVALID, "events[0].idempotency_key: required"),
    "line": (text("subject", f"{CANARY}\nx"), INVALID, "events[0].subject: control_character"),
    "bidi": (text("subject", f"{CANARY}\u202e"), INVALID, "events[0].subject: bidi_control"),
    "edge": (text("subject", f" {CANARY}"), INVALID, "events[0].subject: edge_whitespace"),
    "form": (text("subject", f"{CANARY}e\u0301"), INVALID, "events[0].subject: not_nfc"),
}


@pytest.mark.parametrize("row", BAD)
def test_bad_event(row: str, target: Target) -> None:
    change, code, says = BAD[row]
    with target.unharmed():
        told = record(target, event(change))
        assert told.code == code, told
        assert says in told.violations, told
        assert CANARY not in told.details


def test_half_a_character_in_the_evidence_is_refused(target: Target) -> None:
    raw = consent_pb2.RecordConsentRequest(
        events=[event(text("proof.reference", "aaa"))]
    ).SerializeToString()
    with target.unharmed():
        told = target.call(RECORD, raw.replace(b"aaa", b"\xed\xa0\x80"))
        assert (told.code, told.violations) == (INVALID, (": malformed_message",))


def test_batch_of_too_many_is_refused_whole(target: Target) -> None:
    with target.unharmed():
        told = record(target, *(event() for _ in range(1_001)))
        assert told.code == EXHAUSTED, told


def test_one_bad_event_refuses_its_batch_by_its_index(target: Target) -> None:
    with target.unharmed():
        told = record(target, event(), event(), event(text("subject", "")), event())
        assert "events[2].subject: required" in told.violations


def test_withdrawal_of_what_was_never_given_is_recorded(target: Target) -> None:
    with target.unharmed(events=1):
        assert (
            record(
                target,
                event(
                    lambda e: setattr(e, "kind", consent_pb2.EVENT_KIND_WITHDRAWN), "catalogue-2"
                ),
            ).code
            == "OK"
        )


def test_consent_of_the_past_does_not_undo_a_later_withdrawal(target: Target) -> None:
    name = "catalogue-3"
    kinds = consent_pb2.EventKind
    withdrawal = event(lambda e: setattr(e, "kind", kinds.EVENT_KIND_WITHDRAWN), name)
    with target.unharmed(events=2):
        assert record(target, withdrawal).code == "OK"
        assert record(target, event(at("happened_at", -DAY_S), name)).code == "OK"
        request = consent_pb2.GetConsentRequest(subject=name, purposes=["marketing.email"])
        told = target.call(CONSENT + "GetConsent", request.SerializeToString())
    (told_purpose,) = consent_pb2.GetConsentResponse.FromString(told.answer).purposes
    assert told_purpose.state == "consent_withdrawn"


@pytest.mark.parametrize(
    "name",
    [
        "'; DROP TABLE event; --",
        "../../../etc/passwd",
        "%s%n{0}",
        "${jndi:x}",
        "=cmd|' /C calc'!A0",
    ],
)
def test_id_that_looks_like_something_else_comes_back_byte_for_byte(
    name: str, target: Target
) -> None:
    with target.unharmed(events=1):
        assert record(target, event(subject=name)).code == "OK"
        request = consent_pb2.ListConsentEventsRequest(subject=name)
        told = target.call(HISTORY, request.SerializeToString())
        found = consent_pb2.ListConsentEventsResponse.FromString(told.answer)
        assert name in str(found) or name.encode() in told.answer


def test_same_key_and_content_is_recorded_once_and_other_content_is_refused(target: Target) -> None:
    made = event(subject="catalogue-4")
    with target.unharmed(events=1):
        first, again = record(target, made), record(target, made)
        made.subject = "catalogue-5"
        other = record(target, made)
    positions = {
        consent_pb2.RecordConsentResponse.FromString(told.answer).recorded[0].position
        for told in (first, again)
    }
    assert len(positions) == 1
    assert (other.code, other.violations) == (
        "ALREADY_EXISTS",
        ("events[0].idempotency_key: idempotency_conflict",),
    )
