"""The client against a real server, and against none."""

from __future__ import annotations

import grpc
import pytest
from server_world import CANARY, World, serving

from consentry.client import Client, ConsentryError, event, question, service
from consentry.client.questions import QuestionFields

MAILER = service("campaign-mailer", roles=["marketer"], region="DE")
ASKED: QuestionFields = {
    "principal": MAILER,
    "action": "contact",
    "data": ["customer"],
    "subject": "ada",
    "purpose": "marketing.email",
    "channel": "email",
}


def test_answer_arrives_whole() -> None:
    with serving() as world, Client(world.bound.grpc[0], timeout_s=20) as client:
        decision = client.check(correlation_id="c-1", at_least=3, **ASKED)
        permitted = client.permits(**ASKED)

    assert decision
    assert permitted
    assert decision.is_answered
    assert (decision.reason, decision.correlation_id) == ("consent_valid", "c-1")
    assert (decision.ledger_position, decision.consent_age_s) == (7, 5e-6)
    assert decision.fields[0].data == "customer"
    assert decision.valid_until is None


def test_batch_keeps_its_order_and_denies_the_bad_one() -> None:
    good = question(**ASKED)
    bad = question(**ASKED)
    bad.principal.type = "root"
    with serving() as world, Client(world.bound.grpc[0], timeout_s=20) as client:
        decisions = client.check_batch([good, bad, good], correlation_ids=["a", "b", "c"])
        none = client.check_batch([])

    assert [d.is_permitted for d in decisions] == [True, False, True]
    assert [d.correlation_id for d in decisions] == ["a", "", "c"]
    assert "principal.type" in decisions[1].error
    assert none == ()


def test_nobody_there_is_a_denial() -> None:
    with Client("unix:/nonexistent/consentry.sock", timeout_s=5) as client:
        decision = client.check(**ASKED)
        several = client.check_batch([question(**ASKED)] * 2)

    assert not decision
    assert (decision.reason, decision.is_answered) == ("unavailable", False)
    assert [d.reason for d in several] == ["unavailable", "unavailable"]


def test_nobody_there_raises_when_asked_to() -> None:
    with (
        Client("unix:/nonexistent/consentry.sock", timeout_s=5, on_error="raise") as client,
        pytest.raises(ConsentryError) as caught,
    ):
        client.permits(**ASKED)

    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


def test_slow_answer_is_a_denial() -> None:
    world = World()
    world.decider.may_answer.clear()
    with serving(world), Client(world.bound.grpc[0], timeout_s=0.1) as client:
        decision = client.check(**ASKED)

    assert not decision
    assert "DEADLINE_EXCEEDED" in decision.error


def test_error_inside_is_a_denial_without_its_text() -> None:
    world = World()
    world.decider.failure = ValueError(CANARY)
    with serving(world), Client(world.bound.grpc[0], timeout_s=20) as client:
        decision = client.check(**ASKED)

    assert not decision
    assert CANARY not in decision.error


def test_closed_client_denies() -> None:
    with serving() as world:
        client = Client(world.bound.grpc[0])
        client.close()

        assert client.check(**ASKED).reason == "unavailable"


def test_recording_gives_the_position_to_read_after() -> None:
    with serving() as world, Client(world.bound.grpc[0], timeout_s=20) as client:
        position = client.record_consent(
            [
                event("given", "ada", purpose="marketing.email", proof_method="web_form"),
                event("withdrawn", "ada", purpose="marketing"),
            ]
        )

    assert position == 2
    assert [e.kind.value for e in world.ledger.events] == ["given", "withdrawn"]


def test_refused_recording_raises_whatever_on_error_says() -> None:
    with (
        serving() as world,
        Client(world.bound.grpc[0], timeout_s=20) as client,
        pytest.raises(ConsentryError, match="purpose_unknown") as caught,
    ):
        client.record_consent(event("given", "ada", purpose="nothing"))

    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
