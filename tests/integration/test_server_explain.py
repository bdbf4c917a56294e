"""`Explain` over gRPC: the same answer as a check, now and as of a past moment, within bounds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from server_world import call, channel_to, outcome

from consentry.app.system import ProcessIds, SystemClock
from consentry.client import AsyncClient, Client, ConsentryError, event, question, service
from consentry.client.questions import QuestionFields
from consentry.compiler.compile import compile_policies
from consentry.consent.sqlite import SqliteLedger
from consentry.pdp.archive import PolicyArchive
from consentry.pdp.decision_point import DecisionPoint
from consentry.pdp.past_policies import PastPolicies
from consentry.pdp.policy_store import PolicyStore
from consentry.pdp.sources import read_packs, read_policy_folder
from consentry.server.codec import ProtoCodec
from consentry.server.explain_service import MAX_AT_ONCE, ExplainMethods
from consentry.server.options import ServerOptions
from consentry.server.sidecar import Sidecar
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import explanation_pb2 as parts

EXPLAIN = "/consentry.v1.AuthorizationService/Explain"
POLICIES = """
data customer { email "E-mail address" }
purpose marketing "Tell you about our products" {
    basis consent
    purpose email "By e-mail"
}
permit mail_campaign "The mailer writes to people who asked" {
    who  service "campaign-mailer"
    may  contact
    data customer.email
    for  marketing.email
}
"""
ASKED: QuestionFields = {
    "principal": service("campaign-mailer"),
    "action": "contact",
    "data": ["customer"],
    "subject": "ada",
    "purpose": "marketing.email",
    "channel": "email",
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Any]:
    folder = tmp_path
    (folder / "policies").mkdir()
    file = folder / "policies" / "a.policy"
    file.write_text(POLICIES)
    clock, ids, metrics = SystemClock(), ProcessIds(), Metrics()
    archive = PolicyArchive(folder / "archive")
    store = PolicyStore(
        read_sources=lambda: read_policy_folder(folder / "policies"),
        packs=read_packs(),
        clock=clock,
        archive=archive,
        settle=lambda: None,
        compile_apart=compile_policies,
    )
    assert store.load_first().is_reloaded
    ledger = SqliteLedger(folder / "consent.sqlite", clock=clock, ids=ids)
    explaining = ExplainMethods(
        policies=store,
        past=PastPolicies(archive, compile_apart=compile_policies),
        ledger=ledger,
        clock=clock,
    )
    sidecar = Sidecar(
        decider=DecisionPoint(
            policies=store, ledger=ledger, codec=ProtoCodec(), clock=clock, ids=ids, metrics=metrics
        ),
        ledger=ledger,
        policies=store,
        metrics=metrics,
        clock=clock,
        options=ServerOptions(
            listen=(f"unix:{folder}/c.sock",), health_listen=None, http_listen=None
        ),
        further=(explaining,),
    )
    bound = sidecar.start()
    with Client(bound.grpc[0], timeout_s=20) as client:
        yield SimpleNamespace(
            client=client, target=bound.grpc[0], store=store, file=file, explaining=explaining
        )
    sidecar.stop()
    ledger.close()


def test_both_clients_are_told_the_same(running: Any) -> None:
    async def ask() -> wire.ExplainResponse:
        async with AsyncClient(running.target, timeout_s=20) as client:
            return await client.explain(**ASKED, with_changes=False)

    told, again = asyncio.run(ask()), running.client.explain(**ASKED, with_changes=False)

    assert (told.reason, told.policy_digest) == (again.reason, again.policy_digest)


def test_explanation_gives_the_answer_of_the_check(running: Any) -> None:
    client: Client = running.client
    for kind in ("", "given", "withdrawn"):
        if kind:
            client.record_consent(event(kind, "ada", purpose="marketing", proof_method="form"))

        answer = client.check(**ASKED)
        told = client.explain(**ASKED)

        assert (told.reason, told.effect == 1) == (answer.reason, answer.is_permitted)
        assert told.policy_digest == answer.policy_digest
        assert [path for leaf in told.leaves for path in leaf.data] == ["customer.email"]


def test_explanation_tells_rules_events_and_changes(running: Any) -> None:
    client: Client = running.client
    client.record_consent(event("given", "ada", purpose="marketing", proof_method="form"))
    client.record_consent(event("withdrawn", "ada", purpose="marketing"))

    told = client.explain(**ASKED)

    (leaf,) = told.leaves
    (permit,) = leaf.permits
    assert (permit.name, permit.file, permit.is_used) == ("mail_campaign", "a.policy", True)
    assert permit.holds == parts.TRUTH_TRUE
    (law,) = [regime for regime in leaf.regimes if regime.name]
    assert (law.governing, law.says_yes) == (parts.GOVERNING_ALWAYS, False)
    assert [entry.part for entry in told.events] == ["cut", "ends"]
    assert told.flips[0].changes[0].text == "the person consents to `marketing.email`"
    assert told.text_for_developer.startswith("DENY  consent_withdrawn")
    assert "Law strict" in told.text_for_officer
    assert "the person took the consent back" in told.text_for_customer


def test_past_answer_is_told_as_of_its_position(running: Any) -> None:
    client: Client = running.client
    given_at = client.record_consent(
        event("given", "ada", purpose="marketing", proof_method="form")
    )
    client.record_consent(event("withdrawn", "ada", purpose="marketing"))

    told = client.explain(ledger_position=given_at, **ASKED)

    assert (told.effect, told.reason) == (1, "consent_valid")
    assert told.ledger_position == given_at


def test_past_answer_is_told_as_of_its_moment(running: Any) -> None:
    client: Client = running.client
    before = datetime.now(UTC) - timedelta(minutes=1)
    client.record_consent(event("given", "ada", purpose="marketing", proof_method="form"))

    assert client.explain(**ASKED).reason == "consent_valid"
    assert client.explain(at=before, **ASKED).reason == "consent_missing"


def test_past_answer_is_told_by_the_archived_policy_set(running: Any) -> None:
    client: Client = running.client
    digest = client.check(**ASKED).policy_digest
    running.file.write_text(POLICIES.replace("campaign-mailer", "somebody-else"))
    assert running.store.reload().is_reloaded

    now = client.explain(**ASKED)
    then = client.explain(policy_digest=digest, **ASKED)

    assert now.reason == "actor_purpose_not_authorised"
    assert (then.reason, then.policy_digest) == ("consent_missing", digest)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"policy_digest": "ab" * 32}, grpc.StatusCode.NOT_FOUND),
        ({"policy_digest": "../../etc"}, grpc.StatusCode.NOT_FOUND),
        ({"ledger_position": 999}, grpc.StatusCode.FAILED_PRECONDITION),
        ({"ledger_position": -1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"check": None}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_what_cannot_be_explained_is_refused(
    running: Any, changes: dict[str, Any], code: grpc.StatusCode
) -> None:
    request = wire.ExplainRequest(**{"check": question(**ASKED), **changes})

    with channel_to(running.target) as channel:
        problem = outcome(channel, EXPLAIN, request.SerializeToString())

    assert problem.code() is code


def test_search_for_changes_is_left_out_when_not_wanted(running: Any) -> None:
    told = running.client.explain(with_changes=False, **ASKED)

    assert (list(told.flips), told.is_search_complete) == ([], True)


def test_one_explanation_too_many_is_refused_at_once(running: Any) -> None:
    """Others are being made: their room is taken, as a slow search would take it."""
    room: threading.BoundedSemaphore = running.explaining._room
    for _ in range(MAX_AT_ONCE):
        assert room.acquire(blocking=False)
    try:
        with pytest.raises(ConsentryError) as caught:
            running.client.explain(**ASKED)
    finally:
        room.release(MAX_AT_ONCE)

    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert running.client.explain(**ASKED).reason == "consent_missing"


def test_malformed_bytes_are_a_request_error(running: Any) -> None:
    with channel_to(running.target) as channel:
        problem = outcome(channel, EXPLAIN, b"\xff\xff")
        assert problem.code() is grpc.StatusCode.INVALID_ARGUMENT
        raw = wire.ExplainRequest(check=question(**ASKED)).SerializeToString()
        assert wire.ExplainResponse.FromString(call(channel, EXPLAIN, raw)).reason
