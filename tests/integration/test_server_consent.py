"""ConsentService over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from server_world import CONSENT, NOW_US, World, call, channel_to, gave, outcome, serving

from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import Author, EventKind
from consentry.v1 import consent_pb2
from tests.support.consent_events import FakeClock, FakeIds
from tests.support.consent_events import gave as consented


@pytest.fixture
def world() -> Iterator[World]:
    with serving(health_listen=None, http_listen=None) as running:
        yield running


def record(world: World, *events: consent_pb2.ConsentEvent) -> consent_pb2.RecordConsentResponse:
    request = consent_pb2.RecordConsentRequest(events=events)
    with channel_to(world.bound.grpc[0]) as channel:
        raw = call(channel, CONSENT + "RecordConsent", request.SerializeToString())
    return consent_pb2.RecordConsentResponse.FromString(raw)


def refused(
    world: World, *events: consent_pb2.ConsentEvent
) -> tuple[grpc.StatusCode, dict[str, str]]:
    request = consent_pb2.RecordConsentRequest(events=events)
    with channel_to(world.bound.grpc[0]) as channel:
        problem = outcome(channel, CONSENT + "RecordConsent", request.SerializeToString())
    return problem.code(), reasons(problem)


def reasons(problem: grpc.RpcError) -> dict[str, str]:
    status = rpc_status.from_call(problem)
    assert status is not None
    details = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(details)
    return {v.field: v.reason for v in details.field_violations}


def get(world: World, **fields: object) -> consent_pb2.GetConsentResponse:
    request = consent_pb2.GetConsentRequest(**fields)  # type: ignore[arg-type]
    with channel_to(world.bound.grpc[0]) as channel:
        raw = call(channel, CONSENT + "GetConsent", request.SerializeToString())
    return consent_pb2.GetConsentResponse.FromString(raw)


def listed(world: World, **fields: object) -> consent_pb2.ListConsentEventsResponse:
    request = consent_pb2.ListConsentEventsRequest(**fields)  # type: ignore[arg-type]
    with channel_to(world.bound.grpc[0]) as channel:
        raw = call(channel, CONSENT + "ListConsentEvents", request.SerializeToString())
    return consent_pb2.ListConsentEventsResponse.FromString(raw)


def test_event_is_recorded_as_it_was_told(world: World) -> None:
    event = gave(qualities=["explicit"], notice="2026-03", by=consent_pb2.AUTHOR_GUARDIAN)
    event.happened_at.seconds = 1_700_000_000
    event.scope.recipients.add(country="DE")
    event.proof.method = "web_form"

    answer = record(world, event)

    assert (answer.ledger_position, answer.recorded[0].event_id) == (1, "e1")
    assert answer.recorded[0].received_at.ToMicroseconds() == NOW_US
    kept = world.ledger.events[0]
    assert (kept.kind, kept.by, kept.notice) == (EventKind.GIVEN, Author.GUARDIAN, "2026-03")
    assert kept.happened_at_us == 1_700_000_000_000_000
    assert kept.scope.recipients[0].country == "DE"
    assert kept.proof.method == "web_form"


def test_history_gives_events_back_as_they_were_told(world: World) -> None:
    event = gave(
        qualities=["explicit"], notice="2", by=consent_pb2.AUTHOR_AGENT, listed=["marketing"]
    )
    event.happened_at.seconds = 1_700_000_000
    event.scope.data.append("customer")
    event.scope.recipients.add(role="processor")
    event.proof.reference = "r-1"
    record(world, event)

    assert listed(world, subject="ada").events[0].event == event


def test_one_bad_event_refuses_all(world: World) -> None:
    code, found = refused(world, gave("a"), gave("b", subject="x\n"), gave("c"))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert found == {"events[1].subject": "control_character"}
    assert world.ledger.events == []


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("kind", "required"),
        ("subject", "required"),
        ("idempotency_key", "required"),
    ],
)
def test_event_needs_its_fields(field: str, expected: str, world: World) -> None:
    event = gave()
    event.ClearField(field)  # type: ignore[arg-type]

    assert refused(world, event)[1] == {f"events[0].{field}": expected}


def test_enums_out_of_range_are_refused(world: World) -> None:
    found = refused(world, gave(kind=99, by=77))[1]  # type: ignore[arg-type]

    assert found == {"events[0].kind": "unknown_value", "events[0].by": "unknown_value"}


@pytest.mark.parametrize("part", ["purpose", "tag", "regime"])
@pytest.mark.parametrize("kind", [consent_pb2.EVENT_KIND_GIVEN, consent_pb2.EVENT_KIND_WITHDRAWN])
def test_names_that_the_policies_lack_are_a_failed_precondition(
    kind: consent_pb2.EventKind.ValueType, part: str, world: World
) -> None:
    event = gave(kind=kind)
    setattr(event.scope, part, "treatmnt")

    assert refused(world, gave("first"), event) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        {f"events[1].scope.{part}": f"{part}_unknown"},
    )
    assert world.ledger.events == []


def test_standard_uses_of_the_policies_and_their_parents_are_known(world: World) -> None:
    event = gave()
    event.scope.purpose = "marketing.communications"

    assert record(world, event).ledger_position == 1


@pytest.mark.parametrize(
    ("count", "code"),
    [(0, grpc.StatusCode.INVALID_ARGUMENT), (1_001, grpc.StatusCode.RESOURCE_EXHAUSTED)],
)
def test_batch_of_none_or_too_many_is_refused(
    count: int, code: grpc.StatusCode, world: World
) -> None:
    assert refused(world, *[gave()] * count)[0] is code


def test_recorded_events_are_counted_by_kind(world: World) -> None:
    record(world, gave("a"), gave("b", kind=consent_pb2.EVENT_KIND_WITHDRAWN))

    assert dict(world.metrics.consent_events.series()) == {("given",): 1, ("withdrawn",): 1}


def test_state_is_told_for_each_purpose(world: World) -> None:
    record(world, gave("a"), gave("b", kind=consent_pb2.EVENT_KIND_OBJECTED))

    answer = get(world, subject="ada")

    states = {p.purpose: p for p in answer.purposes}
    assert states["marketing"].state == "consent_missing"
    assert states["marketing.email"].state == "consent_given"
    assert states["marketing.email"].event_ids == ["e1"]
    assert states["marketing.email"].rights == ["objected"]
    assert (answer.ledger_position, answer.policy_digest) == (2, "d" * 64)


def test_state_can_be_narrowed_to_purposes(world: World) -> None:
    assert [p.purpose for p in get(world, subject="ada", purposes=["marketing"]).purposes] == [
        "marketing"
    ]


def test_state_that_cannot_be_read_is_unavailable(world: World) -> None:
    world.ledger.is_available = False
    request = consent_pb2.GetConsentRequest(subject="ada")
    with channel_to(world.bound.grpc[0]) as channel:
        problem = outcome(channel, CONSENT + "GetConsent", request.SerializeToString())

    assert problem.code() is grpc.StatusCode.UNAVAILABLE


def test_history_comes_in_pages_without_gap_or_repeat(world: World) -> None:
    record(world, *(gave(f"k{i}", subject="ada" if i % 2 else "bob") for i in range(9)))

    seen, token = [], ""
    while True:
        page = listed(world, subject="bob", page_size=2, page_token=token)
        seen += [event.position for event in page.events]
        token = page.next_page_token
        if not token:
            break

    assert seen == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("flip", ["first", "last", "other person", "short", "long", "not base64"])
def test_forged_page_token_is_refused(flip: str, world: World) -> None:
    record(world, gave("a"), gave("b"))
    token = listed(world, subject="ada", page_size=1).next_page_token
    forged = {
        "first": ("B" if token[0] == "A" else "A") + token[1:],
        "last": token[:-1] + ("B" if token[-1] == "A" else "A"),
        "other person": token,
        "short": token[:-4],
        "long": token * 1000,
        "not base64": "é" + token[1:],
    }[flip]
    subject = "bob" if flip == "other person" else "ada"
    request = consent_pb2.ListConsentEventsRequest(subject=subject, page_token=forged)
    with channel_to(world.bound.grpc[0]) as channel:
        problem = outcome(channel, CONSENT + "ListConsentEvents", request.SerializeToString())

    assert problem.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reasons(problem) == {"page_token": "bad_token"}


@pytest.mark.parametrize("size", [-1, 1_001])
def test_page_size_out_of_range_is_refused(size: int, world: World) -> None:
    request = consent_pb2.ListConsentEventsRequest(subject="ada", page_size=size)
    with channel_to(world.bound.grpc[0]) as channel:
        problem = outcome(channel, CONSENT + "ListConsentEvents", request.SerializeToString())

    assert "page_size" in reasons(problem)


def test_what_was_once_consented_to_can_be_taken_back_when_the_policies_forgot_its_name(
    tmp_path: Path,
) -> None:
    """The name may come back, and the consent with it."""
    world = World()
    ledger = SqliteLedger(tmp_path / "ledger.db", clock=FakeClock(), ids=FakeIds())
    world.ledger = ledger  # type: ignore[assignment]  # a real one in place of the fake
    ledger.record([consented(1, "bygone", data_subject_id="ada")])
    taken_back, anothers, misspelt, again = gave(), gave(), gave(), gave()
    for event in (taken_back, anothers, misspelt):
        event.kind = consent_pb2.EVENT_KIND_WITHDRAWN
    for event in (taken_back, anothers, again):
        event.scope.purpose = "bygone"
    anothers.subject, misspelt.scope.purpose = "bob", "bygon"

    with serving(world, health_listen=None, http_listen=None):
        answer = record(world, taken_back)
        codes = [refused(world, event)[0] for event in (anothers, misspelt, again)]
    ledger.close()

    assert answer.ledger_position == 2
    assert codes == [grpc.StatusCode.FAILED_PRECONDITION] * 3


def test_without_any_policies_a_person_can_still_take_back_what_was_said(tmp_path: Path) -> None:
    world = World()
    ledger = SqliteLedger(tmp_path / "ledger.db", clock=FakeClock(), ids=FakeIds())
    world.ledger = ledger  # type: ignore[assignment]  # a real one in place of the fake
    world.policies.current = None
    ledger.record([consented(1, "bygone", data_subject_id="ada")])
    taken_back, again, never_said = gave(), gave(), gave()
    taken_back.kind = never_said.kind = consent_pb2.EVENT_KIND_WITHDRAWN
    taken_back.scope.purpose = again.scope.purpose = "bygone"

    with serving(world, health_listen=None, http_listen=None):
        answer = record(world, taken_back)
        with channel_to(world.bound.grpc[0]) as channel:
            codes = [
                outcome(
                    channel,
                    CONSENT + "RecordConsent",
                    consent_pb2.RecordConsentRequest(events=[event]).SerializeToString(),
                ).code()
                for event in (again, never_said)
            ]
    ledger.close()

    assert answer.ledger_position == 2
    assert codes == [grpc.StatusCode.UNAVAILABLE] * 2
