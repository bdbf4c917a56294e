"""Rights for some purposes only, and principals that are bound, over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from server_world import (
    AUTHORIZATION,
    CONSENT,
    World,
    call,
    channel_to,
    gave,
    outcome,
    question,
    serving,
)

from consentry.server.callers import BoundPrincipal, Caller, Callers, Identity, Right
from consentry.server.consent_codec import decode_event
from consentry.server.faults import Faults
from consentry.server.options import Listen
from consentry.v1 import authorization_pb2, consent_pb2, decision_pb2

EMAIL = frozenset({"marketing.email"})
SHOP = Identity(
    name="shop",
    rights={Right.DECIDE: EMAIL, Right.READ_CONSENT: EMAIL, Right.WRITE_CONSENT: EMAIL},
)
CRM = Identity(name="crm", rights={Right.DECIDE: None}, principal=BoundPrincipal(id="crm"))
DENIED = grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(callers=Callers(identities={"shop": SHOP, "crm": CRM}))
    listen = tuple(
        Listen(address=f"unix:{tmp_path}/{name}.sock", identity=name) for name in ("shop", "crm")
    )
    with serving(made, listen=listen, health_listen=None, http_listen=None) as running:
        yield running


def shop(world: World) -> Any:
    return channel_to(world.bound.grpc[0])


def crm(world: World) -> Any:
    return channel_to(world.bound.grpc[1])


def test_another_purpose_is_not_decided(world: World) -> None:
    with shop(world) as channel:
        call(channel, AUTHORIZATION + "Check", question().SerializeToString())
        raw = question(purpose="marketing").SerializeToString()
        problem = outcome(channel, AUTHORIZATION + "Check", raw)

    assert problem.code() is DENIED
    assert len(world.decider.asked) == 1


def test_a_question_that_may_not_be_asked_spoils_no_other_of_a_batch(world: World) -> None:
    items = [
        authorization_pb2.BatchItem(check=question(purpose=purpose))
        for purpose in ("marketing.email", "marketing", "marketing.email")
    ]
    raw = authorization_pb2.CheckBatchRequest(items=items).SerializeToString()
    with shop(world) as channel:
        told = call(channel, AUTHORIZATION + "CheckBatch", raw)
    results = authorization_pb2.CheckBatchResponse.FromString(told).results

    assert [r.WhichOneof("result") for r in results] == ["response", "error", "response"]
    assert results[1].error.code == DENIED.value[0]
    assert dict(world.metrics.callers_refused.series())[("purpose",)] == 1


def test_a_question_that_may_not_be_asked_ends_no_stream(world: World) -> None:
    asked = [
        authorization_pb2.CheckStreamRequest(check=question(purpose=purpose)).SerializeToString()
        for purpose in ("marketing.email", "marketing", "marketing.email")
    ]
    with shop(world) as channel:
        told = list(channel.stream_stream(AUTHORIZATION + "CheckStream")(iter(asked), timeout=20))
    answers = [authorization_pb2.CheckStreamResponse.FromString(raw) for raw in told]

    assert [a.WhichOneof("result") for a in answers] == ["response", "error", "response"]
    assert answers[1].error.code == DENIED.value[0]
    assert dict(world.metrics.callers_refused.series())[("purpose",)] == 1


@pytest.mark.parametrize(
    "scope",
    [
        consent_pb2.ConsentScope(purpose="marketing"),
        consent_pb2.ConsentScope(tag="direct_marketing"),
    ],
)
def test_consent_is_not_written_beyond_the_own_purposes(
    world: World, scope: consent_pb2.ConsentScope
) -> None:
    wide = gave("k2")
    wide.scope.CopyFrom(scope)
    raw = consent_pb2.RecordConsentRequest(events=[gave(), wide]).SerializeToString()
    with shop(world) as channel:
        problem = outcome(channel, CONSENT + "RecordConsent", raw)
        assert world.ledger.events == [], "all or nothing"
        own = consent_pb2.RecordConsentRequest(events=[gave()]).SerializeToString()
        call(channel, CONSENT + "RecordConsent", own)

    assert problem.code() is DENIED
    assert len(world.ledger.events) == 1


def test_consent_is_read_of_the_own_purposes(world: World) -> None:
    with shop(world) as channel:
        for key, purpose in (("k1", "marketing"), ("k2", "marketing.email")):
            world.ledger.record([_event(key, purpose)])
        raw = consent_pb2.GetConsentRequest(subject="ada").SerializeToString()
        state = consent_pb2.GetConsentResponse.FromString(
            call(channel, CONSENT + "GetConsent", raw)
        )
        raw = consent_pb2.ListConsentEventsRequest(subject="ada").SerializeToString()
        listed = consent_pb2.ListConsentEventsResponse.FromString(
            call(channel, CONSENT + "ListConsentEvents", raw)
        )
        asked = consent_pb2.GetConsentRequest(subject="ada", purposes=["marketing"])
        problem = outcome(channel, CONSENT + "GetConsent", asked.SerializeToString())
        unknown = consent_pb2.GetConsentRequest(subject="ada", purposes=["nothing"])
        same = outcome(channel, CONSENT + "GetConsent", unknown.SerializeToString())

    assert [each.purpose for each in state.purposes] == ["marketing.email"]
    assert [each.event.scope.purpose for each in listed.events] == ["marketing.email"]
    assert problem.code() is same.code() is DENIED
    assert problem.details() == same.details(), "whether a purpose exists is not told"


def _event(key: str, purpose: str) -> Any:
    message = gave(key)
    message.scope.purpose = purpose
    return decode_event(message, "event", Faults())


def test_a_bound_identity_asks_as_itself(world: World) -> None:
    nobody, itself, other = question(), question(), question()
    nobody.ClearField("principal")
    itself.principal.CopyFrom(decision_pb2.Principal(id="crm", type="service"))
    with crm(world) as channel:
        for said in (nobody, itself):
            call(channel, AUTHORIZATION + "Check", said.SerializeToString())
        problem = outcome(channel, AUTHORIZATION + "Check", other.SerializeToString())

    assert problem.code() is DENIED
    assert len(world.decider.asked) == 2


class Expiring:
    """Tokens that prove something until the test says otherwise."""

    def __init__(self) -> None:
        self.until_us = 10

    def verify(self, token: str) -> Caller:
        assert token == "good"
        return Caller(CRM, self.until_us)


def test_a_stream_ends_with_what_its_caller_proved() -> None:
    time_us = 0
    callers = Callers(identities={"crm": CRM}, tokens=Expiring(), now_us=lambda: time_us)
    asked = question()
    asked.ClearField("principal")
    item = authorization_pb2.CheckStreamRequest(check=asked).SerializeToString()

    def questions() -> Iterator[bytes]:
        nonlocal time_us
        yield item
        time_us = 11
        yield item

    with (
        serving(World(callers=callers), health_listen=None, http_listen=None) as running,
        channel_to(running.bound.grpc[0]) as channel,
    ):
        stream = channel.stream_stream(AUTHORIZATION + "CheckStream")(
            questions(), timeout=20, metadata=[("authorization", "Bearer good")]
        )
        with pytest.raises(grpc.RpcError) as caught:
            list(stream)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_refusals_and_administrative_acts_are_logged_with_the_identity(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with crm(world) as channel:
        for _ in range(3):
            outcome(channel, "/consentry.v1.PolicyService/ReloadPolicies", b"")
    told = [
        (r.getMessage(), getattr(r, "identity", ""), getattr(r, "cause", ""))
        for r in caplog.records
    ]

    assert told.count(("caller_refused", "crm", "right")) == 1, "once in a while, not each time"
